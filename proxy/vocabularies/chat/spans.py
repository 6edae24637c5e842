"""Where the members of a JSON object are, in its bytes, so that one can be replaced and every other byte stays."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])
_BETWEEN = b" \t\r\n,"
# A member with a plain name and a value without structure or escapes, up to the next member's beginning.
_PLAIN = re.compile(rb'\s*+"([^"\\]*+)"\s*+:\s*+("[^"\\]*+"|[^\s{}\[\],:"]++)\s*+,')
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


class Span(NamedTuple):
    """A value, half-open; `key` is where its name begins (where the value does, in an array)."""

    start: int
    end: int
    key: int


class Edit(NamedTuple):
    """Put `content` where `start`…`end` was."""

    start: int
    end: int
    content: bytes


def members(text: bytes, within: Span | None = None) -> dict[str, Span]:
    """The members of the object at `within` (else: of the one that `text` is). `text` is valid JSON. Of a name that
    occurs twice, the last."""
    region = text if within is None else text[within.start : within.end]
    found: dict[str, Span] = {}
    first = at = (0 if within is None else within.start) + region.index(b"{") + 1
    for name, value in _MEMBERS.decode(region).items():
        key = text.find(b'"%b"' % name.encode(), at)
        if key < 0 or text[at:key].strip(_BETWEEN):
            return _tokenized(text, first)
        at = key + len(name.encode()) + 2
        place = _value(text, bytes(value), at)
        if place is None:
            return _tokenized(text, first)
        found[name] = Span(*place, key)
        at = place[1]
    return found


def leading(text: bytes) -> dict[str, Span]:
    """The first members of the object that `text` is, as far as they are plain ones: a tenth of the cost of all."""
    found: dict[str, Span] = {}
    at = text.index(b"{") + 1
    while (plain := _PLAIN.match(text, at)) is not None:
        found[plain[1].decode()] = Span(*plain.span(2), plain.start(1) - 1)
        at = plain.end()
    return found


def elements(text: bytes, within: Span) -> list[Span]:
    """The elements of the array at `within`."""
    found: list[Span] = []
    at = within.start + 1
    for value in _ELEMENTS.decode(text[within.start : within.end]):
        content = bytes(value)
        start = text.index(content, at)
        at = start + len(content)
        found.append(Span(start, at, start))
    return found


def _value(text: bytes, value: bytes, at: int) -> tuple[int, int] | None:
    """Where `value` stands after a name that ends at `at`; None if something else stands there."""
    start = text.find(value, at)
    if start < 0 or text[at:start].strip(_BETWEEN) != b":":
        return None
    return start, start + len(value)


def _tokenized(text: bytes, start: int) -> dict[str, Span]:
    """The slow way, for what a name's plain spelling cannot find: escaped names, names that occur twice. `start` is
    right after the object's brace."""
    found: dict[str, Span] = {}
    depth, name, key, begin, end = 1, b"", 0, -1, 0
    for token in _TOKEN.finditer(text, start):
        mark = token[0]
        if depth == 1 and mark in b",}" and begin >= 0:
            found[msgspec.json.decode(name)] = Span(begin, end, key)
            begin = -1
        if mark in b"}]":
            depth -= 1
            if depth == 0:
                break
        elif depth == 1 and begin < 0 and mark not in b",":
            if mark == b":":
                begin = -2
            elif begin == -2:
                begin = token.start()
            else:
                name, key = mark, token.start()
        if mark in b"{[":
            depth += 1
        end = token.end()
    return found


def applied(text: bytes, edits: Iterable[Edit]) -> bytes:
    """`text` with every edit made; they do not overlap."""
    out: list[bytes] = []
    at = 0
    for edit in sorted(edits):
        out += (text[at : edit.start], edit.content)
        at = edit.end
    out.append(text[at:])
    return b"".join(out)


def removal(text: bytes, span: Span) -> Edit:
    """The edit that takes a member out of its object, with the comma that goes with it."""
    after = text[span.end :].lstrip()
    if after.startswith(b","):
        return Edit(span.key, len(text) - len(after) + 1, b"")
    before = text[: span.key].rstrip()
    return Edit(len(before) - before.endswith(b","), span.end, b"")
