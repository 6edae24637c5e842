"""When nobody is left: whoever may be asked soonest is asked once more, if that is soon; who is full is waited for."""

import asyncio
from itertools import pairwise

import pytest

from proxy import errors
from proxy.canonical.account import Exhausted
from proxy.routing.breaker import BreakerSettings
from proxy.routing.settings import Concurrency, Retries
from tests.dispatch.chains import PATIENT, opened, pauses, retried
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

BROKEN = refusal(500)
ONE = Concurrency(1)


def limited(seconds: str) -> Answer:
    return refusal(429, retry_after=seconds)


async def test_f05_a_lone_rate_limited_target_is_waited_for():
    stage = opened([limited("0.2"), HELLO])
    served = await stage.first()
    [pause] = pauses(stage)
    assert 0.2 <= pause < 0.6
    assert stage.told == [], "the same target once more is no hop"
    assert stage.attempts == [("a", "failed", "rate_limit"), ("a", "served", None)]
    assert retried(stage) == 1
    assert stage.account.waited >= 0.2
    served.close()
    assert stage.is_idle()


async def test_f05_a_limit_told_on_the_first_read_is_no_different():
    stage = opened([Answer(sse("role", "error:rate_limit_exceeded")), HELLO])
    (await stage.first()).close()
    assert stage.transport.models == ["a", "a"]


async def test_a_rate_limit_is_never_waited_for_while_somebody_is_left():
    stage = opened([limited("0.1"), HELLO], HELLO)
    (await stage.first()).close()
    assert stage.transport.models == ["a", "b"]


async def test_the_soonest_is_asked_and_nobody_else():
    stage = opened([limited("4"), HELLO], [limited("0.1"), HELLO], [limited("3"), HELLO])
    served = await stage.first()
    assert stage.transport.models == ["a", "b", "c", "b"]
    assert [(hop.from_model, hop.to_model) for hop in stage.account.hops] == list(pairwise("abcb"))
    assert stage.hops[-1] == ("c", "b", "rate_limit", None)
    assert stage.account.served_by == "b"
    served.close()


async def test_once_more_is_not_for_ever():
    stage = opened(limited("0.05"), limited("0.05"))
    with pytest.raises(errors.AllRateLimited):
        await stage.first()
    assert len(stage.transport.calls) == 3
    [exhausted] = [notice for notice in stage.told if isinstance(notice, Exhausted)]
    assert len(exhausted.attempts) == 3


async def test_c01_c03_the_newest_word_of_a_target_is_what_the_caller_is_told():
    stage = opened([limited("0.05"), limited("77")], limited("90"))
    with pytest.raises(errors.AllRateLimited) as told:
        await stage.first()
    assert told.value.retry_after == 77
    breaker = stage.breakers.of(stage.targets["a"])
    assert breaker.retry_in(asyncio.get_running_loop().time()) == pytest.approx(77, abs=1)


@pytest.mark.parametrize("wait", ["5.5", "60"])
async def test_a_long_wait_is_left_to_the_caller(wait: str):
    stage = opened(limited(wait))
    with pytest.raises(errors.AllRateLimited) as told:
        await stage.first()
    assert told.value.retry_after == float(wait)
    assert len(stage.transport.calls) == 1


async def test_no_wait_outlasts_the_deadline():
    stage = opened([limited("0.6"), HELLO], total=0.5)
    began = asyncio.get_running_loop().time()
    with pytest.raises(errors.AllRateLimited):
        await stage.first()
    assert asyncio.get_running_loop().time() - began < 0.4


async def test_a_route_that_repeats_nothing_does_not_repeat_this():
    stage = opened([limited("0.01"), HELLO], retries=Retries(again=0))
    with pytest.raises(errors.AllRateLimited):
        await stage.first()


