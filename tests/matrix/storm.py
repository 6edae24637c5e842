"""What is done to the processes while cells are asked: workers and the store are killed, clients leave."""

import asyncio
import random
from collections.abc import Iterator, Sequence

from tests.chaos.instance import Instance
from tests.chaos.process_actions import kill_store, kill_worker
from tests.chaos.scene import Scene
from tests.matrix.asking import Job
from tests.matrix.cells import Cell

_LEAVING = 0.04  # of the clients
_PATIENT_FOR = 0.4  # seconds at most, of those
_HOT = 60  # cells that are asked again and again, so that breakers open, probe and close
_HOT_SHARE = 0.5
_PAUSE = (1.5, 4.0)  # seconds between two kills
_STORE_SHARE = 0.3
_WHOLE_AGAIN = 15.0


def jobs(cells: Sequence[Cell], count: int, chance: random.Random, first: int) -> Iterator[Job]:
    """So many, numbered from `first` on."""
    hot = chance.sample(cells, min(_HOT, len(cells)))
    for number in range(first, first + count):
        cell = chance.choice(hot if chance.random() < _HOT_SHARE else cells)
        if cell.policy == "restart" and chance.random() < 0.5:
            cell = cell._replace(is_asked=False)
        leaves_after = chance.random() * _PATIENT_FOR if chance.random() < _LEAVING else None
        yield Job(cell, number, leaves_after)


async def kill(scene: Scene, at: Instance, chance: random.Random) -> None:
    """Until cancelled: one process, and the next when it has been replaced."""
    while True:
        await asyncio.sleep(chance.uniform(*_PAUSE))
        if chance.random() < _STORE_SHARE:
            await kill_store(scene, at, chance)
            continue
        await kill_worker(scene, at, chance)
        await whole(scene, at)


async def whole(scene: Scene, at: Instance) -> None:
    """Until all workers serve."""
    until = asyncio.get_running_loop().time() + _WHOLE_AGAIN
    while asyncio.get_running_loop().time() < until:
        status = await at.admin("GET", "status")
        states = [worker["state"] for worker in status.body["workers"]] if status.status == 200 else []
        if states == ["serving"] * scene.settings["workers"]:
            return
        await asyncio.sleep(0.1)
