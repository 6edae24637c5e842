"""Content blocks written one after the other, numbered from 0 without gaps.

A reasoning block starts only when it is known to be one: with its first word, or with material that must not get lost.
Without material no signature is written at all; the empty one its start must have proves nothing and is dropped when a
client sends it back.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from proxy.canonical.accumulate import Block as Whole
from proxy.canonical.events import BlockKind, Citation, Opened
from proxy.canonical.ids import call_id
from proxy.vocabularies.messages.citations import write_citation
from proxy.vocabularies.messages.frames import DELTA_END, delta_start, frame
from proxy.vocabularies.messages.schema import ENCODE
from proxy.wire.fields import is_too_deep

_REASONING = (BlockKind.REASONING, BlockKind.RAW_REASONING)
_TEXT = (BlockKind.TEXT, BlockKind.REFUSAL)


class Blocks:
    """The blocks of one message. `current` is the canonical number of the open block, None between blocks; `kinds` are
    those of all blocks so far."""

    def __init__(self, seed: str, emit: Callable[[bytes], None]) -> None:
        self.kinds: list[BlockKind] = []
        self.current: int | None = None
        self._seed = seed
        self._emit = emit
        self._index = 0
        self._opened: Opened | None = None
        self._started = False
        self._delta = b""
        self._material: str | None = None
        self._input: list[str] = []  # of a free-text tool, whose input is one JSON string

    def open(self, event: Opened) -> None:
        if event.kind is BlockKind.HOSTED:
            return
        self._opened, self.current, self._started, self._material = event, event.block, False, None
        self.kinds.append(event.kind)
        if event.kind not in _REASONING:
            self._start(whole_block(Whole(event.kind, event.call_id, event.name), event.block, self._seed))
        if event.kind in _TEXT:
            self._delta = delta_start(self._index, b"text_delta", b"text")
        elif event.kind in _REASONING:
            self._delta = delta_start(self._index, b"thinking_delta", b"thinking")
        else:
            self._delta = delta_start(self._index, b"input_json_delta", b"partial_json")

    def adopt(self, written: Mapping[int, Opened], count: int) -> None:
        """Go on behind `count` blocks that somebody else wrote, of which `written` are still open by their numbers.
        Only the last one can be gone on with: any other one ends here."""
        self._index = count
        for number, opened in written.items():
            self.kinds.append(opened.kind)
            if number == count - 1:
                self._index, self._opened, self.current, self._started = number, opened, number, True
            else:
                self._emit(frame("content_block_stop", {"index": number}))

    def resume(self, block: int) -> None:
        """The open text goes on as canonical block `block`; a block of any other kind ends."""
        if self._opened is None or self._opened.kind is not BlockKind.TEXT:
            self.close()
            return
        self._opened, self.current = Opened(block, BlockKind.TEXT), block
        self._delta = delta_start(self._index, b"text_delta", b"text")

    def void(self) -> None:
        """Take back everything so far: the open block's end says so, or, where none is open, an empty text's."""
        if self._opened is None or not self._started:
            self._start({"type": "text", "text": ""})
        self._emit(frame("content_block_stop", {"index": self._index, "segue": {"void": True}}))
        self._index += 1
        self._opened = self.current = self._material = None
        self.kinds.clear()
        self._input.clear()

    def _start(self, block: dict[str, Any] | None) -> None:
        self._started = True
        self._emit(frame("content_block_start", {"index": self._index, "content_block": block}))

    def say(self, text: str) -> None:
        """A piece of the open block."""
        opened = self._opened
        if opened is None or not text:
            return
        if opened.kind is BlockKind.CUSTOM_CALL:
            self._input.append(text)
            return
        if not self._started:
            self._start({"type": "thinking", "thinking": "", "signature": ""})
        self._emit(self._delta + ENCODE(text) + DELTA_END)

    def cite(self, citation: Citation) -> None:
        if self._opened is not None and self._opened.kind in _TEXT:
            self._emit_delta({"type": "citations_delta", "citation": write_citation(citation)})

    def sign(self, material: str) -> None:
        if self._opened is not None and self._opened.kind in _REASONING:
            self._material = material

    def close(self) -> None:
        """The open block ends; a reasoning block that said nothing and has no material never was."""
        opened, self._opened, self.current = self._opened, None, None
        if opened is None:
            return
        if opened.kind is BlockKind.CUSTOM_CALL:
            self._emit(self._delta + ENCODE(ENCODE({"input": "".join(self._input)}).decode()) + DELTA_END)
            self._input.clear()
        if self._material is not None:
            self._write_material(self._material)
        if self._started:
            self._emit(frame("content_block_stop", {"index": self._index}))
            self._index += 1

    def _write_material(self, material: str) -> None:
        if not self._started and not _is_signature(material):
            self._start({"type": "redacted_thinking", "data": material})
            return
        if not self._started:
            self._start({"type": "thinking", "thinking": "", "signature": ""})
        self._emit_delta({"type": "signature_delta", "signature": material})

    def _emit_delta(self, delta: dict[str, Any]) -> None:
        self._emit(frame("content_block_delta", {"index": self._index, "delta": delta}))


def whole_block(block: Whole, number: int, seed: str) -> dict[str, Any] | None:
    """A block as a document holds it, and, while it is still empty, as its start frame does; None = nothing to show."""
    if block.kind in _TEXT:
        cited = [write_citation(citation) for citation in block.citations]
        return {"type": "text", "text": block.text, **({"citations": cited} if cited else {})}
    if block.kind in _REASONING:
        return _whole_reasoning(block.text, block.material)
    if block.kind is BlockKind.HOSTED:
        return None
    return {
        "type": "tool_use",
        "id": call_id(seed, number, block.call_id),
        "name": block.name,
        "input": _input(block),
    }


def _whole_reasoning(text: str, material: str | None) -> dict[str, Any] | None:
    if not text and material is None:
        return None
    if material is not None and not text and not _is_signature(material):
        return {"type": "redacted_thinking", "data": material}
    return {"type": "thinking", "thinking": text, "signature": material or ""}


def _input(block: Whole) -> dict[str, Any]:
    """The call's arguments as the object this wire wants; text that is none is kept under one name."""
    if block.kind is BlockKind.CUSTOM_CALL:
        return {"input": block.text} if block.pieces else {}
    try:
        parsed = msgspec.json.decode(block.text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": block.text}
    if is_too_deep(parsed):
        return {"arguments": block.text}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def _is_signature(material: str) -> bool:
    """The tag's third field names the form (`canonical.origin`)."""
    return material.split(".", 3)[2:3] == ["signature"]