async def test_asking_the_same_target_again_costs_budget():
    stage = opened([limited("0.01"), HELLO])
    budget = stage.pool.of(stage.targets["a"]).budget
    while budget.spend(asyncio.get_running_loop().time()):
        pass
    with pytest.raises(errors.AllRateLimited):
        await stage.first()
    assert stage.metrics._retries_denied.values == {("a",): 1.0}


async def test_c04_an_open_breaker_that_closes_soon_is_waited_for():
    stage = Stage({"a": HELLO, "b": refusal(401)})
    stage.change("a", breaker=BreakerSettings(consecutive_failures=1, open_time=0.2))
    stage.trip("a")
    served = await stage.first()
    assert stage.transport.models == ["b", "a"]
    assert stage.attempts == [("a", "skipped", "breaker_open"), ("b", "failed", "auth_error"), ("a", "served", None)]
    assert stage.hops == [("a", "b", "circuit_breaker", "breaker_open"), ("b", "a", "auth_error", None)]
    assert retried(stage) == 0, "it had not been asked before"
    served.close()


async def test_c04_a_target_that_cools_down_is_waited_for():
    stage = opened(HELLO)
    permit = stage.breakers.acquire(stage.targets["a"])
    assert permit is not None
    permit.report(errors.Verdict.COOL_DOWN, asyncio.get_running_loop().time(), 0.2)
    served = await stage.first()
    assert stage.attempts == [("a", "skipped", "cooling_down"), ("a", "served", None)]
    served.close()


async def test_a_probe_under_way_is_waited_for():
    """One of many gets the probe; the others have nobody else, and come back until the target is known to be well."""
    stage = Stage({"a": Answer(0.1, sse("text:x", "stop"))})
    stage.change("a", breaker=BreakerSettings(consecutive_failures=1, open_time=0.05, success_threshold=1))
    stage.trip("a")

    async def one() -> None:
        served = await stage.first()
        served.succeeded()
        served.close()

    await asyncio.gather(*(one() for _ in range(10)))
    assert len(stage.transport.calls) == 10
    assert stage.states == {"a": "closed"}
    assert stage.is_idle()


async def test_waiting_for_a_probe_that_never_ends_ends():
    stage = Stage({"a": Answer(None)}, retries=Retries(longest_wait=0.3))
    stage.change("a", breaker=BreakerSettings(consecutive_failures=1, open_time=0.0))
    stage.trip("a")
    probe = asyncio.ensure_future(stage.first())
    while not stage.transport.calls:
        await asyncio.sleep(0.001)
    began = asyncio.get_running_loop().time()
    with pytest.raises(errors.AllUnavailable):
        await stage.first()
    assert asyncio.get_running_loop().time() - began < 1
    assert stage.account.attempts[-1].outcome == "skipped"
    assert len([each for each in stage.account.attempts if each.outcome == "skipped"]) == 1
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)


async def test_an_overflow_rules_out_smaller_windows_as_last_resort_too():
    overflow = refusal(400, "prompt is too long: 9 tokens > 8 maximum")
    stage = opened([limited("0.05"), HELLO], [limited("0.02"), HELLO], overflow)
    for name, window in (("a", 16), ("b", 8), ("c", 8)):
        stage.change(name, context_window=window, breaker=PATIENT)
    served = await stage.first()
    assert stage.transport.models == ["a", "b", "c", "a"]
    served.close()


def full(*answers: Answer, queue: int = 100, **more: object) -> Stage:
    """The first target has one place."""
    stage = opened(*answers, **more)
    stage.change("a", breaker=PATIENT, concurrency=Concurrency(1, queue))
    return stage


async def test_a_full_target_is_passed_over_at_once():
    stage = full(HELLO, HELLO)
    holder = await stage.first()
    served = await stage.first()
    assert stage.hops == [("a", "b", "circuit_breaker", "concurrency_limit")]
    assert stage.transport.models == ["a", "b"]
    assert stage.attempts[1] == ("a", "skipped", "concurrency_limit")
    served.close()
    holder.close()
    assert stage.is_idle()


