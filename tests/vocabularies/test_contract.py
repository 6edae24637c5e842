"""What every upstream vocabulary owes the proxy, whatever bytes arrive: the same events at every cut, exactly one
terminal, the grammar of canonical events, and no exception."""

import random

import pytest

from proxy.canonical.events import TERMINAL, Delta, Event, Failed, FaultKind, Finished, Foreign, Skipped, is_content
from proxy.canonical.grammar import Grammar
from proxy.wire.sse import FrameSplitter
from tests.vocabularies import corpus

EVERY = [(name, stream) for name in corpus.UPSTREAM for stream in corpus.streams(name)]
CORRUPTIONS = 400
# Cut at every single byte, down to the events: one short answer. Of the others the frames are compared at every byte of
# those whose bytes are peculiar, and the events when every byte comes alone.
_CUT = "text"
_PECULIAR = ("crlf", "no space", "comments", "multi-byte text", "malformed before content")


def assert_sound(events: list[Event]) -> None:
    assert sum(isinstance(event, TERMINAL) for event in events) == 1
    assert isinstance(events[-1], TERMINAL)
    grammar = Grammar()
    for event in events:
        assert grammar.allows(event), event


def plain(stream: bytes) -> bytes:
    """With LF line ends."""
    return stream.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("name", corpus.UPSTREAM)
@pytest.mark.parametrize("stream", _PECULIAR)
def test_a_cut_anywhere_completes_the_same_frames(name: str, stream: str):
    content = corpus.streams(name)[stream]
    whole = frames(content)
    for position in range(len(content) + 1):
        assert frames(content[:position], content[position:]) == whole


def frames(*chunks: bytes) -> list[object]:
    splitter = FrameSplitter()
    return [frame for chunk in chunks for frame in splitter.feed(chunk)] + list(splitter.finish())


@pytest.mark.parametrize("name", corpus.UPSTREAM)
def test_a_cut_anywhere_gives_the_same_events(name: str):
    content = corpus.streams(name)[_CUT]
    whole = corpus.events(name, content)
    assert isinstance(whole[-1], Finished)
    for position in range(len(content) + 1):
        assert corpus.events(name, content[:position], content[position:]) == whole


@pytest.mark.parametrize(("name", "stream"), EVERY)
def test_single_bytes_and_crlf_give_the_same_events(name: str, stream: str):
    content = corpus.streams(name)[stream]
    whole = corpus.events(name, content)
    assert_sound(whole)
    assert corpus.events(name, *corpus.pieces(content, 1)) == whole
    windows = plain(content).replace(b"\n", b"\r\n")
    assert corpus.events(name, windows) == whole
    assert corpus.events(name, *corpus.pieces(windows, 1)) == whole


@pytest.mark.parametrize(("name", "stream"), EVERY)
def test_every_truncation_ends_once(name: str, stream: str):
    content = corpus.streams(name)[stream]
    step = 1 if stream == _CUT else 31
    for length in range(0, len(content), step):
        assert_sound(corpus.events(name, content[:length]))


@pytest.mark.parametrize("name", corpus.UPSTREAM)
def test_a_cut_in_the_middle_is_no_end(name: str):
    content = corpus.streams(name)["many deltas"]
    half = corpus.events(name, content[: len(content) // 2])
    assert any(isinstance(event, Delta) for event in half)
    assert not isinstance(half[-1], Finished)


@pytest.mark.parametrize("name", corpus.UPSTREAM)
def test_corruption_ends_once(name: str):
    chance = random.Random(f"corruption {name}")
    streams = list(corpus.streams(name).values())
    for _ in range(CORRUPTIONS):
        broken = corrupted(chance.choice(streams), chance)
        events = corpus.events(name, *corpus.pieces(broken, chance.choice((1, 17, 64, 100_000))))
        assert_sound(events)


_LITERALS = (b"null", b"true", b"-1", b"1e400", b"[]", b"{}", b'""', b'"\\ud800"', b"9" * 20, b"[[[[[[{}]]]]]]")


def corrupted(stream: bytes, chance: random.Random) -> bytes:
    """Damage as it happens (bytes flipped, lost, repeated), and JSON values swapped for others that parse."""
    content = bytearray(stream)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(content))
        match chance.randrange(5):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                del content[place : place + chance.randint(1, 200)]
            case 2:
                content[place:place] = content[place : place + chance.randint(1, 200)]
            case 3:
                colon = content.find(b'":', place)
                if colon >= 0:
                    ends = [end for mark in b",}" if (end := content.find(mark, colon)) > 0]
                    content[colon + 2 : min(ends, default=colon + 2)] = chance.choice(_LITERALS)
            case _:
                blocks = bytes(content).split(b"\n\n")
                chance.shuffle(blocks)
                content = bytearray(b"\n\n".join(blocks))
        if not content:
            return b""
    return bytes(content)


@pytest.mark.parametrize("name", corpus.UPSTREAM)
@pytest.mark.parametrize("member", [b"", b'"type":"x","more":', b'"delta":', b'"choices":'])
def test_a_frame_nested_too_deeply_is_malformed(name: str, member: bytes):
    content = plain(corpus.streams(name)["text"])
    bomb = b"data: {" + (member or b'"a":') + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    known = corpus.events(name, content)
    assert [event for event in corpus.events(name, bomb + content) if not isinstance(event, Skipped)] == known
    end = corpus.events(name, content[: len(content) // 2].rpartition(b"\n\n")[0] + b"\n\n" + bomb + bomb)[-1]
    assert isinstance(end, Failed)
    assert end.kind is FaultKind.MALFORMED


@pytest.mark.parametrize("name", corpus.UPSTREAM)
def test_an_unknown_frame_is_foreign_and_harmless(name: str):
    known = corpus.events(name, corpus.streams(name)["text"])
    events = corpus.events(name, corpus.streams(name)["unknown event"])
    foreign = [event for event in events if isinstance(event, Foreign)]
    assert not any(is_content(event) for event in foreign)
    assert [event for event in events if not isinstance(event, Foreign)] == known
    assert foreign or name == "chat"  # a chat chunk has no type that could be unknown


@pytest.mark.parametrize("name", corpus.UPSTREAM)
@pytest.mark.parametrize("nothing", [b"", b"\n\n", b": comment\n\n", b"event: ping\n\n", b"<html></html>", b"\x00\xff"])
def test_a_stream_without_an_answer_fails_once(name: str, nothing: bytes):
    events = corpus.events(name, nothing)
    assert_sound(events)
    assert not isinstance(events[-1], Finished)
