"""Silence after the commit point: noticed when it is the provider's, forgiven when it is the reader's."""

import asyncio

import pytest

from proxy.clock import Deadline
from proxy.dispatch.attempt import Attempt
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Timeouts
from proxy.telemetry.clocks import Clocks
from tests.dispatch.toy import Answer, FakeTransport, Stage, candidate, sse, target

IDLE = 0.06


async def committed(*script: object, total: float = 30.0) -> Attempt:
    transport = FakeTransport({"a": Answer(sse("text:x"), *script)})
    attempt = Attempt(candidate(target("a", timeouts=Timeouts(idle=IDLE))), transport, Clocks())
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


async def test_a_closed_attempt_is_watched_no_longer():
    attempt = await committed(None)
    exchange = attempt._exchange
    attempt.close()
    await asyncio.sleep(2 * IDLE)
    assert exchange is not None
    assert exchange.aborted is None