async def test_the_last_one_is_waited_for_in_turn():
    stage = full(HELLO)
    holder = await stage.first()
    order: list[int] = []

    async def one(number: int) -> None:
        served = await stage.first()
        order.append(number)
        await asyncio.sleep(0.001)
        served.close()

    waiting = []
    for number in range(5):
        waiting.append(asyncio.ensure_future(one(number)))
        await asyncio.sleep(0)
    assert stage.pool.queued() == {"a": 5}
    holder.close()
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]
    assert {outcome for _, outcome, _ in stage.attempts} == {"served"}, "waiting is no attempt"
    assert stage.is_idle()


async def test_a_full_one_passed_over_is_come_back_to():
    stage = full(HELLO, BROKEN, retries=Retries(again=1, first_wait=0.001))
    holder = await stage.first()
    waiting = asyncio.ensure_future(stage.first())
    while not stage.pool.queued()["a"]:
        await asyncio.sleep(0.001)
    holder.close()
    served = await waiting
    assert stage.account.served_by == "a"
    assert stage.hops == [("a", "b", "circuit_breaker", "concurrency_limit"), ("b", "a", "server_error", None)]
    served.close()


async def test_a_full_queue_says_so():
    stage = full(HELLO, queue=0)
    holder = await stage.first()
    with pytest.raises(errors.AllUnavailable) as told:
        await stage.first()
    assert told.value.retry_after == 1.0
    assert errors.http_status(told.value) == 503
    holder.close()


async def test_nobody_waits_in_the_queue_past_the_deadline():
    stage = full(HELLO, total=0.2)
    holder = await stage.first()
    began = asyncio.get_running_loop().time()
    with pytest.raises(errors.AllUnavailable):
        await stage.first()
    assert 0.1 <= asyncio.get_running_loop().time() - began < 0.6
    holder.close()
    assert stage.is_idle()


async def test_nobody_waits_in_the_queue_of_a_target_that_is_down():
    stage = full(HELLO)
    stage.change("a", concurrency=ONE)
    holder = await stage.first()
    stage.trip("a")
    with pytest.raises(errors.AllUnavailable):
        await asyncio.wait_for(stage.first(), 1)
    holder.close()


async def test_whoever_comes_out_of_the_queue_asks_the_breaker():
    stage = full(HELLO)
    stage.change("a", concurrency=ONE)
    holder = await stage.first()
    waiting = asyncio.ensure_future(stage.first())
    await asyncio.sleep(0.01)
    stage.trip("a")
    holder.close()
    with pytest.raises(errors.AllUnavailable):
        await waiting
    assert len(stage.transport.calls) == 1
    assert stage.is_idle()


@pytest.mark.parametrize("kind", ["queue", "cool-down"])
async def test_a_client_that_leaves_while_waiting_leaves_nothing(kind: str):
    stage = full(limited("2")) if kind == "cool-down" else full(HELLO)
    before = asyncio.all_tasks()
    holder = await stage.first() if kind == "queue" else None
    waiting = [asyncio.ensure_future(stage.first()) for _ in range(20)]
    await asyncio.sleep(0.02)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert all(task.cancelled() for task in waiting)
    if holder is not None:
        holder.close()
    assert stage.is_idle()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("has_another", [False, True])
async def test_a_target_that_has_just_recovered_is_spared_only_while_others_are_left(has_another: bool):
    stage = Stage({"a": HELLO, "b": HELLO} if has_another else {"a": HELLO})
    stage.change("a", breaker=BreakerSettings(1, open_time=0.0, success_threshold=1, slow_start=1000))
    stage.trip("a")
    for _ in range(40):
        served = await stage.first()
        served.succeeded()
        served.close()
    asked = stage.transport.models.count("a")
    assert asked == 40 if not has_another else 2 <= asked <= 10
    reasons = {(reason, detail) for _, _, reason, detail in stage.hops}
    assert reasons == ({("circuit_breaker", "slow_start")} if has_another else set())
