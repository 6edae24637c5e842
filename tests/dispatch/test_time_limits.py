"""Time limits of tasks: they go off when asyncio's own would, and nobody else's cancellation is taken for theirs."""

import asyncio
import time
from contextlib import nullcontext

import pytest

from proxy.dispatch.time_limits import TimeLimits

EARLY = 0.001  # seconds by which the loop's own clock may be rounded
LATE = 0.5  # seconds, on a busy machine


def now() -> float:
    return asyncio.get_running_loop().time()


async def limited(limits: TimeLimits, seconds: float, doing: float) -> float:
    """How long it took; raises TimeoutError."""
    began = time.monotonic()
    with limits.until(now() + seconds):
        await asyncio.sleep(doing)
    return time.monotonic() - began


async def test_what_is_done_in_time_is_not_disturbed():
    limits = TimeLimits()
    assert await limited(limits, 5, 0.01) < LATE
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.001, 0.05, 0.3])
async def test_what_is_not_is_ended_soon_after(seconds: float):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await limited(TimeLimits(), seconds, 60)
    assert max(0.0, seconds) - EARLY <= time.monotonic() - began <= max(0.0, seconds) + LATE


async def test_a_shorter_one_does_not_wait_for_a_longer_one():
    limits = TimeLimits()
    longer = asyncio.create_task(limited(limits, 600, 60))
    await asyncio.sleep(0)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await limited(limits, 0.05, 60)
    assert time.monotonic() - began < LATE
    longer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await longer


async def test_many_at_once_each_at_its_time():
    limits = TimeLimits()
    seconds = [0.02 * (number % 20) for number in range(400)]
    outcomes = await asyncio.gather(*(limited(limits, each, 0.2) for each in seconds), return_exceptions=True)
    for each, outcome in zip(seconds, outcomes, strict=True):
        if each < 0.18:
            assert isinstance(outcome, TimeoutError)
        elif each > 0.2 + LATE:
            assert isinstance(outcome, float)


@pytest.mark.parametrize("second", [0.05, 60.0])
async def test_another_time_while_it_lasts(second: float):
    limits, is_sooner = TimeLimits(), second < 1
    with nullcontext() if not is_sooner else pytest.raises(TimeoutError):  # noqa: SIM117
        with limits.until(now() + (60 if is_sooner else 0.05)) as limit:
            limit.reschedule(now() + second)
            await asyncio.sleep(0.2)


async def test_what_has_passed_is_not_put_off():
    limits = TimeLimits()

    async def stubborn() -> None:
        with limits.until(now() + 0.01) as limit:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                limit.reschedule(now() + 0.05)
                await asyncio.sleep(0.2)
                raise

    with pytest.raises(TimeoutError):
        await stubborn()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    await asyncio.sleep(0.1)


async def test_a_cancellation_by_somebody_else_stays_one():
    limits = TimeLimits()
    task = asyncio.create_task(limited(limits, 60, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_count_as_cancelled():
    limits = TimeLimits()
    task = asyncio.create_task(limited(limits, 0.0, 60))
    await asyncio.sleep(0)
    time.sleep(0.05)
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises((asyncio.CancelledError, TimeoutError)) as caught:
        await task
    assert task.cancelling() in (0, 1)
    assert (caught.type is asyncio.CancelledError) == bool(task.cancelling())


async def test_an_error_of_its_own_is_told_even_when_it_comes_late():
    limits = TimeLimits()

    async def fails() -> None:
        with limits.until(now() + 0.01):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await fails()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]
    await asyncio.sleep(0)


async def test_one_within_another():
    limits = TimeLimits()
    with pytest.raises(TimeoutError), limits.until(now() + 0.05), limits.until(now() + 60):
        await asyncio.sleep(60)
    with limits.until(now() + 60):
        with pytest.raises(TimeoutError), limits.until(now() + 0.05):
            await asyncio.sleep(60)
        await asyncio.sleep(0)


async def test_nothing_is_kept_of_those_that_ended():
    limits = TimeLimits()
    for _ in range(1000):
        with limits.until(now() + 30):
            pass
    assert sum(map(len, limits._due.values())) == 0
    assert len(limits._times) <= 3
