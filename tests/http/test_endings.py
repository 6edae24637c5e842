"""Requests that we end ourselves, and servers that end: each client is told in its own words, or served to the end.

The stage itself checks on closing that every answer conforms and that nothing is left behind.
"""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from proxy.errors import Draining, ProxyError, Unauthenticated
from proxy.runtime import keys
from tests.e2e.configuration import SECRET
from tests.e2e.harness import Answer, OpenStage, Stage
from tests.http.sockets import Wire, question, within
from tests.http.test_departures import PIECE, PIECES, flood
from tests.pipeline.asking import PATHS, VOCABULARIES, ask, error, names, speaks, text

LEAVING = Draining("leaving", retry_after=1.0)
REVOKED = Unauthenticated("The API key has been revoked.")
ENDLESS = "first+long-5000+delay-10"
MANY = 100_000  # tokens
# Per vocabulary: the name of the last event of a stream that fails, and the status of an answer that does.
FAILED = {
    "responses": ("response.failed", 503),
    "chat": ("error", 503),
    "messages": ("error", 529),
    "domain": ("error", 503),
}


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def running(stage: Stage) -> int:
    return len(stage.app.running)


def cut(stage: Stage, error: ProxyError = LEAVING, key_ids: list[str] | None = None) -> None:
    async def done() -> None:
        stage.app.running.cut(error, key_ids)

    stage._backstage.run(done())


class Ending:
    """A drain under way, in the server's own thread."""

    def __init__(self, stage: Stage, accepting: float = 0.0, grace: float = 20.0) -> None:
        self._loop = stage._backstage.loop
        self._hurry = asyncio.Event()
        drained = stage.app.drain(accepting, grace, self._hurry, asyncio.Event())
        self._drained: Future[None] = asyncio.run_coroutine_threadsafe(drained, self._loop)

    def hurry(self) -> None:
        self._loop.call_soon_threadsafe(self._hurry.set)

    @property
    def is_over(self) -> bool:
        return self._drained.done()

    def over(self, timeout: float = 10.0) -> float:
        """Waits for it; seconds it took from now."""
        began = time.monotonic()
        self._drained.result(timeout)
        return time.monotonic() - began


def asked(stage: Stage, beside: ThreadPoolExecutor, vocabulary: str, **more: Any) -> "Future[Answer]":
    """A request in another thread, begun."""
    before = running(stage)
    future = beside.submit(lambda: ask(stage, vocabulary, **more))
    assert within(5, lambda: running(stage) == before + 1)
    return future


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_stream_that_is_cut_ends_in_its_own_words(open_stage: OpenStage, beside: ThreadPoolExecutor, vocabulary: str):
    stage = open_stage((speaks(vocabulary), ENDLESS))
    more = {"max_tokens": MANY} if vocabulary == "messages" else {}
    answering = asked(stage, beside, vocabulary, **more)
    assert within(5, lambda: bool(stage.requests) and stage.requests[0].bytes_written > 5000)
    cut(stage)
    cut(stage, REVOKED)  # only the first counts
    answer = answering.result(5)
    assert answer.status == 200
    assert names(vocabulary, answer)[-1] == FAILED[vocabulary][0]
    assert b"leaving" in answer.content
    assert b"[DONE]" not in answer.content
    assert "word1 " in text(vocabulary, answer)
    stage.settle()
    assert stage.requests[0].disconnected
    assert stage.metric("segue_requests_total", outcome="broken") == 1
    assert stage.metric("segue_breaker_state") == 0, "the target had no part in it"


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_before_the_first_byte_it_is_a_status(
    open_stage: OpenStage, beside: ThreadPoolExecutor, vocabulary: str, stream: bool
):
    stage = open_stage((speaks(vocabulary), "first+hang"))
    answering = asked(stage, beside, vocabulary, stream=stream)
    cut(stage)
    answer = answering.result(5)
    assert answer.status == FAILED[vocabulary][1]
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers
    assert error(vocabulary, answer)[1]
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="failed") == 1


def test_headers_alone_make_it_a_stream(open_stage: OpenStage, beside: ThreadPoolExecutor):
    """Opening events went out, nothing else: too late for a status."""
    stage = open_stage(routes={Stage.model: {"candidates": [("responses", "first+hang")], "announce": "eager"}})
    with Wire(stage) as wire:
        wire.send(wire.request(path=PATHS["responses"], content=json.dumps(responses()).encode()))
        wire.until(b"response.created")
        cut(stage)
        rest = wire.until(b"0\r\n\r\n")
    assert b"response.failed" in rest
    assert rest.endswith(b"0\r\n\r\n")


def responses() -> dict[str, Any]:
    return {"model": Stage.model, "input": "Hi there", "stream": True}


def test_a_body_that_is_still_coming(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    with Wire(stage) as wire:
        wire.send(wire.request(content=question())[:-10])
        assert within(5, lambda: running(stage) == 1)
        cut(stage)
        assert wire.reply().status == 503
    assert stage.asked == []


def test_only_those_of_the_key(open_stage: OpenStage, beside: ThreadPoolExecutor):
    other = keys.compose("otherkey", "0123456789abcdefghijABCDEFGHIJ99")
    held = {"id": "otherkey", "hash": keys.digest(SECRET.encode(), other)}
    stage = open_stage(("chat", ENDLESS), tenants={"others": {"keys": [held]}})
    theirs = asked(stage, beside, "chat", headers={"authorization": f"Bearer {other}"})
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=True)))
        wire.until(b"word1 ")
        cut(stage, REVOKED, ["otherkey", "nobodys1"])
        answer = theirs.result(5)
        assert b"has been revoked" in answer.content
        assert names("chat", answer)[-1] == "error"
        assert running(stage) == 1
        wire.until(b"word9")
    assert within(5, lambda: running(stage) == 0)


