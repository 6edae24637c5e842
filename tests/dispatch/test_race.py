"""Hedging: who starts when, who wins, what it costs, and that the loser leaves nothing behind."""

import asyncio
from typing import Any

import pytest

from proxy import errors
from proxy.canonical.request import Request
from proxy.dispatch.race import Race
from proxy.dispatch.served import Left, Served
from proxy.dispatch.trying import Tries
from proxy.routing.settings import Concurrency, Hedging, Retries
from tests.dispatch.chains import PATIENT, opened
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

BROKEN = refusal(500)
NEVER = Answer(None)


def slow(seconds: float) -> Answer:
    return Answer(sse("role"), seconds, sse("text:slow", "stop"))


def hedged(*answers: Any, after: float | None = 0.05, share: float = 1.0, **more: Any) -> Stage:
    return opened(*answers, hedging=Hedging(after, share), retries=Retries(again=0), **more)


def hedges(stage: Stage) -> dict[str, float]:
    """Outcome -> count, of hedges sent to `b`."""
    return {outcome: count for (target, outcome), count in stage.metrics._hedges.values.items() if target == "b"}


async def ended(stage: Stage, before: set[Any]) -> None:
    """Nothing runs or is held any more."""
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert stage.is_idle()
    assert stage.is_neutral("a")
    assert stage.is_neutral("b")


async def test_a_leader_in_time_runs_alone():
    stage, before = hedged(HELLO, HELLO), asyncio.all_tasks()
    served = await stage.first()
    assert stage.transport.models == ["a"]
    assert hedges(stage) == {}
    served.close()
    await ended(stage, before)


async def test_the_follower_wins_over_a_silent_leader():
    stage, before = hedged(NEVER, HELLO), asyncio.all_tasks()
    served = await stage.first()
    first, second = stage.transport.times
    assert 0.05 <= second - first < 0.5
    assert stage.account.served_by == "b"
    assert stage.hops == [("a", "b", "network_error", "hedged")]
    assert stage.attempts == [("a", "cancelled", "hedged"), ("b", "served", None)]
    assert hedges(stage) == {"won": 1}
    assert stage.transport.exchanges[0].closed == [0.0], "the loser's connection is cut: it stops generating"
    assert not stage.transport.exchanges[1].closed
    served.close()
    await ended(stage, before)


async def test_a_late_leader_may_still_win():
    stage, before = hedged(slow(0.1), NEVER), asyncio.all_tasks()
    served = await stage.first()
    assert stage.account.served_by == "a"
    assert stage.told == [], "nobody was left"
    assert stage.attempts == [("b", "cancelled", "hedged"), ("a", "served", None)]
    assert hedges(stage) == {"lost": 1}
    served.close()
    await ended(stage, before)


async def test_a_cancelled_follower_is_still_among_those_left():
    """The leader won, and then broke in mid-stream."""
    stage = hedged(slow(0.1), [NEVER, HELLO])
    chain = stage.chain()
    served = await chain.first_committed()
    served.close()
    fault = errors.UpstreamFault(errors.Cause.TRUNCATED, "m")
    successor = await chain.after(fault, lambda left: [(each, stage.request) for each in left])
    assert successor.attempt.candidate.target.name == "b"
    successor.close()


async def test_when_the_leader_fails_the_follower_goes_on():
    stage, before = hedged(Answer(0.1, sse("error:")), slow(0.15)), asyncio.all_tasks()
    served = await stage.first()
    assert stage.hops == [("a", "b", "model_error", "error_event")]
    assert stage.attempts == [("a", "failed", "error_event"), ("b", "served", None)]
    assert hedges(stage) == {"won": 1}
    served.close()
    await ended(stage, before)


async def test_when_the_follower_fails_the_leader_goes_on():
    stage = hedged(slow(0.15), BROKEN)
    served = await stage.first()
    assert stage.told == []
    assert stage.attempts == [("b", "failed", "server_error"), ("a", "served", None)]
    assert hedges(stage) == {"failed": 1}
    served.close()
    assert stage.is_idle()


