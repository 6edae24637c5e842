"""Too much at once is turned away unread: cheaply, in the words that were asked for, with a time to come back."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from proxy.errors import Overloaded
from proxy.http.shedding import LAG, LIMIT, Shedding
from proxy.runtime.snapshot import ServerSettings
from proxy.telemetry.loop_lag import LoopLag
from tests.e2e.harness import Answer, OpenStage, Stage
from tests.http.sockets import Wire, question, within
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, error, speaks, text

ENDLESS = "first+long-5000+delay-10"
SHED = {"responses": 503, "chat": 503, "messages": 529, "domain": 503}
ONE = {"server": {"in_flight_limit": 1}}


@contextmanager
def busy(stage: Stage) -> Iterator[None]:
    """As long as the block runs, a stream of another client does."""
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=True, model="endless")))
        wire.until(b"word1 ")
        yield
    assert within(5, lambda: len(stage.app.running) == 0)


def staged(open_stage: OpenStage, vocabulary: str = "chat", **more: Any) -> Stage:
    routes = {Stage.model: [(speaks(vocabulary), "first")], "endless": [("chat", ENDLESS)]}
    return open_stage(routes=routes, **more)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_one_too_many_is_told_in_the_words_it_asked_for(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = staged(open_stage, vocabulary, **ONE)
    with busy(stage):
        answer = ask(stage, vocabulary, stream)
        assert answer.status == SHED[vocabulary]
        assert error(vocabulary, answer)[1] == "The proxy serves as many requests as it may. Retry in a moment."
        assert answer.headers["x-request-id"].startswith("req_")
        assert "x-should-retry" not in answer.headers
        assert 1 <= int(answer.headers["retry-after"]) <= 4
        assert 1000 <= int(answer.headers["retry-after-ms"]) <= 4000
        assert stage.metric("segue_requests_shed_total", why="in_flight_limit") == 1
        assert stage.metric("segue_requests_total", outcome="shed", route="other", tenant="other") == 1
        assert stage.metric("segue_requests_in_flight") == 1
        assert stage.asked == [ENDLESS]
    answer = ask(stage, vocabulary, stream)
    assert answer.status == 200
    assert not stream or text(vocabulary, answer) == TEXT


@pytest.mark.parametrize(
    ("method", "path", "body", "key", "headers"),
    [
        ("GET", "/v1/models", None, None, {}),
        ("POST", "/v1/chat/completions", b"no json", "", {}),
        ("POST", "/v1/chat/completions", b"{}", "sg-wrong", {"authorization": "Basic x"}),
        ("POST", "/v1/chat/completions", b"x" * 100_000, None, {"content-encoding": "unknown"}),
        ("GET", "/v1/nothing", None, None, {}),
        ("OPTIONS", "/v1/chat/completions", None, None, {}),
        ("POST", "/v1/embeddings", b"{}", None, {}),
    ],
)
def test_nothing_else_is_asked_first(
    open_stage: OpenStage, method: str, path: str, body: bytes | None, key: str | None, headers: dict[str, str]
):
    stage = staged(open_stage, **ONE)
    with busy(stage):
        assert stage.raw(method, path, body, headers, key).status == 503


def test_a_large_body_is_not_waited_for(open_stage: OpenStage):
    stage = staged(open_stage, **ONE)
    with busy(stage), Wire(stage) as wire:
        wire.send(wire.request(content=b"x" * 1_000_000)[:2000])
        assert wire.reply().status == 503
    with busy(stage), Wire(stage) as wire:
        wire.send(wire.request(content=b"x" * 1000, expect="100-continue")[:-1000])
        assert wire.reply().status == 503, "and no 100 before it"


def test_a_connection_outlives_it(open_stage: OpenStage):
    stage = staged(open_stage, **ONE)
    with Wire(stage) as wire:
        with busy(stage):
            for _ in range(3):
                wire.send(wire.request(content=question()))
                assert wire.reply().status == 503
        wire.send(wire.request(content=question()))
        assert wire.reply().status == 200


def test_what_is_turned_away_is_not_in_flight(open_stage: OpenStage):
    """Else those who are turned away would keep each other out."""
    stage = staged(open_stage, server={"in_flight_limit": 2})
    with busy(stage):
        for _ in range(20):
            assert ask(stage, "chat").status == 200
    assert stage.metric("segue_requests_shed_total") == 0


def test_the_limit_can_be_changed_in_service(open_stage: OpenStage):
    stage = staged(open_stage, **ONE)
    snapshot = stage.app._snapshot
    with busy(stage):
        assert ask(stage, "chat").status == 503
        raised = msgspec.structs.replace(snapshot.server, in_flight_limit=None)
        stage._backstage.run(adopted(stage, msgspec.structs.replace(snapshot, server=raised)))
        assert ask(stage, "chat").status == 200


async def adopted(stage: Stage, snapshot: Any) -> None:
    stage.app.adopt(snapshot)


def test_one_that_drains_turns_away_too_and_closes(open_stage: OpenStage):
    stage = staged(open_stage, **ONE)
    with busy(stage):
        ending = asyncio.run_coroutine_threadsafe(
            stage.app.drain(5.0, 5.0, asyncio.Event(), asyncio.Event()), stage._backstage.loop
        )
        assert within(5, lambda: stage.app._server.draining)
        with Wire(stage) as wire:
            wire.send(wire.request(content=question()))
            reply = wire.reply()
            assert (reply.status, reply.headers["connection"]) == (503, "close")
            assert wire.rest() == b""
    ending.result(20)


def test_the_log_is_not_flooded(open_stage: OpenStage, capsys: pytest.CaptureFixture[str]):
    stage = staged(open_stage, **ONE)
    with busy(stage):
        capsys.readouterr()
        began = time.monotonic()
        for _ in range(50):
            assert ask(stage, "chat").status == 503
        took = time.monotonic() - began
        logged = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "requests shed" in line]
    assert 1 <= len(logged) <= 2 + took
    assert (logged[0]["level"], logged[0]["why"], logged[0]["count"]) == ("warning", "in_flight_limit", 1)


class Clog:
    """Work in the server's own loop that leaves it no time, until `over`."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self._is_over = False
        self._work: Future[None] = asyncio.run_coroutine_threadsafe(self._hog(seconds), stage._backstage.loop)

    async def _hog(self, seconds: float) -> None:
        while not self._is_over:
            time.sleep(seconds)
            await asyncio.sleep(0)

    def over(self) -> None:
        self._is_over = True
        self._work.result(10)


