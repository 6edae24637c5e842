"""The chain: who is asked, what is told of each hop, what is recorded, and that every permit is reported."""

import asyncio
import gc

import pytest

from proxy import errors
from proxy.canonical.account import Exhausted
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.ask import Ask
from proxy.dispatch.served import Served
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Timeouts
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

BROKEN = refusal(500)


async def test_the_first_candidate_answers():
    stage = Stage({"a": HELLO, "b": HELLO})
    served = await stage.first()
    assert stage.transport.models == ["a"]
    assert stage.told == []
    assert stage.account.served_by == "a"
    assert [(a.model, a.outcome) for a in stage.account.attempts] == [("a", "served")]
    assert stage.account.warnings == served.attempt.warnings
    served.close()


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        (refusal(429), "rate_limit", None),
        (refusal(402), "auth_error", "billing"),
        (refusal(401), "auth_error", None),
        (refusal(404), "model_error", "model_unavailable"),
        (refusal(413), "model_error", "too_large"),
        (BROKEN, "server_error", None),
        (Answer(sse("role", "error:")), "model_error", "error_event"),
        (Answer(), "model_error", "empty_response"),
        (Answer(fault=UpstreamFault(Cause.CONNECT_FAILED, "m", detail="connect")), "network_error", "connect"),
    ],
)
async def test_a_failure_before_content_goes_to_the_next(answer: Answer, reason: str, detail: str | None):
    stage = Stage({"a": answer, "b": HELLO})
    served = await stage.first()
    assert stage.hops == [("a", "b", reason, detail)]
    assert stage.account.hops == stage.told
    assert stage.account.served_by == "b"
    assert [a.outcome for a in stage.account.attempts] == ["failed", "served"]
    assert stage.transport.exchanges[0].closed if answer.fault is None else True
    served.close()


async def test_the_callers_fault_is_returned_at_once():
    stage = Stage({"a": refusal(422, "top_k is wrong", "bad_top_k"), "b": HELLO})
    with pytest.raises(errors.Refused, match="top_k is wrong") as refused:
        await stage.first()
    assert errors.http_status(refused.value) == 422
    assert stage.transport.models == ["a"]
    assert stage.told == []
    assert stage.is_neutral("a")


async def test_an_overflow_goes_only_to_larger_windows():
    overflow = refusal(400, "prompt is too long: 9 tokens > 8 maximum")
    stage = Stage({"a": overflow, "small": HELLO, "unknown": HELLO, "large": HELLO})
    for name, window in (("a", 8), ("small", 8), ("large", 16)):
        stage.change(name, context_window=window)
    served = await stage.first()
    assert stage.transport.models == ["a", "large"]
    assert stage.hops == [("a", "large", "context_overflow", None)]
    served.close()


async def test_an_overflow_without_a_larger_window_is_the_callers():
    stage = Stage({"a": refusal(400, "prompt is too long: 9 tokens > 8 maximum"), "b": HELLO})
    for name in ("a", "b"):
        stage.change(name, context_window=8)
    with pytest.raises(errors.PromptTooLong) as told:
        await stage.first()
    assert (told.value.tokens, told.value.maximum) == (9, 8)
    assert stage.transport.models == ["a"]


@pytest.mark.parametrize(("allowed", "models"), [(False, ["a"]), (True, ["a", "b"])])
async def test_a_content_filter_moves_on_only_if_the_route_says_so(allowed: bool, models: list[str]):
    stage = Stage({"a": refusal(400, "No.", "content_filter"), "b": HELLO}, next_on_content_filter=allowed)
    if allowed:
        (await stage.first()).close()
    else:
        with pytest.raises(errors.ContentFiltered):
            await stage.first()
    assert stage.transport.models == models


async def test_every_hop_is_told_and_names_who_was_really_left():
    stage = Stage({"a": BROKEN, "open": HELLO, "c": refusal(429, retry_after="60"), "d": HELLO})
    stage.trip("open")
    served = await stage.first()
    assert stage.hops == [
        ("a", "open", "server_error", None),
        ("open", "c", "circuit_breaker", "breaker_open"),
        ("c", "d", "rate_limit", None),
    ]
    assert [hop.attempt for hop in stage.account.hops] == [1, 2, 3]
    assert [hop.status for hop in stage.account.hops] == [500, None, 429]
    assert [(a.model, a.outcome) for a in stage.account.attempts] == [
        ("a", "failed"),
        ("open", "skipped"),
        ("c", "failed"),
        ("d", "served"),
    ]
    assert stage.transport.models == ["a", "c", "d"]
    served.close()