async def test_when_both_fail_the_chain_goes_on():
    stage = hedged(Answer(0.1, sse("error:")), BROKEN, HELLO)
    served = await stage.first()
    assert stage.transport.models == ["a", "b", "c"]
    assert stage.hops == [("a", "b", "model_error", "error_event"), ("b", "c", "server_error", None)]
    served.close()
    assert stage.is_idle()


async def test_when_both_fail_and_nobody_is_left_it_is_told():
    stage = hedged(Answer(0.1, sse("error:")), BROKEN)
    with pytest.raises(errors.ChainFailed):
        await stage.first()
    assert stage.is_idle()


async def test_the_callers_fault_ends_the_follower_too():
    stage = hedged(Answer(b'{"error":{"message":"top_k is wrong"}}', status=422, before=0.1), NEVER, HELLO)
    before = asyncio.all_tasks()
    with pytest.raises(errors.Refused, match="top_k"):
        await asyncio.wait_for(stage.first(), 2)
    assert stage.transport.models == ["a", "b"]
    assert hedges(stage) == {"lost": 1}
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert stage.is_idle()


async def test_two_commits_in_the_same_moment(monkeypatch: pytest.MonkeyPatch):
    """The leader is served, the follower closed, though both reached their first content in one turn of the loop."""
    stage, before = hedged(HELLO, HELLO), asyncio.all_tasks()
    both, open_as_usual, decided = asyncio.Event(), stage.transport.open, Race._decided
    committed: list[bool] = []

    async def open_together(call: Any) -> Any:
        exchange = await open_as_usual(call)
        if len(stage.transport.calls) == 2:
            both.set()
        await both.wait()
        return exchange

    async def watched(race: Race, is_lost: Any) -> Any:
        finish = await decided(race, is_lost)
        committed.extend(isinstance(runner.result(), Served) for runner in race._runners)
        return finish

    monkeypatch.setattr(stage.transport, "open", open_together)
    monkeypatch.setattr(Race, "_decided", watched)
    served = await stage.first()
    assert committed == [True, True]
    assert stage.account.served_by == "a"
    assert stage.told == []
    served.close()
    await ended(stage, before)


class Stubborn(Tries):
    """Tries whose cancellation comes too late: the try commits all the same."""

    async def at(self, turn: Any) -> Served | Left:
        inner = asyncio.ensure_future(super().at(turn))
        while not inner.done():
            try:
                await asyncio.shield(inner)
            except asyncio.CancelledError:
                continue
        return inner.result()


