"""Framing: wherever the bytes are cut, the same frames come out, and they are those the standard says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.framing import RULES, read_frames
from proxy.conformance.framing import Frame as StandardFrame
from proxy.conformance.report import Findings
from proxy.wire.sse import (
    MAXIMUM_FRAME_BYTES,
    Frame,
    FrameSplitter,
    FrameTooLarge,
    comment_bytes,
    frame_bytes,
    parse_frame,
)

LF = (
    b'event: message_start\ndata: {"a":1}\n\n'
    b": a comment\n\n"
    b'data:{"no":"space"}\n\n'
    b'data: {"multi":\ndata: "line"}\n\n'
    b'id: 7\nretry: 100\ndata: {"b":"gr\xc3\xbc\xc3\x9fe \xf0\x9f\x91\x8b"}\n\n'
    b"\n\nevent: lonely\n\n"
    b": before\nevent: x\ndata: {}\n\n\n"
    b"data: [DONE]\n\n"
)
MIXED = (
    b'event: a\r\ndata: {"a":1}\r\n\r\nevent: b\rdata: {"b":2}\r\revent: c\ndata: {"c":3}\n\r\n'
    b'data: {"d":4}\r\n\ndata: {"e":5}\n\rdata: {"f":6}\r\r\n: comment\r\ndata: {"g":\r\ndata:7}\r\n\r\n'
)
CORPUS = {
    "lf": LF,
    "crlf": LF.replace(b"\n", b"\r\n"),
    "cr": LF.replace(b"\n", b"\r"),
    "mixed": MIXED,
    "bom": b"\xef\xbb\xbf" + LF,
    "bom crlf": b"\xef\xbb\xbf" + LF.replace(b"\n", b"\r\n"),
    "leading blank lines": b"\r\n\r\n\n" + LF,
    "no final blank line": LF + b'event: last\ndata: {"z":0}\n',
    "no final line end": LF[:-2],
    "no final line end, crlf": LF.replace(b"\n", b"\r\n")[:-4],
    "half a crlf at the end": LF.replace(b"\n", b"\r\n")[:-1],
}


def split(*chunks: bytes) -> list[Frame]:
    splitter = FrameSplitter()
    frames = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return frames + splitter.finish()


def by_the_standard(stream: bytes) -> list[Frame]:
    """What the checker, which shares no code with the splitter, makes of it."""
    return [
        Frame((found.event or "").encode(), found.text.encode())
        for found in read_frames(stream, Findings(RULES))
        if isinstance(found, StandardFrame)
    ]


@pytest.fixture(params=CORPUS, name="stream")
def a_stream(request: pytest.FixtureRequest) -> bytes:
    return CORPUS[request.param]


def test_p09_frames_are_those_of_the_standard(stream: bytes):
    # The checker wants every line ended; the splitter takes what a sender that closed was done with.
    whole = stream if stream.endswith((b"\n\n", b"\r\r", b"\r\n\r\n")) else stream + b"\n\n"
    assert split(stream) == by_the_standard(whole)


def test_p09_one_cut_changes_nothing(stream: bytes):
    whole = split(stream)
    assert all(split(stream[:cut], stream[cut:]) == whole for cut in range(len(stream) + 1))


@pytest.mark.parametrize("name", ["mixed", "bom crlf"])
def test_p09_two_cuts_change_nothing(name: str):
    stream = CORPUS[name][:150]
    whole = split(stream)
    for first in range(len(stream)):
        for second in range(first, len(stream)):
            assert split(stream[:first], stream[first:second], stream[second:]) == whole


def test_p09_byte_by_byte_changes_nothing(stream: bytes):
    assert split(*(bytes((byte,)) for byte in stream)) == split(stream)


@given(st.sampled_from(sorted(CORPUS)), st.lists(st.integers(0, 400), max_size=30))
def test_p09_no_chunking_changes_anything(name: str, cuts: list[int]):
    stream = CORPUS[name]
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    assert split(*(stream[a:b] for a, b in pairwise(edges))) == split(stream)


lines = st.sampled_from([b"data: {}", b"data:1", b"event: e", b": c", b"", b"", b"data", b"id: 1", b"data:  x"])
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.integers(0, 80))
def test_p09_any_mixture_of_line_ends_is_read_by_the_standard(parts: list[tuple[bytes, bytes]], cut: int):
    stream = b"".join(line + end for line, end in parts) + b"\n\n"
    assert split(stream[:cut], stream[cut:]) == split(stream) == by_the_standard(stream)


def test_a_multi_line_frame_keeps_its_event_name():
    assert split(b"event: x\r\ndata: 1\r\ndata: 2\r\n\r\n") == [Frame(b"x", b"1\n2")]


def test_frames_leave_as_soon_as_they_are_whole():
    splitter = FrameSplitter()
    assert splitter.feed(b"data: 1\r\n\r") == []
    assert splitter.feed(b"\ndata: 2") == [Frame(b"", b"1")]
    assert splitter.feed(b"\n\n") == [Frame(b"", b"2")]
    assert splitter.finish() == []


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("step", [7, 64, 1000])
def test_a_frame_has_a_limit_wherever_it_is_cut(step: int, end: bytes):
    stream = b"data: 1" + end + b"data: " + b"x" * 100 + end
    splitter = FrameSplitter(maximum=64)
    seen: list[Frame] = []

    def feed() -> None:
        for at in range(0, len(stream), step):
            seen.extend(splitter.feed(stream[at : at + step]))

    with pytest.raises(FrameTooLarge) as too_large:
        feed()
    assert [*seen, *too_large.value.whole] == [Frame(b"", b"1")]


def test_the_limit_is_four_mebibytes():
    assert MAXIMUM_FRAME_BYTES == 4 * 1024 * 1024
    frame = b"data: " + b"x" * (MAXIMUM_FRAME_BYTES - 6)
    assert len(split(frame + b"\n\n")[0].data) == MAXIMUM_FRAME_BYTES - 6
    with pytest.raises(FrameTooLarge):
        FrameSplitter().feed(frame + b"xx")


@given(st.binary().map(lambda b: b.replace(b"\r", b"")), st.sampled_from([b"", b"delta"]))
def test_what_is_written_is_read_back(content: bytes, event: bytes):
    assert split(frame_bytes(content, event)) == [Frame(event, content)]


@given(st.binary())
def test_a_comment_is_never_a_frame(text: bytes):
    written = comment_bytes(text)
    assert split(written) == []
    assert written.count(b"\n") == 2


@pytest.mark.parametrize(
    ("block", "data"),
    [
        # The server of llama.cpp named its field so (`server_sent_event`).
        (b'error: {"code":400,"message":"m"}', b'{"code":400,"message":"m"}'),
        # Servers that fail before they begin their stream, under the headers of one.
        (b'{"error": {"message": "m"}}', b'{"error": {"message": "m"}}'),
        (b'{\n  "error": "m"\n}', b'{\n  "error": "m"\n}'),
    ],
)
def test_errors_in_forms_no_client_would_see_are_frames_named_error(block: bytes, data: bytes):
    assert split(block) == split(block + b"\n\n") == [Frame(b"error", data)]


def test_a_block_without_a_data_line_is_no_frame():
    assert parse_frame(b"event: x\nid: 1") is None
    assert parse_frame(b"data") == Frame(b"", b"")
    assert parse_frame(b"data: a: b") == Frame(b"", b"a: b")
