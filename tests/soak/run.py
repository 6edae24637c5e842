"""The run: streams, a look at the processes each second, and the reckoning."""

import asyncio
import contextlib
import random
import time
from typing import NamedTuple

from tests.chaos import kernel
from tests.chaos.alone import alone, order, upstream
from tests.chaos.findings import Findings
from tests.chaos.instance import Instance, NeverReady
from tests.chaos.leaks import stopped
from tests.chaos.scene import Scene
from tests.e2e.configuration import KEY
from tests.matrix import leaks
from tests.matrix.asking import Asked, Clients
from tests.matrix.cells import TIMEOUTS, orders, providers
from tests.matrix.judging import INVARIANTS, Judge
from tests.soak import load, memory
from tests.soak.memory import Series

GROWTH = "processes whose memory grew"
_CLIENTS = 48
# Faulty targets are to be asked each time, not given up.
_BREAKER = {"consecutive_failures": 1_000_000, "minimum_volume": 1_000_000}
_SETTLED = 3.0  # seconds after the last stream, before the last look


class Outcome(NamedTuple):
    """`series`: by the process's name. `told`: facts for the page, and what came how often."""

    findings: Findings
    streams: int
    series: dict[str, Series]
    told: dict[str, str]


async def run(streams: int, seed: int, is_loud: bool = False, is_patient: bool = True) -> Outcome:
    """`is_patient`: wait until kept connections have had their time, too."""
    findings = Findings(is_loud, (*INVARIANTS, GROWTH))
    cells = [*load.STEADY, *load.FAILING]
    async with upstream() as address:
        await order(address, orders(load.FAILING))
        more = {
            "defaults": {"timeouts": TIMEOUTS, "breaker": _BREAKER},
            "providers": providers(cells, address, f"http://127.0.0.1:{kernel.free_port()}"),
        }
        async with alone(findings, address, {cell.name: cell.route for cell in cells}, more, seed) as scene:
            return await _Soak(scene, streams, seed, is_patient).play()


class _Soak:
    def __init__(self, scene: Scene, streams: int, seed: int, is_patient: bool) -> None:
        [instance] = scene.instances
        self._scene = scene
        self._instance: Instance = instance
        self._streams = streams
        self._is_patient = is_patient
        self._chance = random.Random(seed)
        self._judge = Judge(instance, scene.findings, is_calm=False)
        self._series: dict[str, Series] = {}
        self._done = 0
        self._judged = 0

    async def play(self) -> Outcome:
        scene = self._scene
        seconds = 0.0
        with contextlib.suppress(NeverReady):
            await self._instance.start(scene.environment, scene.upstream_port)
            seconds = await self._ask()
            await leaks.nothing_under_way(scene)
            if self._is_patient:
                await leaks.no_connections(scene)
            await stopped(scene)
        for series in self._series.values():
            if not series.is_flat(self._streams):
                grown = f"{series.name}: {series.growth(self._streams):.2f} MB"
                scene.findings.blame(GROWTH, f"{grown}, allowed are {series.allowed(self._streams):.2f}")
        return Outcome(scene.findings, self._streams, self._series, self._told(seconds))

    async def _ask(self) -> float:
        """Seconds that it took."""
        processes = {"master": self._instance.pid, "store": self._instance.stores()[0]}
        processes |= {f"worker {slot}": pid for slot, pid in enumerate(self._instance.workers(), 1)}
        watching = asyncio.create_task(memory.watch(processes, lambda: self._done, self._series))
        began = time.monotonic()
        clients = Clients(self._instance, KEY, self._consider)
        try:
            await clients.ask_all(load.jobs(self._streams, self._chance), _CLIENTS)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        seconds = time.monotonic() - began
        await asyncio.sleep(_SETTLED)
        for name, pid in processes.items():
            memory.look(name, pid, self._done, self._series)
        return seconds

    def _consider(self, asked: Asked) -> None:
        self._done += 1
        if self._done % 5000 == 0:
            self._scene.findings.note(f"{self._done} streams")
        if load.wants_judge(asked):
            self._judged += 1
            self._judge.consider(asked)
        else:
            self._judge.outcomes[asked.ended] += 1

    def _told(self, seconds: float) -> dict[str, str]:
        counted = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(self._judge.outcomes.items()))
        return {
            "streams": f"{self._done:,} in {seconds:.0f} s, {_CLIENTS} at a time",
            "ended": counted,
            "judged in full": f"{self._judged:,}",
            "faults found": str(len(self._scene.findings.faults)),
        }
