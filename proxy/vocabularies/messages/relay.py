"""Frames of this very vocabulary on their way through: ids, model, origin tags, missing figures, an index used twice
and the `segue` member are rewritten, every other value of each `data` keeps its bytes (contract §4)."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.canonical.events import BlockKind, Closed, Event, Failed, Finished, Opened, Signed, Skipped, Started
from proxy.canonical.events import UsageReported as Reported
from proxy.canonical.ids import call_id
from proxy.canonical.usage import Usage
from proxy.vocabularies.messages.frames import MESSAGE_STOP
from proxy.vocabularies.messages.schema import ENCODE, EVENT
from proxy.vocabularies.messages.usage import usage_member
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.sse import Frame, frame_bytes

# Which member carries material, by the form its tag names (`canonical.origin`).
_MEMBERS = {"signature": "signature", "redacted": "data", "compaction": "encrypted_content"}
# Figures that typed clients read from every `usage`. Source: anthropic (Python) 2.11, `lib/streaming/_messages.py`.
_FIGURES = ("input_tokens", "output_tokens")
_MEMBERS_OF = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_STRING = rb'"(?:[^"\\]|\\.)*"'


class Relay:
    """One answer's frames. `began`: the step just written was the provider's message_start; `ended`: its end is out;
    `numbers`: the provider's index of a block -> ours, where they differ; `open`: the blocks that are, by our number;
    `blocks`: how many there were.

    The closing account is held back until the message stops: should the answer break between the two, it may go on."""

    def __init__(self, head: Head, message_id: str) -> None:
        self.began = False
        self.ended = False
        self.usage = Usage()
        self.numbers: dict[int, int] = {}
        self.open: dict[int, Opened] = {}
        self.blocks = 0
        self._head = head
        self._id = message_id
        self._held: tuple[bytes, bytes] | None = None  # the last message_delta: its data and name

    def write(self, step: Step) -> bytes | None:
        """The step's frame as the client gets it; None if it gets nothing. Whoever opened the stream already leaves
        out the one that `began` it."""
        frame, events = step.frame, step.events
        self.began = False
        if events and isinstance(events[-1], Failed):
            return None
        finished = bool(events) and isinstance(events[-1], Finished)
        self.ended = self.ended or finished
        if frame is None:
            return self._closing(MESSAGE_STOP) if finished else None
        if any(isinstance(event, Skipped) for event in events):
            return None
        written = self._patched(frame, events)
        return self._closing(written or b"") if finished else written

    def _patched(self, frame: Frame, events: Sequence[Event]) -> bytes | None:
        data, name = frame.data, frame.event
        if not name:
            name = _name(data)
            if not name:
                return None
        if name == b"message_start":
            self.began = True
            data = patch(patch(data, b"id", self._id), b"model", self._head.request.model)
        for event in events:
            if isinstance(event, Started) and event.usage is not None:
                self.usage = self.usage.merged(event.usage)
            elif isinstance(event, Opened):
                self._number(data, event.block)
                self.open[event.block] = event
                self.blocks = event.block + 1
                if event.kind is BlockKind.TOOL_CALL:
                    data = patch(data, b"id", call_id(self._head.seed, event.block, event.call_id))
            elif isinstance(event, Signed):
                data = patch(data, _member_of(event.material).encode(), event.material)
            elif isinstance(event, Closed):
                self.open.pop(event.block, None)
            elif isinstance(event, Reported):
                self.usage = self.usage.merged(event.usage)
        if name == b"message_start":
            data = _with_figures_inside(data, self.usage)
        elif name == b"message_delta":
            return self._hold(_with_figures(data, self.usage), name)
        elif self.numbers and name.startswith(b"content_block_"):
            data = self._renumbered(data)
        return frame_bytes(data, name)

    def _number(self, data: bytes, number: int) -> None:
        """Remember what the opened block is called there, if not by its number."""
        index = EVENT.decode(data).index
        self.numbers.pop(index, None)
        if index != number:
            self.numbers[index] = number

    def _renumbered(self, data: bytes) -> bytes:
        members = _MEMBERS_OF(data)
        ours = self.numbers.get(msgspec.json.decode(members.get("index", msgspec.Raw(b"0"))))
        return data if ours is None else ENCODE({**members, "index": ours})

    def _hold(self, data: bytes, name: bytes) -> bytes | None:
        """Keep a closing account; the one before it, if this is not the first."""
        before, self._held = self._held, (data, name)
        return None if before is None else frame_bytes(*before)

    def _closing(self, stop: bytes) -> bytes:
        """The end, behind the account that was kept, which gets the segue member."""
        if self._held is None:
            return stop
        data, name = self._held
        return frame_bytes(data.rstrip()[:-1] + b"," + ENCODE({"segue": self._head.account.member()})[1:], name) + stop


def _with_figures(data: bytes, usage: Usage) -> bytes:
    """The object `data` with a `usage` that lacks no figure; untouched if it is whole. What nobody reported is 0."""
    members = _MEMBERS_OF(data)
    given = msgspec.json.decode(members.get("usage", msgspec.Raw(b"null")))
    completed = _figures_completed(given, usage)
    return data if completed is given else ENCODE({**members, "usage": completed})


def _with_figures_inside(data: bytes, usage: Usage) -> bytes:
    """The same for the message that `data` starts."""
    members = _MEMBERS_OF(data)
    message = bytes(members.get("message", b""))
    if not message.startswith(b"{"):
        return data
    completed = _with_figures(message, usage)
    return data if completed is message else ENCODE({**members, "message": msgspec.Raw(completed)})


def _figures_completed(given: Any, usage: Usage) -> Any:
    """`given` itself if it is whole."""
    known = given if isinstance(given, dict) else {}
    if all(known.get(name) is not None for name in _FIGURES):
        return given
    return usage_member(usage) | {name: count for name, count in known.items() if count is not None}


def _name(data: bytes) -> bytes:
    """The event's name where the provider sent no `event:` line."""
    try:
        return EVENT.decode(data).type.encode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return b""


def _member_of(material: str) -> str:
    return _MEMBERS[material.split(".", 3)[2]]


def patch(data: bytes, member: bytes, value: str) -> bytes:
    """`data` with the first string member of that name replaced, nothing else touched."""
    found = re.search(rb'"%b"\s*:\s*(%b)' % (member, _STRING), data)
    return data if found is None else data[: found.start(1)] + ENCODE(value) + data[found.end(1) :]


def relayed_document(body: dict[str, Any], events: Sequence[Event], head: Head, message_id: str) -> dict[str, Any]:
    """A whole message, its blocks rewritten where they carry an id or material. Blocks are numbered as in `events`."""
    content = list(body.get("content") or ())
    usage = Usage()
    for event in events:
        if isinstance(event, Opened) and event.kind is BlockKind.TOOL_CALL:
            content[event.block] = {
                **content[event.block],
                "id": call_id(head.seed, event.block, event.call_id),
            }
        elif isinstance(event, Reported):
            usage = usage.merged(event.usage)
        elif isinstance(event, Signed):
            content[event.block] = {**content[event.block], _member_of(event.material): event.material}
    return {
        **body,
        "id": message_id,
        "model": head.request.model,
        "content": content,
        "usage": _figures_completed(body.get("usage"), usage),
        "segue": head.account.member(),
    }
