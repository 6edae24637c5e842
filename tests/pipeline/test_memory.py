"""A request leaves nothing behind. With the garbage collector off, what refers to itself in a circle stays, and is
counted: under load such circles would lie around in their tens of thousands until a full collection."""

import gc
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.harness import OpenStage, Stage, until
from tests.http.sockets import Wire
from tests.pipeline.asking import PATHS, VOCABULARIES, body

_TIMES = 12
_NOT_SERVING = ("proxy.demo", "proxy.conformance")  # they run in this process only here
_PATIENT = {"breaker": {"consecutive_failures": 1000, "minimum_volume": 1000}}


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> Counter[str]:
    """How many objects of each of our classes there are."""
    found: Counter[str] = Counter()
    for one in gc.get_objects():
        module = str(type(one).__module__)
        if module.startswith("proxy.") and not module.startswith(_NOT_SERVING):
            found[f"{module}.{type(one).__qualname__}"] += 1
    return found


def left_behind(stage: Stage, ask: Callable[[], None]) -> dict[str, int]:
    """What grew by more than half an object a request."""
    for _ in range(3):
        ask()
    stage.settle()
    before = alive()
    for _ in range(_TIMES):
        ask()
    stage.settle()
    return {name: count - before[name] for name, count in alive().items() if count - before[name] > _TIMES / 2}


def request(wire: Wire, vocabulary: str, stream: bool) -> bytes:
    asked = {"segue_vocabulary": "domain"} if vocabulary == "domain" else {}
    return wire.request(path=PATHS[vocabulary], content=json.dumps(body(vocabulary, stream)).encode(), **asked)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("upstream", ["responses", "chat", "messages"])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_an_answer_leaves_nothing_behind(open_stage: OpenStage, vocabulary: str, upstream: str, stream: bool):
    stage = open_stage((upstream, "first+long-5"))
    with Wire(stage) as wire:

        def ask() -> None:
            wire.send(request(wire, vocabulary, stream))
            assert wire.reply().status == 200

        assert left_behind(stage, ask) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_slow_answer_leaves_nothing_behind(open_stage: OpenStage, vocabulary: str):
    """Its ping has begun to wait, its headers went out by themselves."""
    stage = open_stage(("chat", "first+slow-first-60"), server={"silence_before_headers_seconds": 0.02})
    with Wire(stage) as wire:

        def ask() -> None:
            wire.send(request(wire, vocabulary, True))
            assert wire.reply().status == 200

        assert left_behind(stage, ask) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_client_that_leaves_leaves_nothing_behind(open_stage: OpenStage, vocabulary: str):
    stage = open_stage(("chat", "first+long-1000+delay-10"))

    def ask() -> None:
        with Wire(stage) as wire:
            wire.send(request(wire, vocabulary, True))
            wire.until(b"word1 ")

    assert left_behind(stage, ask) == {}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    ("candidates", "settings"),
    [
        ([("chat", "first+hang")], {}),
        ([("chat", "first+429-retry-after-ms-400")], {}),
        ([("chat", "first+first-1-503"), ("chat", "second")], {"retries": {"first_wait_seconds": 60}}),
        ([("chat", "first+hang-body"), ("chat", "second+hang-body")], {"hedging": {"after_seconds": 0.01, "share": 1}}),
    ],
    ids=["first content", "last resort", "retry", "race"],
)
def test_a_client_that_leaves_while_waiting_leaves_nothing_behind(
    open_stage: OpenStage, candidates: list[Any], settings: dict[str, Any]
):
    stage = open_stage(routes={Stage.model: {"candidates": candidates, **settings}}, defaults=_PATIENT)

    def ask() -> None:
        asked = len(stage.asked)
        with Wire(stage) as wire:
            wire.send(request(wire, "chat", True))
            until(lambda: len(stage.asked) > asked, "nobody was asked")
            time.sleep(0.05)

    assert left_behind(stage, ask) == {}


@pytest.mark.usefixtures("no_collector")
def test_a_hedge_leaves_nothing_behind(open_stage: OpenStage):
    pairs = [("chat", "first+slow-first-4000"), ("chat", "second")]
    hedging = {"after_seconds": 0.01, "share": 1}
    stage = open_stage(routes={Stage.model: {"candidates": pairs, "hedging": hedging}}, defaults=_PATIENT)
    with Wire(stage) as wire:

        def ask() -> None:
            wire.send(request(wire, "chat", True))
            assert wire.reply().status == 200

        assert left_behind(stage, ask) == {}
    assert stage.metric("segue_hedges_total", outcome="won") == _TIMES + 3


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("fault", ["reset", "500", "cut-2", "eof-2", "error-2"])
def test_a_provider_that_fails_leaves_nothing_behind(open_stage: OpenStage, fault: str):
    stage = open_stage(("chat", f"first+{fault}"), ("chat", "second"), defaults=_PATIENT)

    def ask() -> None:
        with Wire(stage) as wire:
            wire.send(request(wire, "responses", True))
            assert wire.reply().status == 200

    assert left_behind(stage, ask) == {}
    assert stage.asked.count(f"first+{fault}") >= _TIMES + 3


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("midstream", ["fail", "continue", "restart"])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_an_answer_that_breaks_leaves_nothing_behind(open_stage: OpenStage, vocabulary: str, midstream: str):
    route = {"candidates": [("chat", "first+cut-2"), ("messages", "second+prefill")], "midstream": midstream}
    quirks = {"messages": {"quirks": {"prefill": "plain"}}}
    stage = open_stage(routes={Stage.model: route}, providers=quirks, defaults=_PATIENT)
    with Wire(stage) as wire:

        def ask() -> None:
            wire.send(request(wire, vocabulary, True))
            assert wire.reply().status == 200

        assert left_behind(stage, ask) == {}
    outcome = "continue" if midstream == "restart" and vocabulary != "domain" else midstream
    assert stage.metric("segue_midstream_total", outcome=outcome) == _TIMES + 3
