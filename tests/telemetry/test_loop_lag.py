"""How late the loop is: noticed when it lasts, told when it was bad, and never while all is well."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from proxy.telemetry.loop_lag import LoopLag

HELD_UP = 0.5  # seconds; a look is due after 0.2
ON_TIME = 0.1  # with room for a busy machine

Run = Callable[[Coroutine[Any, Any, None]], None]
ON_BOTH_LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


async def held_up(times: int) -> None:
    for _ in range(times):
        time.sleep(HELD_UP)  # as callbacks that take that long
        await asyncio.sleep(0.01)


async def until_on_time(lag: LoopLag) -> None:
    async with asyncio.timeout(10):
        while lag.lasting > ON_TIME:
            await asyncio.sleep(0.05)


@ON_BOTH_LOOPS
def test_p03_a_loop_that_cannot_keep_up_is_noticed(run: Run):
    async def play() -> None:
        seen: list[float] = []
        lag = LoopLag(seen.append)
        lag.start()
        await held_up(5)
        assert lag.lasting > HELD_UP - 0.25
        await until_on_time(lag)
        lag.stop()
        assert max(seen) == lag.worst()
        assert lag.worst() == 0.0, "asked a moment ago"
        looks = len(seen)
        await asyncio.sleep(0.5)
        assert len(seen) == looks, "stopped"

    run(play())


@ON_BOTH_LOOPS
def test_one_that_was_held_up_once_is_told_but_does_not_last(run: Run):
    async def play() -> None:
        lag = LoopLag(lambda late: None)
        lag.start()
        await asyncio.sleep(0.7)
        time.sleep(1)  # or frozen, or moved to another machine
        await asyncio.sleep(0.05)
        assert lag.worst() > 0.7
        assert lag.lasting < ON_TIME
        lag.stop()

    run(play())