def test_p03_a_loop_that_cannot_keep_up_takes_no_more(open_stage: OpenStage):
    stage = staged(open_stage, server={"shed_at_lag_seconds": 0.1})
    stage.patience = 20.0
    assert ask(stage, "chat").status == 200
    clog = Clog(stage, 0.4)
    try:
        refused = eventually(lambda: ask(stage, "chat"), 503)
        assert error("chat", refused)[1] == "The proxy is overloaded. Retry in a moment."
    finally:
        clog.over()
    eventually(lambda: ask(stage, "chat"), 200)
    assert stage.metric("segue_requests_shed_total", why="loop_lag") >= 1
    assert stage.metric("segue_event_loop_lateness_seconds_count") > 3


def test_lag_may_be_told_not_to_matter(open_stage: OpenStage):
    stage = staged(open_stage, server={"shed_at_lag_seconds": 0})
    clog = Clog(stage, 0.3)
    try:
        time.sleep(1.5)
        assert ask(stage, "chat").status == 200
    finally:
        clog.over()
    assert stage.metric("segue_event_loop_lag_seconds") > 0.05


def eventually(asking: Callable[[], Answer], status: int) -> Answer:
    deadline = time.monotonic() + 15
    while (answer := asking()).status != status:
        assert time.monotonic() < deadline, answer
    return answer


class TestShedding:
    """The decision by itself."""

    def shedding(self, total: int = 0, lag: float = 0.0, jitter: float = 0.5) -> Shedding:
        late = LoopLag(lambda seconds: None)
        late.lasting = lag
        return Shedding(late, lambda: total, lambda: jitter)

    @pytest.mark.parametrize(
        ("total", "lag", "settings", "why"),
        [
            (10_000, 0.99, ServerSettings(), ""),
            (0, 1.0, ServerSettings(), LAG),
            (0, 60.0, ServerSettings(shed_at_lag=0.0), ""),
            (5, 0.0, ServerSettings(in_flight_limit=5), ""),
            (6, 0.0, ServerSettings(in_flight_limit=5), LIMIT),
            (6, 2.0, ServerSettings(in_flight_limit=5), LAG),
        ],
    )
    def test_why(self, total: int, lag: float, settings: ServerSettings, why: str):
        assert self.shedding(total, lag).why(settings) == why

    def test_those_turned_away_together_do_not_come_back_together(self):
        waits = []
        for jitter in (0.0, 0.25, 0.5, 0.999):
            refusal = self.shedding(jitter=jitter).refusal(LIMIT)
            assert isinstance(refusal, Overloaded)
            assert refusal.retry_after is not None
            waits.append(refusal.retry_after)
        assert waits == sorted(set(waits))
        assert waits[0] >= 1
        assert waits[-1] <= 4 < 5, "SDKs wait no longer of their own accord"
