"""In which order things are done: at random, each as often as the others, some at the same time."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

HANDS = 3
_PAUSE = (0.2, 1.2)  # seconds


Do = Callable[[random.Random], Awaitable[None]]


class Act(NamedTuple):
    """`holds`: what no two actions may touch at the same time. `lasts`: about how many seconds; what would not end in
    time is not begun. `do` is given a source of chance of its own."""

    name: str
    holds: tuple[str, ...]
    lasts: float
    do: Do


class Schedule:
    """Draws without putting back until all were drawn: so each has its turn."""

    def __init__(self, acts: Sequence[Act], seed: int) -> None:
        self._acts = acts
        self._chance = random.Random(seed)
        self._bag: list[Act] = []
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self, seconds: float) -> None:
        until = asyncio.get_running_loop().time() + seconds
        async with asyncio.TaskGroup() as hands:
            for _ in range(HANDS):
                hands.create_task(self._hand(until))

    async def _hand(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            act, chance = self._draw()
            await asyncio.sleep(chance.uniform(*_PAUSE))
            if loop.time() + act.lasts > until:
                continue
            locks = [self._locks[name] for name in sorted(act.holds)]
            for lock in locks:
                await lock.acquire()
            try:
                if loop.time() < until:
                    await act.do(chance)
            finally:
                for lock in locks:
                    lock.release()

    def _draw(self) -> tuple[Act, random.Random]:
        if not self._bag:
            self._bag = list(self._acts)
            self._chance.shuffle(self._bag)
        return self._bag.pop(), random.Random(self._chance.random())
