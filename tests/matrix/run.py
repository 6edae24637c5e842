"""The run: each cell once, in peace; then many times at once, while processes are killed; then the reckoning."""

import asyncio
import contextlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.chaos import kernel
from tests.chaos.alone import alone, forget_orders, order, upstream
from tests.chaos.findings import Findings
from tests.chaos.instance import NeverReady
from tests.chaos.leaks import stopped
from tests.chaos.scene import Scene
from tests.e2e.configuration import KEY
from tests.matrix import leaks, storm
from tests.matrix.asking import Asked, Clients, Job
from tests.matrix.cells import TIMEOUTS, Cell, every_cell, orders, providers
from tests.matrix.faults import FAULTS, Kind
from tests.matrix.judging import INVARIANTS, Judge
from tests.matrix.page import Seen, seen

_CALM, _STORMY = 24, 48  # clients
_BREAKER = {"open_seconds": 1, "longest_open_seconds": 3, "slow_start_seconds": 1}


class Plan(NamedTuple):
    """`cells`: of the page; `crossed`: further ones for the storm. `requests`: of both together.
    `is_patient`: wait until kept connections have had their time, too."""

    cells: Sequence[Cell]
    crossed: Sequence[Cell]
    requests: int
    seed: int
    is_loud: bool = False
    is_patient: bool = True
    evidence: Path | None = None


class Outcome(NamedTuple):
    """`seen`: by the cell's name. `summary`: for people."""

    findings: Findings
    seen: dict[str, Seen]
    summary: list[str]


def whole_plan(requests: int, seed: int, is_loud: bool = False) -> Plan:
    """Of all cells."""
    crossed = every_cell([fault for fault in FAULTS if fault.kind is Kind.AMID], crossed=True)
    return Plan(every_cell(), crossed, requests, seed, is_loud)


def sample_plan(cells: int, requests: int, seed: int) -> Plan:
    """Of so many cells, drawn by the seed."""
    whole = whole_plan(requests, seed)
    chance = random.Random(seed)
    sample = {"cells": chance.sample(whole.cells, cells), "crossed": chance.sample(whole.crossed, cells // 3)}
    return whole._replace(**sample, is_patient=False)


async def run(plan: Plan) -> Outcome:
    findings = Findings(plan.is_loud, INVARIANTS)
    cells = [*plan.cells, *plan.crossed]
    async with upstream() as address:
        await order(address, orders(cells))
        more = {
            "defaults": {"timeouts": TIMEOUTS, "breaker": _BREAKER},
            "providers": providers(cells, address, f"http://127.0.0.1:{kernel.free_port()}"),
        }
        routes = {cell.name: cell.route for cell in cells}
        async with alone(findings, address, routes, more, plan.seed, plan.evidence) as scene:
            return await _Run(plan, scene).play()


class _Run:
    def __init__(self, plan: Plan, scene: Scene) -> None:
        self._plan = plan
        self._scene = scene
        self._chance = random.Random(plan.seed)
        [instance] = scene.instances
        self._instance = instance
        self._judge = Judge(instance, scene.findings)
        self._clients = Clients(instance, KEY, self._consider)
        self._calm: list[Asked] = []

    async def play(self) -> Outcome:
        scene, asked = self._scene, 0
        with contextlib.suppress(NeverReady):
            await self._instance.start(scene.environment, scene.upstream_port)
            asked = await self._ask_calmly() + await self._ask_in_a_storm()
            await leaks.nothing_under_way(scene)
            asked += await self._ask_the_well(asked)
            await leaks.nothing_under_way(scene)
            if self._plan.is_patient:
                await leaks.no_connections(scene)
            await stopped(scene)
        told = leaks.logged(scene)
        found = {each.cell.name: seen(each, told.get(each.request_id)) for each in self._calm}
        return Outcome(scene.findings, found, self._summary(asked))

    async def _ask_calmly(self) -> int:
        jobs = [Job(cell, number) for number, cell in enumerate(self._plan.cells)]
        self._chance.shuffle(jobs)
        await self._clients.ask_all(jobs, _CALM)
        self._scene.findings.note(f"each of {len(jobs)} cells was asked")
        return len(jobs)

    async def _ask_in_a_storm(self) -> int:
        plan, cells = self._plan, [*self._plan.cells, *self._plan.crossed]
        count = max(0, plan.requests - len(plan.cells))
        self._judge.is_calm = False
        killing = asyncio.create_task(storm.kill(self._scene, self._instance, self._chance))
        try:
            await self._clients.ask_all(storm.jobs(cells, count, self._chance, len(plan.cells)), _STORMY)
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        self._scene.findings.note(f"{count} were asked while processes were killed")
        await storm.whole(self._scene, self._instance)
        return count

    async def _ask_the_well(self, first: int) -> int:
        await forget_orders(self._scene.upstream)
        recovery = leaks.Recovery(self._scene, self._clients, self._chance)
        count = await recovery.run([*self._plan.cells, *self._plan.crossed], _CALM, first)
        self._scene.findings.note(f"all targets were asked until they answered, {count} times")
        return count

    def _consider(self, asked: Asked) -> None:
        self._judge.consider(asked)
        if self._judge.is_calm:
            self._calm.append(asked)

    def _summary(self, asked: int) -> list[str]:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._judge.outcomes.items()))
        done = ", ".join(f"{name} ({action.times})" for name, action in sorted(self._scene.actions.items()))
        again = asked - self._judge.outcomes.total()
        return [
            f"{asked} requests: {counted}; {again} of targets that were well again",
            f"meanwhile: {done or 'nothing'}",
        ]


def record(outcome: Outcome) -> str:
    """For whoever must find out what was wrong."""
    told = {"faults": [fault._asdict() for fault in outcome.findings.faults], "diary": outcome.findings.diary}
    return json.dumps(told | {"seen": outcome.seen}, indent=1) + "\n"
