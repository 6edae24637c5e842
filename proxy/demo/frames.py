"""Frames: what a speaker says, before and on the wire. Every later stage works on these, whatever the vocabulary."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import msgspec

Json = dict[str, Any]
Slot = tuple[Json, str]  # a place inside a payload: the object and the member's name

encode_json = msgspec.json.encode
decode_json = msgspec.json.decode


class Role(Enum):
    LIFECYCLE = auto()  # opening, closing and bookkeeping of items
    CONTENT = auto()  # a delta with something in it, or the opening of a tool call: what `cut-<n>` counts
    FINISH = auto()  # says why the answer ended
    USAGE = auto()  # exists only to carry usage
    DONE = auto()  # what comes after the finish


@dataclass(slots=True)
class Frame:
    """One SSE frame, or the whole JSON body of an answer that is not streamed (its role is FINISH)."""

    payload: Json | bytes
    role: Role = Role.LIFECYCLE
    event: str = ""
    usage: Slot | None = None  # where this frame carries (or would carry) usage
    position: Slot | None = None  # where this frame says which item it belongs to
    call: int | None = None  # ordinal of the tool call it belongs to

    def encoded(self) -> bytes:
        return self.payload if isinstance(self.payload, bytes) else encode_json(self.payload)


@dataclass(frozen=True, slots=True)
class SseForm:
    """How frames are spelled: the plain form, or a legal but rarer one."""

    newline: bytes = b"\n"
    space: bytes = b" "
    comments: bool = False

    def spell(self, frame: Frame) -> bytes:
        lines = [b": still working", b""] if self.comments else []
        if frame.event:
            lines.append(b"event:" + self.space + frame.event.encode())
        lines += [b"data:" + self.space + frame.encoded(), b"", b""]
        return self.newline.join(lines)


def number(frames: Iterable[Frame]) -> None:
    """Numbers the frames of a vocabulary that counts them, after every rearrangement."""
    count = 0
    for frame in frames:
        if isinstance(frame.payload, dict) and "sequence_number" in frame.payload:
            frame.payload["sequence_number"] = count
            count += 1
