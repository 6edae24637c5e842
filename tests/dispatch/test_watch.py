"""Silence and slowness after the commit point: noticed when they are the provider's, forgiven when the reader's."""

import asyncio

import pytest

from proxy.canonical.events import Delta
from proxy.clock import Deadline
from proxy.dispatch.attempt import Attempt
from proxy.dispatch.time_limits import TimeLimits
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Timeouts
from proxy.telemetry.clocks import Clocks
from proxy.wire.decoder import Step
from tests.dispatch.toy import Answer, FakeTransport, Stage, candidate, sse, target

IDLE = 0.06


async def committed(*script: object, total: float = 30.0, idle: float = IDLE, **rate: float) -> Attempt:
    transport = FakeTransport({"a": Answer(sse("text:x"), *script)})
    attempt = Attempt(candidate(target("a", timeouts=Timeouts(idle=idle, **rate))), transport, Clocks(), TimeLimits())
    stage = Stage({})
    await attempt.commit(stage.request, {}, 5.0, Deadline(asyncio.get_running_loop().time() + total))
    return attempt


async def fault_of(attempt: Attempt) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as caught:
        async with asyncio.timeout(5):
            await attempt.more()
    attempt.close()
    return caught.value


async def test_a_silent_provider_is_noticed():
    fault = await fault_of(await committed(None))
    assert (fault.cause, fault.detail) == (Cause.STALLED, "stream_stalled")


async def test_every_chunk_starts_the_clock_anew():
    attempt = await committed(*[0.03, sse("ping")] * 5, None)
    for _ in range(5):
        await attempt.more()
    assert (await fault_of(attempt)).cause is Cause.STALLED


async def test_a_slow_reader_is_not_the_providers_silence():
    attempt = await committed(sse("ping"), 0.01, sse("ping"), None)
    await asyncio.sleep(3 * IDLE)  # the held frames go out slowly
    await attempt.more()
    await asyncio.sleep(3 * IDLE)
    await attempt.more()
    assert (await fault_of(attempt)).cause is Cause.STALLED


async def test_the_deadline_holds_for_a_lively_stream():
    attempt = await committed(*[0.02, sse("ping")] * 50, total=0.15)

    async def read_on() -> None:
        while True:
            await attempt.more()

    with pytest.raises(UpstreamFault) as caught:
        await read_on()
    assert (caught.value.cause, caught.value.detail) == (Cause.TIMED_OUT, "deadline_exceeded")
    attempt.close()


async def test_the_deadline_holds_for_a_slow_reader_too():
    attempt = await committed(None, total=0.1)
    await asyncio.sleep(0.15)
    assert (await fault_of(attempt)).detail == "deadline_exceeded"


SLOW = {"idle": 5.0, "least_rate": 100.0, "rate_window": 0.2}


async def test_p07_a_provider_that_drips_is_noticed():
    attempt = await committed(*[0.02, sse("text:x")] * 100, **SLOW)
    began = asyncio.get_running_loop().time()

    async def read_on() -> None:
        while True:
            await attempt.more()

    with pytest.raises(UpstreamFault) as caught:
        await read_on()
    assert (caught.value.cause, caught.value.detail) == (Cause.TOO_SLOW, "too_slow")
    assert 0.19 < asyncio.get_running_loop().time() - began < 1.5
    assert "100 characters a second for 0.2 seconds" in caught.value.message
    attempt.close()


async def test_silence_is_slow_too():
    assert (await fault_of(await committed(None, **SLOW))).cause is Cause.TOO_SLOW


async def test_one_that_is_fast_enough_is_left_alone():
    attempt = await committed(*[0.02, sse("text:" + "x" * 50)] * 25, sse("stop"), **SLOW)
    while not attempt.ended:
        await attempt.more()
    attempt.close()


async def test_without_a_least_rate_nothing_is_counted():
    attempt = await committed(*[0.02, sse("text:x")] * 25, sse("stop"), idle=5.0, rate_window=0.1)
    while not attempt.ended:
        await attempt.more()
    assert attempt._watch is not None
    assert attempt._watch.pace is None
    attempt.close()


async def test_a_slow_reader_makes_no_slow_provider():
    attempt = await committed(*[sse("text:" + "x" * 20)] * 5, sse("stop"), **SLOW)
    while not attempt.ended:
        await attempt.more()
        await asyncio.sleep(0.3)
    attempt.close()


async def test_what_was_held_is_part_of_the_window():
    """Much at once, then little for less than a window."""
    attempt = await committed(0.15, sse("stop"), **SLOW)
    attempt.held = [Step(None, [Delta(0, "x" * 1000)])]
    await attempt.more()
    attempt.close()


async def test_a_closed_attempt_is_watched_no_longer():
    attempt = await committed(None)
    exchange = attempt._exchange
    attempt.close()
    await asyncio.sleep(2 * IDLE)
    assert exchange is not None
    assert exchange.aborted is None
