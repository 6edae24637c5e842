"""What is left when nobody asks any more: gauges, permits, connections; on top of what tests/chaos looks for."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos import kernel
from tests.chaos.findings import DESCRIPTORS, SOCKETS
from tests.chaos.leaks import GAINED, quiet
from tests.chaos.scene import Scene
from tests.matrix.asking import Asked, Clients, Job
from tests.matrix.cells import Cell
from tests.matrix.faults import NOBODY
from tests.matrix.judging import GAUGES, PERMITS

_ZERO = ("segue_requests_in_flight", "segue_target_in_flight", "segue_target_queue")
_ZERO_WITHIN = 5.0
_IDLE_WITHIN = 40.0  # seconds: kept connections are closed 15 s after their use, looked at each 15 s
_WELL_WITHIN = 40.0
_PAUSE = 0.5


async def nothing_under_way(scene: Scene) -> None:
    """Blames whatever still counts as running, and processes or descriptors too many."""
    await quiet(scene)
    [instance] = scene.instances
    usual = max(count for pid, count in instance.descriptors.items() if pid != instance.pid)
    for pid in instance.workers():  # also those that came in the place of others
        count = kernel.descriptors(pid, instance.port, scene.upstream_port)
        if count > usual + GAINED:
            scene.findings.blame(DESCRIPTORS, f"worker {pid} has {count}, and had {usual} at its start")
    until = time.monotonic() + _ZERO_WITHIN
    while (left := await _not_zero(scene)) and time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
    for shown in left:
        scene.findings.blame(GAUGES, f"{instance.name}: {shown}")


async def _not_zero(scene: Scene) -> list[str]:
    scraped = await scene.instances[0].operations("/metrics")
    families = text_string_to_metric_families(scraped.body)
    samples = [sample for family in families for sample in family.samples]
    return [
        f"{sample.name} {sample.labels} {sample.value}" for sample in samples if sample.name in _ZERO and sample.value
    ]


async def no_connections(scene: Scene) -> None:
    """Blames connections to the upstream that outlive their keep-alive."""
    until = time.monotonic() + _IDLE_WITHIN
    while (left := kernel.established_to(scene.upstream_port)) and time.monotonic() < until:
        await asyncio.sleep(_PAUSE)
    if left:
        scene.findings.blame(SOCKETS, f"{left} connections to the upstream after {_IDLE_WITHIN:g} s without a request")


class Recovery:
    """The upstream has been told to behave: every target that failed must answer again. One whose permits or places had
    been lost would be passed over for ever."""

    def __init__(self, scene: Scene, clients: Clients, chance: random.Random) -> None:
        self._scene = scene
        self._clients = clients
        self._chance = chance

    async def run(self, cells: Sequence[Cell], count: int, first: int) -> int:
        """How often was asked. A credential that was refused is set aside for longer than this takes."""
        well = [cell for cell in cells if cell.fault.name != NOBODY and not cell.fault.marks_credential]
        self._chance.shuffle(well)
        asked = 0
        left = iter(enumerate(well, first))

        async def one() -> None:
            nonlocal asked
            for number, cell in left:
                times = await self._until_served(Job(cell, number))
                asked += times

        await asyncio.gather(*(one() for _ in range(count)))
        return asked

    async def _until_served(self, job: Job) -> int:
        times = 0
        until = time.monotonic() + _WELL_WITHIN
        while True:
            asked = await self._clients.ask(job)
            times += 1
            if _served_by_first(asked):
                return times
            if time.monotonic() > until:
                self._scene.findings.blame(PERMITS, f"{asked.answer.headers.get('segue-served-by')} served {asked}")
                return times
            await asyncio.sleep(_PAUSE)


def _served_by_first(asked: Asked) -> bool:
    served_by = asked.answer.headers.get("segue-served-by", "")
    return asked.answer.status == 200 and served_by.endswith(f"/{asked.cell.model}")


def logged(scene: Scene) -> dict[str, Any]:
    """Request id -> its line in the log."""
    lines = scene.instances[0].log.read_text(errors="replace").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return {line["request_id"]: line for line in told if line["event"] == "request"}
