"""Stories of the same target once more (contract §7): after a failure that may pass, after a pause the provider asked
for, when there is room again, when its breaker lets somebody through."""

import json
import threading
import time
from typing import Any

import pytest

from tests.e2e.harness import Answer, OpenStage, Stage, until
from tests.http.sockets import Wire
from tests.pipeline.asking import PATHS, TEXT, VOCABULARIES, ask, body, breaker, notices, speaks, text
from tests.vocabularies import facts

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
AT_ONCE = {"retries": {"first_wait_seconds": 0}}
UNSHAKEN = {"breaker": {"consecutive_failures": 10_000, "minimum_volume": 10_000}}


def alone(open_stage: OpenStage, provider: str, model: str, **settings: Any) -> Stage:
    """A route with one candidate, which is asked again without delay."""
    candidate = {"provider": provider, "model": model, **settings}
    return open_stage(routes={Stage.model: {"candidates": [candidate], **AT_ONCE}})


def said(vocabulary: str, answer: Answer, stream: bool) -> str:
    if stream or vocabulary == "domain":
        return text(vocabulary, answer)
    return facts.of_document(vocabulary, answer.json).spoken


def attempts(vocabulary: str, answer: Answer) -> list[dict[str, Any]]:
    """The attempts as the finished object tells them, of an answer that is not streamed."""
    found: list[dict[str, Any]] = answer.json["segue"]["attempts"]
    return found


PASSING = ["503", "408", "425", "529", "html-502", "html-200", "reset", "shapeless-200", "redirect"]


@EACH
@STREAMED
@pytest.mark.parametrize("modifier", PASSING)
def test_f16_what_passes_is_never_seen(open_stage: OpenStage, vocabulary: str, stream: bool, modifier: str):
    model = f"a+first-1-{modifier}"
    stage = alone(open_stage, speaks(vocabulary), model)
    answer = ask(stage, vocabulary, stream)
    assert answer.status == 200
    assert said(vocabulary, answer, stream) == TEXT
    assert answer.headers["segue-attempts"] == "2"
    assert stage.asked == [model, model]
    if stream:
        assert notices(answer) == []
    elif vocabulary != "domain":
        assert [each["outcome"] for each in attempts(vocabulary, answer)] == ["failed", "served"]
    target = f"{speaks(vocabulary)}/{model}"
    assert stage.metric("segue_retries_total", target=target) == 1
    assert breaker(stage, target) == "closed"


@EACH
@pytest.mark.parametrize("modifier", ["error-200", "error-0-529", "cut-0", "eof-0", "empty", "malformed2-0"])
def test_f06_f20_what_fails_on_the_first_read_is_no_different(open_stage: OpenStage, vocabulary: str, modifier: str):
    """The provider's HTTP answer was 200; there are no fallbacks."""
    model = f"a+first-1-{modifier}"
    stage = alone(open_stage, speaks(vocabulary), model)
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert stage.asked == [model, model]


@EACH
@pytest.mark.parametrize("modifier", ["cut-0", "error-200", "malformed2-0"])
def test_f15_the_second_try_has_nothing_of_the_first(open_stage: OpenStage, vocabulary: str, modifier: str):
    """Byte for byte what a client gets whose first try succeeds, but for ids and times."""
    stage = open_stage(
        routes={
            Stage.model: {"candidates": [(speaks(vocabulary), f"a+first-1-{modifier}")], **AT_ONCE},
            "calm": [(speaks(vocabulary), "a")],
        }
    )
    shaken, calm = ask(stage, vocabulary), ask(stage, vocabulary, model="calm")
    assert text(vocabulary, shaken) == text(vocabulary, calm) == TEXT
    assert [sorted(payload) for payload in facts.payloads(shaken.content)] == [
        sorted(payload) for payload in facts.payloads(calm.content)
    ]