@pytest.mark.parametrize("is_client_gone", [False, True])
async def test_a_loser_that_finishes_while_being_cancelled(is_client_gone: bool):
    stage, before = hedged(NEVER if is_client_gone else slow(0.08), slow(0.1)), asyncio.all_tasks()
    stage.dispatcher._tries.__class__ = Stubborn
    task = asyncio.ensure_future(stage.first())
    if is_client_gone:
        await asyncio.sleep(0.1)
        stage.transport.exchanges[0].abort(errors.UpstreamFault(errors.Cause.TRUNCATED, "m"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.2)
    else:
        (await task).close()
        assert stage.attempts[-1] == ("a", "served", None)
    assert stage.transport.models == ["a", "b"]
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before
    assert stage.is_idle()


async def test_cancelled_anywhere_both_are_stopped():
    """Let it run n turns of the loop, then cancel it: for every n until it is done."""
    cancelled = raced = 0
    for turns in range(200):
        answer = Answer(sse("role"), 0.0, sse("ping"), 0.0, sse("ping"), 0.0, sse("text:x", "stop"))
        stage, before = hedged(answer, answer, after=0.0), asyncio.all_tasks()
        for name in "ab":
            stage.change(name, breaker=PATIENT, concurrency=Concurrency(1))
        task = asyncio.ensure_future(stage.first())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            (await task).close()
        except asyncio.CancelledError:
            cancelled += 1
            raced += len(stage.transport.calls) == 2
        for _ in range(5):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert stage.is_idle()
        assert stage.is_neutral("a")
        assert stage.is_neutral("b")
        if not task.cancelled():
            break
    assert cancelled > raced > 3


async def test_cancelled_while_the_client_is_told_of_the_hop_the_winner_is_closed():
    stage = hedged(NEVER, HELLO)

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(stage.dispatcher.chain(stage.ask(), never).first_committed())
    while not stage.account.hops:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.is_idle()


async def test_no_more_than_the_share_is_hedged():
    stage = hedged(slow(0.01), NEVER, after=0.001, share=0.1)
    for _ in range(50):
        (await stage.first()).close()
    assert stage.transport.models.count("b") == 5
    assert hedges(stage) == {"lost": 5, "denied": 45}


async def test_hedges_spend_the_followers_retry_budget():
    stage = hedged(slow(0.01), NEVER, after=0.001)
    for _ in range(60):
        (await stage.first()).close()
    assert stage.transport.models.count("b") <= 30 + 0.2 * 60
    assert hedges(stage)["denied"] > 0


async def test_whoever_minds_the_quota_may_forbid_it():
    stage = hedged(slow(0.1), HELLO)
    asked = []

    def may_hedge() -> bool:
        asked.append(True)
        return False

    (await stage.first(stage.ask()._replace(may_hedge=may_hedge))).close()
    assert stage.transport.models == ["a"]
    assert asked == [True]


@pytest.mark.parametrize("what", ["open", "full"])
async def test_a_follower_that_is_not_well_is_not_bothered(what: str):
    stage = hedged(slow(0.1), HELLO, HELLO)
    stage.change("b", concurrency=Concurrency(1))
    other = stage.ask()._replace(candidates=stage.ask().candidates[1:])
    holder = await stage.first(other) if what == "full" else None
    if what == "open":
        stage.trip("b")
    stage.account.attempts.clear()
    (await stage.first()).close()
    assert stage.attempts == [("a", "served", None)]
    if holder is not None:
        holder.close()
    assert stage.is_idle()


async def test_only_streams_are_hedged():
    stage = hedged(Answer(0.1, b'{"says":["text:x","stop"]}', content_type="application/json"), HELLO)
    stage.request = Request("toy", "m", {"model": "m"})
    (await stage.first()).close()
    assert stage.transport.models == ["a"]


async def test_the_last_candidate_has_nobody_beside_it():
    stage = hedged(slow(0.1))
    (await stage.first()).close()
    assert stage.transport.models == ["a"]


@pytest.mark.parametrize(("known", "is_hedged"), [(19, False), (20, True)])
async def test_the_live_p95_is_the_delay_once_it_is_known(known: int, is_hedged: bool):
    stage = hedged(slow(0.3), HELLO, after=None)
    traffic = stage.pool.of(stage.targets["a"])
    assert traffic.p95() is None
    for _ in range(known):
        traffic.took(0.08, 0.0, is_stream=True)
    (await stage.first()).close()
    assert stage.transport.models == (["a", "b"] if is_hedged else ["a"])
    if is_hedged:
        first, second = stage.transport.times
        assert 0.08 <= second - first < 0.25


async def test_a_leader_that_lost_is_known_to_have_taken_at_least_so_long():
    stage = hedged(NEVER, HELLO)
    traffic = stage.pool.of(stage.targets["a"])
    stage.pool.load(stage.targets["a"])
    (await stage.first()).close()
    assert traffic.latency is not None
    assert traffic.latency.value(asyncio.get_running_loop().time()) >= 0.04


async def test_waiting_for_two_at_once_is_counted_once():
    stage = hedged(NEVER, slow(0.1))
    began = asyncio.get_running_loop().time()
    served = await stage.first()
    elapsed = asyncio.get_running_loop().time() - began
    assert elapsed - 0.05 < stage.account.waited + served.attempt.waited <= elapsed + 0.001
    served.close()
