"""The chain goes on after an answer broke in mid-stream: who may take over, what is written down, and what is told when
nobody can."""

import asyncio
from typing import Any

import msgspec
import pytest

from proxy import errors
from proxy.canonical.account import Exhausted
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.dispatcher import Chain
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Candidate
from tests.dispatch.chains import opened
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

CUT = UpstreamFault(Cause.TRUNCATED, "The connection closed.", detail="truncated")
BEGUN = Answer(sse("role", "text:hello"), None)
GOES_ON = Request("toy", "m", {"model": "m", "so_far": "hello"}, stream=True)


def everybody(left: list[Candidate]) -> list[tuple[Candidate, Request]]:
    return [(each, GOES_ON) for each in left]


async def broken(stage: Stage, fault: UpstreamFault = CUT, chain: Chain | None = None) -> Chain:
    """A chain whose first answer has begun, and broke."""
    chain = chain or stage.chain()
    served = await chain.first_committed()
    served.broke(fault)
    served.close()
    return chain


async def test_the_next_candidate_goes_on_with_the_request_it_was_given():
    stage = opened(BEGUN, HELLO)
    chain = await broken(stage)
    successor = await chain.after(CUT, everybody)
    assert stage.transport.models == ["a", "b"]
    assert msgspec.json.decode(stage.transport.calls[1].body)["so_far"] == "hello"
    assert stage.hops == [("a", "b", "network_error", "truncated")]
    assert not stage.account.hops[0].discard
    assert stage.attempts == [("a", "failed", "truncated"), ("b", "served", None)]
    assert stage.account.served_by == "b"
    successor.close()
    assert stage.is_idle()


async def test_only_the_first_hop_says_that_all_is_void():
    stage = opened(BEGUN, refusal(404), HELLO)
    chain = await broken(stage)
    (await chain.after(CUT, everybody, discard=True)).close()
    assert [(hop.to_model, hop.discard) for hop in stage.account.hops] == [("b", True), ("c", False)]


async def test_each_may_be_sent_its_own():
    stage = opened(BEGUN, refusal(404), HELLO)
    chain = await broken(stage)

    def each_its_own(left: list[Candidate]) -> list[tuple[Candidate, Request]]:
        return [(one, Request("toy", "m", {"for": one.target.name}, stream=True)) for one in left]

    (await chain.after(CUT, each_its_own)).close()
    sent = [msgspec.json.decode(call.body)["for"] for call in stage.transport.calls[1:]]
    assert sent == ["b", "c"]


async def test_only_who_may_is_asked():
    stage = opened(BEGUN, HELLO, HELLO)
    chain = await broken(stage)
    (await chain.after(CUT, lambda left: everybody(left[1:]))).close()
    assert stage.transport.models == ["a", "c"]
    assert stage.hops == [("a", "c", "network_error", "truncated")]


async def test_whoever_was_tried_or_passed_over_before_is_not_among_those_left():
    stage = Stage({"open": HELLO, "failed": refusal(404), "a": BEGUN, "b": HELLO})
    stage.trip("open")
    chain = await broken(stage)
    seen: list[str] = []

    def noted(left: list[Candidate]) -> list[tuple[Candidate, Request]]:
        seen.extend(each.target.name for each in left)
        return everybody(left)

    (await chain.after(CUT, noted)).close()
    assert seen == ["b"]


async def test_f08_without_fallbacks_nobody_is_left():
    stage = opened(BEGUN, HELLO)
    ask = stage.ask()
    chain = await broken(stage, chain=stage.chain(ask._replace(candidates=ask.candidates[:1])))
    with pytest.raises(errors.StreamBroken):
        await chain.after(CUT, everybody)
    assert stage.transport.models == ["a"]
    assert stage.told == []


async def test_when_nobody_may_the_answer_counts_as_what_it_was():
    stage = opened(BEGUN, HELLO)
    chain = await broken(stage)
    with pytest.raises(errors.StreamBroken, match="The connection closed"):
        await chain.after(CUT, lambda left: [])
    assert stage.attempts == [("a", "served", None)]
    assert stage.told == []
    assert stage.metrics._exhausted.values == {}


@pytest.mark.parametrize(
    ("successor", "last"),
    [
        (refusal(400, "Prefilling assistant messages is not supported."), "b"),
        (refusal(500), "c"),
        (refusal(429, retry_after="60"), "c"),
    ],
)
async def test_f07_the_original_error_is_what_the_caller_is_told(successor: Answer, last: str):
    stage = opened(BEGUN, successor, refusal(404))
    chain = await broken(stage)
    with pytest.raises(errors.StreamBroken, match="The connection closed") as told:
        await chain.after(CUT, everybody)
    assert told.value.detail == "truncated"
    [exhausted] = [notice for notice in stage.told if isinstance(notice, Exhausted)]
    assert exhausted.final_error == told.value.message
    assert exhausted.models_tried == tuple("abc"[: "abc".index(last) + 1])
    assert stage.breakers.of(stage.targets["b"]).state == "closed"


async def test_a_second_break_goes_on_where_the_first_one_stood():
    stage = opened(BEGUN, BEGUN, HELLO)
    chain = await broken(stage)
    second = await chain.after(CUT, everybody)
    stalled = UpstreamFault(Cause.STALLED, "Nothing came.", detail="stream_stalled")
    second.broke(stalled)
    second.close()
    third = await chain.after(stalled, everybody)
    assert stage.hops == [("a", "b", "network_error", "truncated"), ("b", "c", "network_error", "stream_stalled")]
    assert [outcome for _, outcome, _ in stage.attempts] == ["failed", "failed", "served"]
    third.broke(CUT)
    third.close()
    with pytest.raises(errors.StreamBroken):
        await chain.after(CUT, everybody)


async def test_a_successor_is_tried_again_like_anybody():
    stage = opened(BEGUN, [refusal(503), HELLO])
    chain = await broken(stage)
    (await chain.after(CUT, everybody)).close()
    assert stage.transport.models == ["a", "b", "b"]


async def test_a_successor_that_is_limited_is_waited_for():
    stage = opened(BEGUN, [refusal(429, retry_after="0.05"), HELLO])
    chain = await broken(stage)
    (await chain.after(CUT, everybody)).close()
    assert stage.transport.models == ["a", "b", "b"]


async def test_after_the_deadline_nobody_takes_over():
    stage = opened(BEGUN, HELLO)
    deadline = Deadline(asyncio.get_running_loop().time() + 0.1)
    chain = await broken(stage, chain=stage.chain(stage.ask(deadline=deadline)))
    await asyncio.sleep(0.11)
    with pytest.raises(errors.StreamBroken):
        await chain.after(CUT, everybody)
    assert stage.transport.models == ["a"]


async def test_an_answer_that_was_filtered_goes_on_only_where_the_route_says_so():
    filtered = UpstreamFault(Cause.CONTENT_FILTER, "No.")
    for allowed in (False, True):
        stage = opened(BEGUN, HELLO, next_on_content_filter=allowed)
        chain = await broken(stage, filtered)
        outcome: Any = None
        try:
            outcome = await chain.after(filtered, everybody)
        except errors.StreamBroken:
            assert not allowed
        else:
            assert allowed
            outcome.close()
