"""Orders to breakers: carried out by the workers, and done for the others once the store shows it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.control.messages import ForceOpen, Order, ResetBreaker
from proxy.master.breaker_orders import BreakerOrders
from proxy.routing.standing import Standing
from proxy.store.breaker_records import BreakerRecords, Word
from tests.store.recording import recorded
from tests.store.servers import Server, running

NAME = "openai/gpt-6.1-sol"
PATIENCE = 0.5  # seconds


class Scene:
    """Workers that obey, and tell the store of it a moment later if they `tell`."""

    def __init__(self, server: Server, records: BreakerRecords) -> None:
        self.server = server
        self.records = records
        self.tell = True
        self.ordered: list[Order] = []
        self.missing: dict[str, str] = {}
        self.orders = BreakerOrders(records, self.command)
        self._telling: set[asyncio.Task[None]] = set()

    async def command(self, make: Callable[[int], Order]) -> dict[str, str]:
        order = make(7)
        self.ordered.append(order)
        if self.tell:
            task = asyncio.create_task(self._told(order))
            self._telling.add(task)
        return dict(self.missing)

    async def _told(self, order: Order) -> None:
        await asyncio.sleep(0.1)
        match order:
            case ForceOpen(name=name, seconds=seconds):
                await self.records.tell(name, Word.FORCED, 0, Standing(True, seconds, is_forced=True))
            case ResetBreaker(name=name):
                await self.records.tell(name, Word.RESET, 0, Standing(False, 0.0))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    with running() as server:
        async with recorded(server.address) as found:
            yield Scene(server, BreakerRecords(found.store))


async def test_all_obey(scene: Scene):
    assert await scene.orders.force_open(NAME, 600.0, PATIENCE) == []
    assert (await scene.records.read(NAME)).is_forced
    assert await scene.orders.force_open(NAME, 60.0, PATIENCE) == [], "again, and not taken for the first"
    assert await scene.orders.reset(NAME, PATIENCE) == []
    assert await scene.orders.reset(NAME, PATIENCE) == []
    assert scene.ordered == [
        ForceOpen(7, NAME, 600.0),
        ForceOpen(7, NAME, 60.0),
        ResetBreaker(7, NAME),
        ResetBreaker(7, NAME),
    ]


async def test_what_the_store_does_not_show_the_others_do_not_know(scene: Scene):
    assert await scene.orders.force_open(NAME, 600.0, PATIENCE) == []
    scene.tell = False
    scene.missing = {"worker 1": "no answer"}
    assert await scene.orders.force_open(NAME, 60.0, PATIENCE) == ["worker 1", "other replicas"]
    assert await scene.orders.reset(NAME, PATIENCE) == ["worker 1", "other replicas"]


async def test_without_the_store_only_this_replica_obeys(scene: Scene):
    scene.tell = False
    scene.server.stop()
    assert await scene.orders.force_open(NAME, 600.0, PATIENCE) == ["other replicas (refused)"]
    [missing] = await scene.orders.reset(NAME, PATIENCE)
    assert missing.startswith("other replicas (")
    assert len(scene.ordered) == 2


async def test_a_store_that_goes_meanwhile(scene: Scene):
    scene.tell = False
    ordering = asyncio.create_task(scene.orders.force_open(NAME, 600.0, 5.0))
    await asyncio.sleep(0.2)
    scene.server.stop()
    [missing] = await ordering
    assert missing.startswith("other replicas (")
