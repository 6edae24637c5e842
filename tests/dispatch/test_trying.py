"""The same target once more: what is worth it, how long is waited, who pays, and when it is too late for it."""

import asyncio

import pytest

from proxy import errors
from proxy.errors import Cause, UpstreamFault
from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Timeouts
from proxy.routing.settings import Concurrency, Retries
from tests.dispatch.chains import PATIENT, opened, pauses, retried
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

BROKEN = refusal(500)


@pytest.mark.parametrize(
    "answer",
    [
        refusal(408),
        refusal(425),
        BROKEN,
        refusal(503),
        refusal(520),
        refusal(529),
        Answer(status=307),
        Answer(b"<html>", content_type="text/html"),
        Answer(b"[]", content_type="application/json"),
        Answer(fault=UpstreamFault(Cause.CONNECT_FAILED, "m", detail="connect")),
        Answer(sse("role", "error:")),
        Answer(),
        Answer(sse("role", "text:")),
        Answer(sse("bad", "bad")),
    ],
)
async def test_f16_what_may_pass_is_tried_again(answer: Answer):
    stage = opened([answer, HELLO], HELLO)
    served = await stage.first()
    assert stage.transport.models == ["a", "a"]
    assert [(name, outcome) for name, outcome, _ in stage.attempts] == [("a", "failed"), ("a", "served")]
    assert stage.told == [], "nobody was left for anybody"
    assert retried(stage) == 1
    served.close()
    assert stage.is_idle()


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429),
        refusal(401),
        refusal(402),
        refusal(403),
        refusal(404),
        refusal(409),
        refusal(413),
        refusal(498),
        refusal(400, "The response was filtered.", "content_filter"),
    ],
)
async def test_f16_what_will_not_pass_is_left_at_once(answer: Answer):
    stage = opened([answer, HELLO], HELLO, next_on_content_filter=True)
    served = await stage.first()
    assert stage.transport.models == ["a", "b"]
    assert retried(stage) == 0
    served.close()


async def test_a_late_first_token_is_worth_another_try():
    stage = opened([Answer(None), HELLO], HELLO)
    stage.change("a", timeouts=Timeouts(first_token=0.03), breaker=PATIENT)
    (await stage.first()).close()
    assert stage.transport.models == ["a", "a"]


@pytest.mark.parametrize("again", [0, 1, 3])
async def test_the_route_says_how_often(again: int):
    stage = opened(BROKEN, HELLO, retries=Retries(again=again, first_wait=0.001))
    (await stage.first()).close()
    assert stage.transport.models == ["a"] * (again + 1) + ["b"]
    assert stage.hops == [("a", "b", "server_error", None)]
    assert stage.account.hops[0].attempt == again + 1
    assert retried(stage) == again


async def test_the_last_try_decides_what_follows():
    """A server error may pass, a rejected key will not."""
    stage = opened([BROKEN, refusal(401), HELLO], HELLO, retries=Retries(again=5, first_wait=0.001))
    (await stage.first()).close()
    assert stage.transport.models == ["a", "a", "b"]
    assert stage.hops == [("a", "b", "auth_error", None)]


async def test_a_second_try_that_finds_the_callers_fault_ends_the_chain():
    stage = opened([BROKEN, refusal(422, "top_k is wrong")], HELLO)
    with pytest.raises(errors.Refused, match="top_k"):
        await stage.first()
    assert stage.transport.models == ["a", "a"]


async def test_waits_double_and_are_jittered():
    """The stage's jitter is always a half."""
    stage = opened(BROKEN, retries=Retries(again=3, first_wait=0.08))
    with pytest.raises(errors.ChainFailed):
        await stage.first()
    for pause, expected in zip(pauses(stage), (0.04, 0.08, 0.16), strict=True):
        assert expected - 0.005 <= pause < expected + 0.3


async def test_c03_every_wait_follows_the_newest_header():
    stage = opened(
        [refusal(503, retry_after="0.2"), refusal(503, retry_after_ms="10"), HELLO],
        retries=Retries(again=2, first_wait=0),
    )
    (await stage.first()).close()
    first, second = pauses(stage)
    assert 0.195 <= first < 0.5
    assert 0.009 <= second < 0.15


async def test_who_asks_for_more_than_the_longest_wait_is_left():
    stage = opened([refusal(503, retry_after="0.5"), HELLO], HELLO, retries=Retries(first_wait=0, longest_wait=0.4))
    (await stage.first()).close()
    assert stage.transport.models == ["a", "b"]


async def test_no_wait_outlasts_the_slice():
    """Half of the second is the first candidate's."""
    stage = opened([refusal(503, retry_after="2"), HELLO], HELLO, total=1.0)
    began = asyncio.get_running_loop().time()
    (await stage.first()).close()
    assert stage.transport.models == ["a", "b"]
    assert asyncio.get_running_loop().time() - began < 0.5


async def test_p10_the_tries_at_one_candidate_share_its_slice():
    stage = opened(Answer(before=None), HELLO, total=1.0, retries=Retries(again=50, first_wait=0))
    stage.change("a", breaker=PATIENT, timeouts=Timeouts(headers=0.1))
    began = asyncio.get_running_loop().time()
    (await stage.first()).close()
    assert 2 <= stage.transport.models.count("a") <= 4
    assert asyncio.get_running_loop().time() - began < 0.6