async def test_a_rate_limited_target_is_passed_over_until_it_may_be_asked():
    stage = Stage({"a": refusal(429, retry_after="60"), "b": HELLO})
    for _ in range(2):
        (await stage.first()).close()
    assert stage.transport.models == ["a", "b", "b"]
    assert stage.hops[1] == ("a", "b", "rate_limit", "cooling_down")
    assert stage.states == {"a": "closed", "b": "closed"}


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([refusal(429, retry_after="60"), refusal(429, retry_after="60")], errors.AllRateLimited),
        ([BROKEN, refusal(429, retry_after="60")], errors.ChainFailed),
        ([refusal(401), refusal(404)], errors.ChainFailed),
        ([BROKEN, refusal(413)], errors.TooLargeEverywhere),
    ],
)
async def test_an_exhausted_chain_is_told_whole(answers: list[Answer], kind: type[errors.ProxyError]):
    stage = Stage(dict(zip("ab", answers, strict=True)))
    with pytest.raises(kind) as told:
        await stage.first()
    exhausted = stage.told[-1]
    assert isinstance(exhausted, Exhausted)
    assert exhausted.models_tried == ("a", "b")
    assert exhausted.final_error == told.value.message
    assert [attempt.model for attempt in exhausted.attempts] == ["a", "b"]
    assert len(stage.hops) == 1
    assert stage.metrics._exhausted.values == {("m",): 1.0}


async def test_all_breakers_open_says_when_to_come_back():
    stage = Stage({"a": HELLO, "b": HELLO})
    stage.trip("a")
    stage.trip("b")
    with pytest.raises(errors.AllUnavailable) as told:
        await stage.first()
    assert told.value.retry_after == pytest.approx(10, abs=1)
    assert stage.transport.calls == []


async def test_a_hung_primary_leaves_time_for_the_last():
    stage = Stage({"a": Answer(before=None), "b": HELLO}, total=0.4)
    served = await stage.first()
    assert stage.hops == [("a", "b", "network_error", "headers_timeout")]
    served.close()


def hurried(stage: Stage, seconds: float, *, is_callers: bool = True) -> Ask:
    return stage.ask(deadline=Deadline(asyncio.get_running_loop().time() + seconds, is_callers))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("answer", [Answer(before=None), Answer(sse("role"), None)], ids=["silent", "no content"])
async def test_a_callers_haste_opens_no_breaker(answer: Answer, stream: bool):
    stage = Stage({"a": answer})
    stage.request = Request("toy", "m", {"model": "m"}, stream=stream)
    for _ in range(20):
        with pytest.raises(errors.ChainTimedOut):
            await stage.first(hurried(stage, 0.005))
    assert len(stage.transport.calls) == 20
    assert stage.is_neutral("a")


@pytest.mark.parametrize(("seconds", "is_callers"), [(0.005, False), (5.0, True)])
async def test_a_slow_target_is_blamed_all_the_same(seconds: float, is_callers: bool):
    stage = Stage({"a": Answer(before=None)})
    stage.change("a", timeouts=Timeouts(connect=1, headers=0.02, first_token=0.02, idle=1))
    with pytest.raises(errors.ChainTimedOut):
        await stage.first(hurried(stage, seconds, is_callers=is_callers))
    assert stage.breakers.of(stage.targets["a"]).state == "open"


@pytest.mark.parametrize(("is_callers", "state"), [(True, "closed"), (False, "open")])
async def test_a_callers_deadline_amid_the_answer_opens_no_breaker(is_callers: bool, state: str):
    stage = Stage({"a": Answer(sse("role", "text:hello"), None)})
    served = await stage.first(hurried(stage, 0.02, is_callers=is_callers))
    with pytest.raises(UpstreamFault) as caught:
        await served.attempt.more()
    assert caught.value.detail == "deadline_exceeded"
    served.broke(caught.value)
    served.close()
    assert stage.breakers.of(stage.targets["a"]).state == state