@EACH
@STREAMED
def test_a_named_wait_is_kept(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = alone(open_stage, speaks(vocabulary), "a+first-1-503-retry-after-ms-400")
    began = time.monotonic()
    assert said(vocabulary, ask(stage, vocabulary, stream), stream) == TEXT
    assert 0.4 <= time.monotonic() - began < 3
    assert len(stage.asked) == 2


@EACH
@STREAMED
def test_whoever_names_too_long_a_wait_is_left_at_once(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = open_stage((speaks(vocabulary), "a+503-retry-after-9"), (speaks(vocabulary), "b"))
    began = time.monotonic()
    assert said(vocabulary, ask(stage, vocabulary, stream), stream) == TEXT
    assert time.monotonic() - began < 3
    assert stage.asked == ["a+503-retry-after-9", "b"]


@EACH
@STREAMED
def test_f05_a_rate_limit_without_fallbacks_is_waited_for(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = alone(open_stage, speaks(vocabulary), "a+first-1-429-retry-after-1")
    began = time.monotonic()
    answer = ask(stage, vocabulary, stream)
    assert said(vocabulary, answer, stream) == TEXT
    assert 1.0 <= time.monotonic() - began < 4
    assert answer.headers["segue-attempts"] == "2"
    assert len(stage.asked) == 2


@EACH
def test_f05_a_rate_limit_on_the_first_read_is_waited_for(open_stage: OpenStage, vocabulary: str):
    stage = alone(open_stage, speaks(vocabulary), "a+first-1-error-0-429")
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT
    assert len(stage.asked) == 2


@EACH
def test_while_somebody_is_left_a_rate_limit_is_not_waited_for(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+429-retry-after-1"), (speaks(vocabulary), "b"))
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT
    assert stage.asked == ["a+429-retry-after-1", "b"]


@EACH
def test_the_last_resort_is_who_may_be_asked_soonest(open_stage: OpenStage, vocabulary: str):
    provider, limited = speaks(vocabulary), "b+first-1-429-retry-after-1"
    stage = open_stage((provider, "a+429-retry-after-60"), (provider, limited), (provider, "c+404"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert stage.asked == ["a+429-retry-after-60", limited, "c+404", limited]
    hops = [(hop["from_model"].partition("+")[0][-1], hop["to_model"].partition("+")[0][-1]) for hop in notices(answer)]
    assert hops == [("a", "b"), ("b", "c"), ("c", "b")]
    assert answer.headers["segue-attempts"] == "4"


@EACH
def test_c04_the_first_breaker_to_let_somebody_through_is_waited_for(open_stage: OpenStage, vocabulary: str):
    stage = alone(
        open_stage,
        speaks(vocabulary),
        "a+first-1-503",
        breaker={"consecutive_failures": 1, "open_seconds": 0.5, "success_threshold": 1},
    )
    assert ask(stage, vocabulary).status == 502
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert text(vocabulary, answer) == TEXT
    assert len(stage.asked) == 2


@EACH
def test_c02_who_cannot_be_waited_for_is_named_to_the_caller(open_stage: OpenStage, vocabulary: str):
    stage = alone(open_stage, speaks(vocabulary), "a+429-retry-after-9")
    for _ in range(2):
        answer = ask(stage, vocabulary)
        assert answer.status == 429
        assert 8 <= int(answer.headers["retry-after"]) <= 9
        assert 7900 < int(answer.headers["retry-after-ms"]) <= 9000
    assert len(stage.asked) == 1


@EACH
def test_f11_what_has_no_status_is_left_like_what_has_one(open_stage: OpenStage, vocabulary: str):
    dead = {"type": "compatible", "base_url": "http://127.0.0.1:9/v1", "vocabulary": "chat", "api_key": "sk-fake-dead"}
    stage = open_stage(("dead", "first"), (speaks(vocabulary), "b+401"), ("chat", "c"), providers={"dead": dead})
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert [hop["reason"] for hop in notices(answer)] == ["network_error", "auth_error"]
    assert answer.headers["segue-attempts"] == "4", "the dead address was tried twice"


@EACH
@STREAMED
@pytest.mark.parametrize("again", [0, 2])
def test_the_configuration_says_how_often(open_stage: OpenStage, vocabulary: str, stream: bool, again: int):
    retries = {"same_target": again, "first_wait_seconds": 0}
    pairs = [(speaks(vocabulary), "a+503"), (speaks(vocabulary), "b")]
    stage = open_stage(routes={Stage.model: {"candidates": pairs, "retries": retries}})
    assert said(vocabulary, ask(stage, vocabulary, stream), stream) == TEXT
    assert stage.asked == ["a+503"] * (again + 1) + ["b"]


@EACH
def test_p10_a_hung_first_candidate_leaves_time_for_the_last(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+hang"), (speaks(vocabulary), "b"))
    began = time.monotonic()
    answer = ask(stage, vocabulary, headers={"segue-timeout-ms": "1000"})
    assert text(vocabulary, answer) == TEXT
    assert time.monotonic() - began < 1
    assert stage.asked == ["a+hang", "b"]


def test_p10_retries_do_not_outlast_the_callers_deadline(open_stage: OpenStage):
    stage = open_stage(
        routes={
            Stage.model: {
                "candidates": [("chat", "a+slow-headers-200+503")],
                "retries": {"same_target": 10, "first_wait_seconds": 0.1},
            }
        },
        defaults=UNSHAKEN,
    )
    began = time.monotonic()
    assert ask(stage, "chat", headers={"segue-timeout-ms": "900"}).status in (502, 504)
    assert time.monotonic() - began < 2
    assert 2 <= len(stage.asked) <= 5


def test_a_budget_bounds_what_a_failing_target_is_sent(open_stage: OpenStage):
    stage = open_stage(
        routes={Stage.model: {"candidates": [("chat", "a+503"), ("chat", "b")], **AT_ONCE}}, defaults=UNSHAKEN
    )
    for _ in range(60):
        assert ask(stage, "chat", stream=False).status == 200
    again = stage.asked.count("a+503") - 60
    assert stage.metric("segue_retries_total", target="chat/a+503") == again
    assert 30 <= again <= 30 + 60 * 0.2 + 30, "three a second, a second at a time"
    assert stage.metric("segue_retries_denied_total", target="chat/a+503") == 60 - again


class Crowd:
    """Several clients at once."""

    def __init__(self, stage: Stage, vocabulary: str, count: int) -> None:
        self.answers: list[Answer] = []
        self._threads = [threading.Thread(target=self._ask, args=(stage, vocabulary)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, stage: Stage, vocabulary: str) -> None:
        self.answers.append(ask(stage, vocabulary))

    def come_home(self) -> list[Answer]:
        for thread in self._threads:
            thread.join(10)
        return self.answers


@EACH
def test_a_full_target_is_waited_for_when_nobody_else_is_left(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = alone(open_stage, provider, "a+slow-first-100", concurrency=1)
    most = 0
    crowd = Crowd(stage, vocabulary, 5)
    until(lambda: stage.metric("segue_target_queue") > 0, "nobody waits")
    assert stage.metric("segue_target_in_flight", target=f"{provider}/a+slow-first-100") == 1
    for _ in range(10):
        most = max(most, stage.upstream.recorder.in_flight)
        time.sleep(0.02)
    answers = crowd.come_home()
    assert [answer.status for answer in answers] == [200] * 5
    assert [text(vocabulary, answer) for answer in answers] == [TEXT] * 5
    assert most == 1
    stage.settle()
    assert stage.metric("segue_target_queue") == stage.metric("segue_target_in_flight") == 0


@EACH
def test_a_full_target_is_passed_over_while_somebody_is_left(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    full = {"provider": provider, "model": "a+slow-first-300", "concurrency": 1}
    stage = open_stage(full, (provider, "b"))  # type: ignore[arg-type]
    crowd = Crowd(stage, vocabulary, 1)
    until(lambda: stage.metric("segue_target_in_flight") > 0, "nobody is served")
    answer = ask(stage, vocabulary)
    [hop] = notices(answer)
    assert (hop["reason"], hop["detail"]) == ("circuit_breaker", "concurrency_limit")
    assert answer.headers["segue-served-by"] == f"{provider}/b"
    crowd.come_home()


@EACH
def test_a_full_queue_is_an_honest_refusal(open_stage: OpenStage, vocabulary: str):
    stage = alone(open_stage, speaks(vocabulary), "a+slow-first-400", concurrency={"limit": 1, "queue": 0})
    crowd = Crowd(stage, vocabulary, 1)
    until(lambda: stage.metric("segue_target_in_flight") > 0, "nobody is served")
    answer = ask(stage, vocabulary)
    assert answer.status == (529 if vocabulary == "messages" else 503)
    assert answer.headers["retry-after"] == "1"
    crowd.come_home()


def request(wire: Wire, vocabulary: str) -> bytes:
    asked = {"segue_vocabulary": "domain"} if vocabulary == "domain" else {}
    return wire.request(path=PATHS[vocabulary], content=json.dumps(body(vocabulary)).encode(), **asked)


@EACH
def test_who_leaves_the_queue_leaves_nothing(open_stage: OpenStage, vocabulary: str):
    stage = alone(open_stage, speaks(vocabulary), "a+slow-first-500", concurrency=1)
    crowd = Crowd(stage, vocabulary, 1)
    until(lambda: stage.metric("segue_target_in_flight") > 0, "nobody is served")
    wires = [Wire(stage) for _ in range(5)]
    for wire in wires:
        wire.send(request(wire, vocabulary))
    until(lambda: stage.metric("segue_target_queue") == 5, "they do not wait")
    for wire in wires:
        wire.leave()
    until(lambda: stage.metric("segue_target_queue") == 0, "they still wait")
    crowd.come_home()
    stage.settle()
    assert len(stage.asked) == 1
    assert stage.metric("segue_target_in_flight") == 0
    assert stage.metric("segue_requests_total", outcome="cancelled") == 5


@EACH
def test_who_leaves_between_two_tries_leaves_nothing(open_stage: OpenStage, vocabulary: str):
    stage = alone(open_stage, speaks(vocabulary), "a+429-retry-after-3")
    with Wire(stage) as wire:
        wire.send(request(wire, vocabulary))
        until(lambda: len(stage.asked) == 1, "nobody was asked")
    stage.settle()
    assert len(stage.asked) == 1
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1


def hedged(open_stage: OpenStage, provider: str, first: str, second: str, **hedging: Any) -> Stage:
    pairs = [(provider, first), (provider, second)]
    settings = {"after_seconds": 0.1, "share": 1, **hedging}
    return open_stage(routes={Stage.model: {"candidates": pairs, "hedging": settings}})


@EACH
def test_a_hedge_wins(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = hedged(open_stage, provider, "a+slow-first-4000", "b")
    began = time.monotonic()
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert 0.1 <= time.monotonic() - began < 2
    [hop] = notices(answer)
    assert (hop["reason"], hop["detail"]) == ("network_error", "hedged")
    assert answer.headers["segue-served-by"] == f"{provider}/b"
    until(lambda: not stage.upstream.recorder.in_flight, "the loser goes on generating", 2)
    assert stage.metric("segue_hedges_total", target=f"{provider}/b", outcome="won") == 1
    assert stage.metric("segue_attempts_total", target=f"{provider}/a+slow-first-4000", outcome="cancelled") == 1
    assert breaker(stage, f"{provider}/a+slow-first-4000") == "closed"


@EACH
def test_a_hedge_loses(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = hedged(open_stage, provider, "a+slow-first-400", "b+slow-first-4000")
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert notices(answer) == []
    assert answer.headers["segue-served-by"] == f"{provider}/a+slow-first-400"
    until(lambda: not stage.upstream.recorder.in_flight, "the loser goes on generating", 2)
    assert stage.metric("segue_hedges_total", target=f"{provider}/b+slow-first-4000", outcome="lost") == 1


@EACH
def test_who_leaves_a_race_stops_both(open_stage: OpenStage, vocabulary: str):
    stage = hedged(open_stage, speaks(vocabulary), "a+slow-first-4000", "b+slow-first-4000")
    with Wire(stage) as wire:
        wire.send(request(wire, vocabulary))
        until(lambda: len(stage.asked) == 2, "there is no race")
    until(lambda: not stage.upstream.recorder.in_flight, "somebody goes on generating", 2)
    stage.settle()
    assert stage.metric("segue_target_in_flight") == 0
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1