async def test_a_breaker_that_opened_ends_the_tries_before_any_wait():
    stage = Stage({"a": [BROKEN, HELLO], "b": HELLO}, retries=Retries(first_wait=5, longest_wait=60))
    began = asyncio.get_running_loop().time()
    (await stage.first()).close()
    assert stage.transport.models == ["a", "b"]
    assert asyncio.get_running_loop().time() - began < 1


async def test_every_try_tells_the_breaker():
    stage = Stage({"a": BROKEN, "b": HELLO}, retries=Retries(again=9, first_wait=0.001))
    stage.change("a", breaker=BreakerSettings(consecutive_failures=4))
    (await stage.first()).close()
    assert stage.transport.models == ["a"] * 4 + ["b"]
    assert stage.breakers.of(stage.targets["a"]).state == "open"


async def test_the_budget_bounds_what_is_sent_again():
    """A target that fails always, hundreds of times in a moment."""
    stage = opened(BROKEN, HELLO, retries=Retries(first_wait=0.001))
    for _ in range(200):
        (await stage.first()).close()
    again = stage.transport.models.count("a") - 200
    assert again == retried(stage)
    assert 30 <= again <= 30 + 0.2 * 200
    denied = stage.metrics._retries_denied.values[("a",)]
    assert denied == 200 - again


async def test_the_budget_is_the_targets_own():
    stage = opened(BROKEN, [BROKEN, HELLO])
    budget = stage.pool.of(stage.targets["a"]).budget
    while budget.spend(asyncio.get_running_loop().time()):
        pass
    (await stage.first()).close()
    assert stage.transport.models == ["a", "b", "b"]


async def test_a_fallback_costs_no_budget():
    stage = opened(refusal(404), HELLO)
    for _ in range(100):
        (await stage.first()).close()
    assert stage.transport.models.count("b") == 100
    assert retried(stage) == 0


async def test_each_try_takes_its_own_place():
    stage = opened([BROKEN, HELLO])
    stage.change("a", breaker=PATIENT, concurrency=Concurrency(1, queue=0))
    served = await stage.first()
    assert stage.pool.in_flight() == {"a": 1}
    assert not stage.is_idle()
    served.close()
    assert stage.is_idle()


async def test_between_two_tries_the_place_is_free_for_others():
    stage = opened([BROKEN, Answer(None), HELLO], HELLO, retries=Retries(first_wait=0.2))
    stage.change("a", breaker=PATIENT, concurrency=Concurrency(1, queue=0))
    waiting = asyncio.ensure_future(stage.first())
    while len(stage.transport.calls) < 1 or not stage.is_idle():
        await asyncio.sleep(0.001)
    holder = asyncio.ensure_future(stage.first())
    served = await waiting
    assert stage.transport.models == ["a", "a", "b"], "the place was taken when the second try was due"
    assert stage.account.served_by == "b"
    served.close()
    holder.cancel()
    await asyncio.gather(holder, return_exceptions=True)
    assert stage.is_idle()


async def test_waiting_is_not_the_proxys_own_time():
    stage = opened([refusal(503, retry_after="0.2"), HELLO])
    (await stage.first()).close()
    assert stage.account.waited >= 0.2


@pytest.mark.parametrize("answer", [BROKEN, Answer(sse("role"), None)], ids=["before", "within"])
async def test_cancelled_anywhere_between_tries_nothing_is_left(answer: Answer):
    """Let it run n turns of the loop, then cancel it: for every n until it is done."""
    cancelled = 0
    for turns in range(100):
        stage = opened([BROKEN, answer, answer, HELLO], retries=Retries(again=5, first_wait=0))
        stage.change("a", breaker=PATIENT, concurrency=Concurrency(1), timeouts=Timeouts(first_token=30))
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(stage.first())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            (await task).close()
        except asyncio.CancelledError:
            cancelled += 1
        assert stage.is_idle()
        assert stage.states in ({}, {"a": "closed"})
        assert asyncio.all_tasks() == before
    assert cancelled > 10


async def test_f15_a_try_has_nothing_of_the_one_before_it():
    """The first broke after its opening events, and said it had ended."""
    stage = opened([Answer(sse("role", "call::name", "ping", "error:")), HELLO])
    served = await stage.first()
    held = [event for step in served.attempt.held for event in step.events]
    assert [type(event).__name__ for event in held] == ["Started", "Opened", "Delta"]
    assert not served.attempt.ended
    assert served.attempt.waited < 1
    served.close()


async def test_f05_f06_an_error_on_the_first_read_is_tried_again_without_any_fallback():
    """The HTTP answer was fine; what failed is the first read of the stream."""
    late = Answer(UpstreamFault(Cause.TRUNCATED, "m"))
    stage = opened([late, Answer(sse("error:")), HELLO], retries=Retries(again=2, first_wait=0.001))
    (await stage.first()).close()
    assert stage.transport.models == ["a"] * 3