@pytest.mark.parametrize(("vocabulary", "status"), [("chat", 401), ("messages", 401), ("domain", 401)])
def test_a_key_that_was_revoked_is_no_key(
    open_stage: OpenStage, beside: ThreadPoolExecutor, vocabulary: str, status: int
):
    stage = open_stage((speaks(vocabulary), "first+hang"))
    answering = asked(stage, beside, vocabulary)
    cut(stage, REVOKED, ["testkey1"])
    assert answering.result(5).status == status


def test_what_runs_ends_as_it_began_and_the_idle_go_at_once(open_stage: OpenStage):
    stage = open_stage(("chat", "first+long-60+delay-20"))
    idle, used, busy = Wire(stage), Wire(stage), Wire(stage)
    used.send(used.request("GET", "/v1/models"))
    assert used.reply().status == 200
    busy.send(busy.request(content=question(stream=True)))
    busy.until(b"word1 ")
    ending = Ending(stage)
    assert (idle.rest(), used.rest()) == (b"", b""), "closed, not left to hang"
    assert not ending.is_over
    assert refused(stage)
    answer = busy.until(b"0\r\n\r\n")
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert busy.rest() == b""
    assert ending.over() < 2, "it waited for nobody"


def refused(stage: Stage) -> bool:
    host, _, port = stage.direct_url.removeprefix("http://").partition(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) != 0


def test_while_it_still_accepts_each_answer_is_the_last(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    kept = Wire(stage)
    kept.send(kept.request("GET", "/v1/models"))
    assert kept.reply().headers.get("connection") is None
    ending = Ending(stage, accepting=1.0)
    assert within(5, lambda: stage.app._server.draining)
    fresh = Wire(stage)
    for wire in (kept, fresh):
        for content in (question(), question(stream=True)):
            if content == question(stream=True):
                wire.leave()
                wire = Wire(stage)
            wire.send(wire.request(content=content))
            reply = wire.reply()
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert wire.rest() == b""
    ending.over()
    assert refused(stage)


def test_a_body_that_is_under_way_is_read_to_its_end(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    with Wire(stage) as wire:
        whole = wire.request(content=question(said="x" * 100_000))
        wire.send(whole[:1000])
        assert within(5, lambda: running(stage) == 1)
        ending = Ending(stage)
        time.sleep(0.5)
        wire.send(whole[1000:])
        reply = wire.reply()
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    ending.over()


def test_a_slow_reader_gets_everything(open_stage: OpenStage):
    """Also the end, which the server has written long before it is read."""
    stage = open_stage(("chat", "flood"))
    flood(stage, "flood")
    with Wire(stage, receive_buffer=8192, patience=10.0) as wire:
        wire.send(wire.request(content=question(stream=True)))
        wire.until(b"\r\n\r\n")
        ending = Ending(stage)
        time.sleep(0.3)
        size, last = 0, b""
        while content := wire.more():
            size, last = size + len(content), (last + content)[-100:]
    assert size > PIECE * PIECES
    assert last.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    ending.over()


def test_one_who_only_finishes_reading_later_gets_everything(open_stage: OpenStage):
    """Nothing runs any more, but what was answered has not left yet."""
    stage = open_stage(("chat", "whole"))
    stage.upstream.script("whole", [{"write": json.dumps(long_answer())}])
    with Wire(stage, receive_buffer=8192, patience=10.0) as wire:
        wire.send(wire.request(content=question(stream=False)))
        assert within(5, lambda: bool(stage.requests) and running(stage) == 0)
        ending = Ending(stage)
        time.sleep(1.0)
        assert not ending.is_over
        reply = wire.reply()
    assert len(reply.json["choices"][0]["message"]["content"]) == PIECE * 100
    ending.over()


def long_answer() -> dict[str, Any]:
    message = {"role": "assistant", "content": "x" * PIECE * 100}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "whole", "choices": choices}


@pytest.mark.parametrize("streams", [True, False])
def test_who_reads_nothing_holds_up_nobody(open_stage: OpenStage, streams: bool):
    stage = open_stage(("chat", "flood"))
    if streams:
        flood(stage, "flood")
    else:
        stage.upstream.script("flood", [{"write": json.dumps(long_answer())}])
    with Wire(stage, receive_buffer=8192) as wire:
        wire.send(wire.request(content=question(stream=streams)))
        assert within(5, lambda: bool(stage.requests) and stage.requests[0].bytes_written > PIECE)
        ending = Ending(stage, grace=0.5)
        assert 0.4 < ending.over() < 9


@pytest.mark.parametrize("accepting", [0.0, 30.0])
def test_in_a_hurry_nothing_is_waited_for(open_stage: OpenStage, accepting: float):
    stage = open_stage(("messages", ENDLESS))
    with Wire(stage) as wire:
        asking = {"model": Stage.model, "max_tokens": MANY, "messages": [{"role": "user", "content": "Hi"}]}
        wire.send(wire.request(path=PATHS["messages"], content=json.dumps(asking | {"stream": True}).encode()))
        wire.until(b"word1 ")
        ending = Ending(stage, accepting, grace=30.0)
        time.sleep(0.3)
        ending.hurry()
        rest = wire.until(b"0\r\n\r\n")
        assert b"event: error" in rest
        assert b"overloaded_error" in rest
        assert ending.over() < 3
