"""A target's places: never more than the limit, first come first served, and nothing lost when somebody goes away."""

import asyncio
import random

import pytest

from proxy.dispatch.capacity import Capacity
from proxy.routing.settings import Concurrency

LONG = 5.0


def capacity(limit: int, queue: int = 100, share: int = 1) -> Capacity:
    return Capacity(Concurrency(limit, queue), share)


async def queued(places: Capacity, count: int, seconds: float = LONG) -> list[asyncio.Task[bool]]:
    """So many who wait by now, in this order."""
    tasks = [asyncio.create_task(places.wait(seconds)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def finished(tasks: list[asyncio.Task[bool]]) -> list[int]:
    """Which of them have had their turn."""
    for _ in range(3):
        await asyncio.sleep(0)
    return [number for number, task in enumerate(tasks) if task.done()]


@pytest.mark.parametrize(
    ("limit", "share", "places"), [(4, 1, 4), (4, 2, 2), (5, 2, 3), (1, 8, 1), (16, 8, 2), (17, 8, 3)]
)
async def test_each_process_has_its_part_rounded_up(limit: int, share: int, places: int):
    of_mine = capacity(limit, share=share)
    assert [of_mine.take() for _ in range(places + 1)] == [True] * places + [False]


async def test_the_queue_is_divided_too():
    places = capacity(1, queue=3, share=2)
    assert places.take()
    waiting = await queued(places, 3)
    assert await finished(waiting) == [2]
    assert not await waiting[2]
    assert places.queued == 2
    for task in waiting[:2]:
        places.release()
        assert await task


async def test_first_come_first_served():
    places = capacity(1)
    assert places.take()
    waiting = await queued(places, 3)
    for turn in range(3):
        assert await finished(waiting) == list(range(turn))
        places.release()
    assert await finished(waiting) == [0, 1, 2]


async def test_nobody_overtakes_who_waits():
    places = capacity(1)
    assert places.take()
    [waiting] = await queued(places, 1)
    places.release()
    assert not places.take(), "the place is promised, though the one who waits has not run yet"
    assert await waiting


async def test_a_full_queue_refuses_at_once():
    places = capacity(1, queue=0)
    assert places.take()
    assert not await asyncio.wait_for(places.wait(LONG), 1)


async def test_who_waited_too_long_goes_without():
    places = capacity(1)
    assert places.take()
    assert not await places.wait(0.02)
    assert places.queued == 0
    places.release()
    assert places.take()


async def test_who_leaves_the_queue_is_passed_over():
    places = capacity(1)
    assert places.take()
    first, second = await queued(places, 2)
    first.cancel()
    await asyncio.sleep(0)
    places.release()
    assert await second
    assert first.cancelled()


async def test_cancelled_in_the_moment_of_its_turn_it_gives_the_place_to_the_next():
    places = capacity(1)
    assert places.take()
    first, second = await queued(places, 2)
    places.release()  # the first has its turn, but has not run
    first.cancel()
    assert await second
    assert first.cancelled()
    places.release()
    assert places.take()


async def test_late_in_the_moment_of_its_turn_nothing_is_lost():
    places = capacity(1)
    for _ in range(50):
        assert places.take()
        [waiting] = await queued(places, 1, 0.001)
        await asyncio.sleep(0.001)
        places.release()
        if await waiting:
            places.release()
    assert places.take()
    assert not places.take()


async def test_more_room_is_given_to_those_who_wait():
    places = capacity(1)
    assert places.take()
    waiting = await queued(places, 3)
    places.adopt(Concurrency(3))
    assert await finished(waiting) == [0, 1]


async def test_less_room_stops_nobody_who_runs():
    places = capacity(3)
    assert [places.take() for _ in range(3)] == [True] * 3
    places.adopt(Concurrency(1))
    for _ in range(2):
        places.release()
        assert not places.take()
    places.release()
    assert places.take()


async def test_whatever_happens_the_limit_holds_and_no_place_is_lost():
    draw = random.Random(7)
    places = capacity(3, queue=20)
    running = most = served = 0

    async def one() -> None:
        nonlocal running, most, served
        if await places.wait(draw.choice([0.0, 0.002, LONG])):
            try:
                running += 1
                most = max(most, running)
                await asyncio.sleep(draw.random() * 0.002)
                served += 1
            finally:
                running -= 1
                places.release()

    tasks = []
    for _ in range(600):
        tasks.append(asyncio.create_task(one()))
        if draw.random() < 0.3:
            draw.choice(tasks).cancel()
        if draw.random() < 0.3:
            await asyncio.sleep(0.0005)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 3
    assert served > 50
    assert places.queued == 0
    assert [places.take() for _ in range(4)] == [True, True, True, False]
