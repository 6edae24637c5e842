"""A client of the store that writes down what it tells."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.runtime.store_address import StoreAddress
from proxy.store.client import Health, Store
from proxy.store.down import StoreDown

TIMEOUT = 0.1  # seconds: as in production
PATIENCE = 2.0  # seconds: a timeout for tests that are about something else, on a busy machine
SOON = 0.3  # seconds: one timeout, with room for a busy machine
CROWDED = 1.0  # seconds: the same, where hundreds of calls begin together
AT_ONCE = 0.05  # seconds: no timeout at all
LATE = 0.05  # seconds: what the client calls late
RECOVERY = 5.0  # seconds: the pause between two probes, many times over


class Recorded:
    """`changes`: every change of health; `calls`: the outcome of each and the seconds it took."""

    def __init__(self, address: StoreAddress, timeout: float = PATIENCE) -> None:
        self.changes: list[Health] = []
        self.calls: list[tuple[str, float]] = []
        self.store = Store(
            address,
            timeout,
            time.monotonic,
            random.random,
            self.changes.append,
            lambda outcome, seconds: self.calls.append((outcome, seconds)),
        )

    @property
    def ups_and_downs(self) -> list[str]:
        """What `on_change` was told: the kind of each failure, "" for each recovery."""
        return [health.kind for health in self.changes]

    async def is_down(self) -> None:
        """It is, at once after a failed call; only where this process was late itself, a probe had to confirm it."""
        was_late = any(seconds > TIMEOUT + LATE for _, seconds in self.calls)
        assert was_late or not self.store.health.is_up
        async with asyncio.timeout(RECOVERY):
            while self.store.health.is_up:
                await asyncio.sleep(0.01)

    async def recovers(self) -> None:
        """Waits for it, without asking the store anything."""
        async with asyncio.timeout(RECOVERY):
            while not self.store.health.is_up:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def recorded(address: StoreAddress, timeout: float = PATIENCE) -> AsyncIterator[Recorded]:
    client = Recorded(address, timeout)
    try:
        yield client
    finally:
        await client.store.close()


def _kept_waiting() -> float:
    """Seconds in which this thread could have run, but had no processor; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def fails(call: Coroutine[Any, Any, Any], within: float = SOON) -> StoreDown:
    """How it failed, which took no longer than `within` seconds. The time in which this whole process waited for the
    machine does not count: whatever was due in it still gets its turn."""
    task = asyncio.create_task(call)
    clock, before = asyncio.get_running_loop().time, _kept_waiting()
    began = clock()
    while not task.done() and (left := began + within + _kept_waiting() - before - clock()) > 0:
        await asyncio.wait([task], timeout=left)
    for _ in range(100):
        await asyncio.sleep(0)
    assert task.done()
    with pytest.raises(StoreDown) as caught:
        task.result()
    return caught.value
