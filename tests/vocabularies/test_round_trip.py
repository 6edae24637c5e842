"""decode(encode(events)) == events, for what each wire can carry. What it cannot is spelled out here, wire by wire."""

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.ids import call_id
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint
from tests.vocabularies import corpus

_SEED = "seed0123456789"


class Wire(NamedTuple):
    """What a vocabulary carries from end to end. `form`: its word for the round-trip material of reasoning.

    A stop reason that is not listed has no word of its own there.
    """

    kinds: tuple[BlockKind, ...]
    stops: tuple[StopReason, ...]
    form: str | None
    tells_cache_writes: bool
    tells_reasoning: bool


WIRES = {
    "responses": Wire(
        (
            BlockKind.TEXT,
            BlockKind.REFUSAL,
            BlockKind.REASONING,
            BlockKind.RAW_REASONING,
            BlockKind.TOOL_CALL,
            BlockKind.CUSTOM_CALL,
        ),
        (StopReason.END, StopReason.LENGTH, StopReason.CONTENT_FILTER),
        "encrypted",
        True,
        True,
    ),
    "chat": Wire(
        (BlockKind.TEXT, BlockKind.REFUSAL, BlockKind.REASONING, BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL),
        (StopReason.END, StopReason.LENGTH, StopReason.CONTENT_FILTER, StopReason.TOOL_CALLS),
        None,
        False,
        True,
    ),
    "messages": Wire(
        (BlockKind.TEXT, BlockKind.REASONING, BlockKind.TOOL_CALL),
        (StopReason.END, StopReason.LENGTH, StopReason.TOOL_CALLS, StopReason.REFUSAL, StopReason.PAUSE),
        "signature",
        True,
        False,
    ),
}
_CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)
_PROSE = (BlockKind.TEXT, BlockKind.REFUSAL)
_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_count = st.integers(0, 10_000)


class Said(NamedTuple):
    """A block without its number, and the same for comparison."""

    kind: BlockKind
    pieces: tuple[str, ...]
    name: str = ""
    material: str | None = None
    citations: tuple[Citation, ...] = ()


@st.composite
def blocks(draw: st.DrawFn, wire: Wire) -> Said:
    kind = draw(st.sampled_from(wire.kinds))
    if kind is BlockKind.TOOL_CALL:
        arguments = msgspec.json.encode(draw(st.dictionaries(_text, _text, max_size=3))).decode()
        cut = draw(st.integers(1, len(arguments)))
        pieces = tuple(piece for piece in (arguments[:cut], arguments[cut:]) if piece)
        return Said(kind, pieces, draw(st.from_regex(r"[a-z_]{1,20}", fullmatch=True)))
    pieces = tuple(draw(st.lists(_text, min_size=1, max_size=4)))
    if kind is BlockKind.CUSTOM_CALL:
        return Said(kind, pieces, "custom_tool")
    if kind is BlockKind.REASONING and wire.form:
        return Said(kind, pieces, material=draw(st.from_regex(r"[A-Za-z0-9+/]{8,40}", fullmatch=True)))
    if kind is BlockKind.TEXT and draw(st.booleans()):
        return Said(kind, pieces, citations=(Citation(url="https://example.com/a", title=draw(_text)),))
    return Said(kind, pieces)


@st.composite
def answers(draw: st.DrawFn, name: str) -> list[Event]:
    """One attempt's events: what a provider of that vocabulary could have said."""
    wire = WIRES[name]
    said = _joined(draw(st.lists(blocks(wire), min_size=1, max_size=5)), name)
    out: list[Event] = [Started()]
    for number, block in enumerate(said):
        is_call = block.kind in _CALLS
        out.append(Opened(number, block.kind, call_id(_SEED, number, f"up_{number}") if is_call else "", block.name))
        out += [Delta(number, piece) for piece in block.pieces]
        out += [Cited(number, citation) for citation in block.citations]
        if block.material:
            out.append(Signed(number, corpus.SEAL.close(wire.form or "", block.material)))
        out.append(Closed(number))
    whole, read = draw(_count), draw(_count)
    output, thought = draw(_count), draw(_count)
    usage = Usage(
        whole + read,
        output + thought,
        read,
        0 if wire.tells_cache_writes else None,
        thought if wire.tells_reasoning else None,
    )
    return [*out, UsageReported(usage, final=True), Finished(_stop(draw(st.sampled_from(wire.stops)), said, wire))]


def _joined(said: list[Said], name: str) -> list[Said]:
    """Chat has one reasoning and one content or refusal per choice: such blocks come once, before the calls."""
    if name != "chat":
        return said
    firsts = [
        next((block for block in said if block.kind in kinds), None) for kinds in ((BlockKind.REASONING,), _PROSE)
    ]
    return [block for block in firsts if block] + [block for block in said if block.kind in _CALLS]


def _stop(reason: StopReason, said: list[Said], wire: Wire) -> StopReason:
    """What an ordinary end is called follows from the blocks: an end for calls, a refusal (Responses has no word for
    either), or a plain end."""
    if reason not in (StopReason.END, StopReason.TOOL_CALLS):
        return reason
    if any(block.kind in _CALLS for block in said):
        return StopReason.TOOL_CALLS
    refused = any(block.kind is BlockKind.REFUSAL for block in said) and StopReason.TOOL_CALLS not in wire.stops
    return StopReason.REFUSAL if refused else StopReason.END


class Understood(NamedTuple):
    blocks: list[tuple[BlockKind, str, str, str, str | None, tuple[str | None, ...]]]
    usage: Usage
    stop: Event


def understood(events: list[Event]) -> Understood:
    """Events without what no wire promises: block numbers, and where a text is cut into deltas."""
    found: dict[int, list[object]] = {}
    usage, stop = Usage(), events[-1]
    for event in events:
        match event:
            case Opened():
                found[event.block] = [event.kind, "", event.call_id, event.name, None, ()]
            case Delta():
                found[event.block][1] = str(found[event.block][1]) + event.text
            case Signed():
                found[event.block][4] = _innermost(event.material)
            case Cited():
                found[event.block][5] = (*found[event.block][5], event.citation.url, event.citation.title)  # type: ignore[misc]
            case UsageReported():
                usage = usage.merged(event.usage)
    return Understood([tuple(block) for block in found.values()], _counted(usage), stop)  # type: ignore[misc]


def _innermost(material: str) -> str:
    """What the provider gave: the upstream role seals again what the downstream role had sealed for the client."""
    opened = corpus.ORIGINS.read(material)
    return material if opened is None else _innermost(opened.payload)


def _counted(usage: Usage) -> Usage:
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens or 0,
        usage.cache_write_tokens or 0,
        usage.reasoning_tokens or 0,
    )


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_is_encoded_is_what_is_decoded(name: str, data: st.DataObject):
    events = data.draw(answers(name))
    stream = corpus.encoder(name).encode(events)
    verdict = lint(stream, name)
    assert verdict.ok, str(verdict)
    assert understood(corpus.events(name, stream)) == understood(events)


@pytest.mark.parametrize("name", WIRES)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_documents_carry_the_same(name: str, data: st.DataObject):
    events = data.draw(answers(name))
    body = corpus.encoder(name, stream=False).document(events)
    assert understood(corpus.UPSTREAM[name].read_document(body, corpus.peer())) == understood(events)
