"""Request bodies: encodings, limits, broken JSON, and complaints that name the field (contract §1, §6)."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol

from proxy.errors import BodyTooLarge
from proxy.http.bodies import read_body
from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import PATHS, VOCABULARIES, body, error

LIMIT = 64 * 1024


def raw_deflate(content: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(content) + squeezer.flush()


def streamed_zstd(content: bytes) -> bytes:
    """A frame that does not tell its size beforehand, as streaming clients write them."""
    squeezer = zstandard.ZstdCompressor().compressobj()
    return squeezer.compress(content) + squeezer.flush()


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "streamed zstd": ("zstd", streamed_zstd),
    "identity": ("identity", bytes),
}
SQUEEZED = [name for name in ENCODINGS if name != "identity"]


@pytest.fixture(scope="module")
def shared(open_shared: OpenStage) -> Stage:
    return open_shared(("chat", "first"), server={"body_limit": LIMIT})


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.upstream.recorder.forget()
    return shared


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings(stage: Stage, name: str):
    word, squeeze = ENCODINGS[name]
    said = "Grüße " * 4000
    answer = stage.raw("POST", PATHS["chat"], squeeze(question(said=said)), {"content-encoding": word})
    assert answer.status == 200
    assert stage.requests[0].body["messages"][0]["content"] == said


@pytest.mark.parametrize("name", SQUEEZED)
@pytest.mark.parametrize("break_", [lambda b: b[:-6], lambda b: b"\x07" + b[1:], lambda b: b""], ids=("cut", "odd", ""))
def test_a_broken_encoding_is_the_clients_fault(stage: Stage, name: str, break_: Callable[[bytes], bytes]):
    word, squeeze = ENCODINGS[name]
    answer = stage.raw("POST", PATHS["chat"], break_(squeeze(question())), {"content-encoding": word})
    assert answer.status == 400
    assert word in answer.json["error"]["message"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_an_unknown_encoding(stage: Stage, vocabulary: str):
    asked = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    answer = stage.raw("POST", PATHS[vocabulary], body(vocabulary), {"content-encoding": "lzma"} | asked)
    assert answer.status == 415
    assert "lzma" in error(vocabulary, answer)[1]


@pytest.mark.parametrize("name", SQUEEZED)
def test_the_limit_counts_what_comes_out(stage: Stage, name: str):
    word, squeeze = ENCODINGS[name]
    fits = question(said="x" * (LIMIT - 200))
    assert stage.raw("POST", PATHS["chat"], squeeze(fits), {"content-encoding": word}).status == 200
    answer = stage.raw("POST", PATHS["chat"], squeeze(question(said="x" * LIMIT)), {"content-encoding": word})
    assert answer.status == 413
    assert str(LIMIT) in answer.json["error"]["message"]


@pytest.mark.parametrize("name", SQUEEZED)
async def test_a_bomb_takes_no_more_memory_than_the_limit(name: str):
    word, squeeze = ENCODINGS[name]
    nothing = bytes(64 * 1024 * 1024)
    bomb = brotli.compress(nothing, quality=1) if word == "br" else squeeze(nothing)
    request = Posted(word, bomb)
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            await read_body(request, LIMIT)  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * 1024  # zstd's least step can make 8 MiB, held twice for a moment


class Posted:
    """As much of a request as reading its body needs."""

    def __init__(self, encoding: str, content: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.headers = {"content-encoding": encoding}
        self.content_length = len(content)
        self.content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
        self.content.feed_data(content)
        self.content.feed_eof()


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
@pytest.mark.parametrize("more", [{}, {"expect": "100-continue"}], ids=["plain", "expecting"])
def test_a_declared_size_is_enough_to_refuse(stage: Stage, vocabulary: str, more: dict[str, str]):
    with Wire(stage) as wire:
        wire.send(wire.request(path=PATHS[vocabulary], content_length=str(LIMIT + 1), **more))
        reply = wire.reply()
    assert reply.status == 413
    assert reply.json["error"]["message"]


def test_a_chunked_body_is_counted_as_it_comes(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(transfer_encoding="chunked"))
        piece = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        for _ in range(LIMIT // 0x1000 + 1):
            wire.send(piece)
        assert wire.reply().status == 413


def test_a_chunked_body_of_small_pieces(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(transfer_encoding="chunked"))
        for byte in question():
            wire.send(b"1\r\n%c\r\n" % byte)
        wire.send(b"0\r\n\r\n")
        assert wire.reply().status == 200


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"model": "x", "messages": }', "byte 27"),
        (b"", "JSON"),
        (b"[]", "array"),
        (b'"text"', "string"),
        (b"null", "null"),
        (b'{"model": "\xff"}', "UTF-8"),
        (b'{"model": "x"', "JSON"),
        (b'{"model": NaN}', "JSON"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "deep"),
        (b'{"a":' + b"[" * 30_000, "deep"),
    ],
    ids=["hole", "empty", "array", "string", "null", "utf-8", "cut", "nan", "deep", "deep and cut"],
)
@pytest.mark.parametrize("vocabulary", ["chat", "messages"])
def test_what_is_not_a_json_object(open_stage: OpenStage, vocabulary: str, content: bytes, says: str):
    stage = open_stage(("chat", "first"))
    answer = stage.raw("POST", PATHS[vocabulary], content, {"content-type": "application/json"})
    assert answer.status == 400
    assert says.lower() in answer.json["error"]["message"].lower()


_IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": 5}}
_SOURCE = {"type": "image", "source": {"type": "base64", "media_type": 5, "data": "AAAA"}}
_PART = {"type": "input_text", "text": 5}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("responses", {"input": [{"role": "user", "content": [_PART]}]}, "input[0].content[0].text"),
    ("responses", {"input": 5}, "input"),
    ("responses", {"temperature": "warm"}, "temperature"),
    ("responses", {"stream": "yes"}, "stream"),
    ("responses", {"previous_response_id": "resp_1"}, "previous_response_id"),
    ("responses", {"background": True}, "background"),
    ("responses", {"conversation": "conv_1"}, "conversation"),
    ("chat", {"messages": [{"role": "user", "content": [_IMAGE]}]}, "messages[0].content[0].image_url.url"),
    ("chat", {"messages": "hello"}, "messages"),
    ("chat", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("chat", {"max_tokens": "many"}, "max_tokens"),
    ("messages", {"messages": [{"role": "user", "content": [_SOURCE]}]}, "messages[0].content[0].source.media_type"),
    ("messages", {"messages": 5}, "messages"),
    ("messages", {"max_tokens": "many"}, "max_tokens"),
    ("domain", {"input": [{"role": "user", "content": [_PART]}]}, "input[0].content[0].text"),
]


@pytest.mark.parametrize(("vocabulary", "wrong", "path"), WRONG, ids=[f"{row[0]}-{row[2]}" for row in WRONG])
def test_a_wrong_field_is_named(stage: Stage, vocabulary: str, wrong: dict[str, Any], path: str):
    asked = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    answer = stage.raw("POST", PATHS[vocabulary], body(vocabulary) | wrong, asked)
    assert answer.status == 400
    assert path in error(vocabulary, answer)[1]
    if vocabulary in ("responses", "chat"):
        assert answer.json["error"]["param"] == path
    assert stage.asked == []


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("model", [None, 5, ""])
def test_a_model_must_be_named(stage: Stage, vocabulary: str, model: Any):
    asked = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    content = json.dumps({name: value for name, value in body(vocabulary, model=model).items() if value is not None})
    answer = stage.raw("POST", PATHS[vocabulary], content.encode(), asked)
    assert answer.status in ((400, 404) if model == "" else (400,))
    assert "model" in error(vocabulary, answer)[1].lower()


def test_a_large_body_passes_unharmed(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    turns = [{"role": "user", "content": [image, {"type": "text", "text": "Hi there"}]}]
    assert stage.raw("POST", PATHS["chat"], body("chat", False, messages=turns)).status == 200
    assert stage.requests[0].body["messages"][0]["content"][0] == image