async def test_after_the_deadline_nobody_else_is_asked():
    stage = Stage({"a": Answer(before=None), "b": HELLO}, total=0.0)
    with pytest.raises(errors.ChainTimedOut):
        await stage.first()
    assert stage.transport.models.count("b") == 0


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (BROKEN, "open"),
        (Answer(sse("role", "error:")), "open"),
        (Answer(), "open"),
        (refusal(429, retry_after="60"), "closed"),
        (refusal(401), "closed"),
        (refusal(404), "closed"),
        (refusal(400), "closed"),
    ],
)
async def test_what_the_breaker_learns_of_a_failed_attempt(answer: Answer, state: str):
    stage = Stage({"a": answer})
    with pytest.raises(errors.ProxyError):
        await stage.first()
    assert stage.states == {"a": state}


async def served_by(stage: Stage) -> Served:
    served = await stage.first()
    assert isinstance(served, Served)
    return served


async def test_what_the_breaker_learns_of_a_served_one():
    stage = Stage({"a": HELLO})
    served = await served_by(stage)
    served.broke(UpstreamFault(Cause.TRUNCATED, "m"))
    served.close()
    assert stage.states == {"a": "open"}


async def test_a_departed_client_is_neutral_even_for_a_probe():
    stage = Stage({"a": HELLO})
    stage.change("a", breaker=stage.targets["a"].breaker.__class__(consecutive_failures=1, open_time=0.0))
    stage.trip("a")
    for _ in range(3):
        served = await served_by(stage)
        assert stage.states == {"a": "half-open"}
        served.close()
    for _ in range(2):
        served = await served_by(stage)
        served.succeeded()
        served.close()
    assert stage.states == {"a": "closed"}


SLOW = Answer(sse("role"), 0.0, sse("ping"), 0.0, 0.0, sse("text:x", "stop"))


@pytest.mark.parametrize("answer", [SLOW, Answer(b'{"error"', 0.0, b":{}}", status=500)])
async def test_cancelled_anywhere_it_frees_the_connection_and_blames_nobody(answer: Answer):
    """Let the chain run n turns of the loop, then cancel it: for every n until it is done."""
    cancelled, opened = 0, 0
    for turns in range(200):
        stage = Stage({"a": answer})
        task = asyncio.ensure_future(stage.first())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            served = await task
        except asyncio.CancelledError:
            cancelled += 1
            opened += bool(stage.transport.exchanges)
            assert all(exchange.closed for exchange in stage.transport.exchanges)
            assert stage.is_neutral("a")
            assert stage.account.served_by is None
        except errors.ProxyError:
            break
        else:
            served.close()
            break
    assert cancelled > opened > 2


async def test_cancelled_while_the_client_is_told_it_stops():
    stage = Stage({"a": BROKEN, "b": HELLO})

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(stage.dispatcher.chain(stage.ask(), never).first_committed())
    while not stage.account.hops:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stage.transport.models == ["a"]
    assert all(exchange.closed for exchange in stage.transport.exchanges)


async def test_a_half_open_target_gets_one_probe_from_many_requests():
    stage = Stage({"a": Answer(0.05, sse("text:x", "stop")), "b": HELLO})
    stage.change("a", breaker=stage.targets["a"].breaker.__class__(consecutive_failures=1, open_time=0.0))
    stage.trip("a")
    served = await asyncio.gather(*(stage.first() for _ in range(50)))
    assert stage.transport.models.count("a") == 1
    assert stage.transport.models.count("b") == 49
    for each in served:
        each.close()


async def test_a_stream_keeps_nothing_of_what_failed_before_it():
    def faults() -> int:
        gc.collect()
        return sum(isinstance(one, UpstreamFault) for one in gc.get_objects())

    before = faults()
    stage = Stage({"a": BROKEN, "b": HELLO})
    chain = stage.chain()
    served = await chain.first_committed()
    assert faults() == before
    served.close()


async def test_timeouts_are_the_targets_own():
    stage = Stage({"a": Answer(None), "b": HELLO})
    stage.change("a", timeouts=Timeouts(first_token=0.05))
    served = await stage.first()
    assert stage.hops == [("a", "b", "network_error", "ttft_timeout")]
    served.close()
