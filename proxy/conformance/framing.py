"""Bytes to SSE frames, strictly by the WHATWG "Server-sent events" section (9.2.6, interpreting an event stream).

Deliberately shares no code with the splitter the proxy uses: a checker must not repeat the mistakes it looks for.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from proxy.conformance.report import Findings

RULES = {
    "framing.utf8": "send the stream as UTF-8 and never cut a character in two",
    "framing.unterminated": "end every frame, the last one too, with an empty line; a client discards what is cut",
    "framing.unknown-field": "use only event, data, id, retry and comments; a client drops any other line",
    "framing.repeated-event": "write one event line per frame; only the last one counts",
    "framing.retry": "write retry as digits only (milliseconds)",
    "framing.no-data": "give every frame a data line; a client drops an event without one",
    "framing.json": "make each data one JSON object, or the marker [DONE]",
}

DONE = "[DONE]"
_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Comment:
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One dispatched event; `payload` is None for the marker [DONE] and for what is not a JSON object."""

    number: int
    line: int
    event: str | None
    text: str
    payload: dict[str, Any] | None

    @property
    def is_done_marker(self) -> bool:
        return self.text == DONE


@dataclass(slots=True)
class _Block:
    """The fields since the last empty line."""

    line: int
    events: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def read_frames(stream: bytes, findings: Findings, *, cancelled: bool = False) -> Iterator[Frame | Comment]:
    """Frames and comments in the order of their lines. An unfinished last frame is given only if it parses whole."""
    *lines, rest = _LINE_END.split(_decode(stream, findings, cancelled=cancelled).removeprefix("\ufeff"))
    block: _Block | None = None
    number = 0
    for line, text in enumerate(lines, start=1):
        if text.startswith(":"):
            yield Comment(line, text[1:].removeprefix(" "))
        elif text:
            block = block or _Block(line)
            findings.at(number + 1, line)
            _read_field(text, block, findings)
        elif block is not None:
            findings.at(number + 1, block.line)
            if findings.require(block.lines, "framing.no-data", "a frame has no data line"):
                number += 1
                yield _frame(number, block, findings)
            block = None
    if cancelled or not (block or rest):
        return
    block = block or _Block(len(lines) + 1)
    findings.at(number + 1, block.line)
    findings.add("framing.unterminated", "the stream ends inside a frame")
    text = "\n".join(block.lines)
    if not rest and (text == DONE or _parse(text) is not None):
        yield _frame(number + 1, block, findings)


def _decode(stream: bytes, findings: Findings, *, cancelled: bool) -> str:
    try:
        return stream.decode("utf-8")
    except UnicodeDecodeError as error:
        cut_by_client = cancelled and error.reason == "unexpected end of data"
        if not cut_by_client:
            line = len(_LINE_END.split(stream[: error.start].decode("utf-8", "replace")))
            findings.at(1, line)
            findings.add("framing.utf8", f"byte {error.start} is not UTF-8 ({error.reason})")
        return stream.decode("utf-8", "replace")


def _read_field(text: str, block: _Block, findings: Findings) -> None:
    name, _, value = text.partition(":")
    value = value.removeprefix(" ")
    match name:
        case "data":
            block.lines.append(value)
        case "event":
            findings.require(not block.events, "framing.repeated-event", "a second event line in one frame")
            block.events.append(value)
        case "retry":
            findings.require(value.isascii() and value.isdigit(), "framing.retry", f"retry is {value!r}")
        case "id":
            pass
        case _:
            findings.add("framing.unknown-field", f"a line starts with the field {name[:40]!r}")


def _frame(number: int, block: _Block, findings: Findings) -> Frame:
    text = "\n".join(block.lines)
    payload = _parse(text)
    if payload is None and text != DONE:
        findings.add("framing.json", f"data is {text[:60]!r}")
    return Frame(number, block.line, block.events[-1] if block.events else None, text, payload)


def _parse(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
