"""The run: one instance with its embedded store, then two replicas of one store, each under load and ill-treated."""

import asyncio
import contextlib
import random
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from proxy.demo.children import child
from proxy.runtime import keys
from tests.chaos import kernel, key_actions, process_actions, reload_actions, replica_actions
from tests.chaos.cable import cable
from tests.chaos.clients import load
from tests.chaos.findings import Findings
from tests.chaos.instance import Instance, NeverReady
from tests.chaos.judging import Judge
from tests.chaos.keyring import Keyring
from tests.chaos.leaks import Counters, quiet, stopped
from tests.chaos.scene import LENGTHS, Scene
from tests.chaos.schedule import Act, Schedule
from tests.e2e.configuration import SECRET
from tests.store.servers import VALKEY, running

_ALONE = 0.6  # of the time
STALENESS = 4.0  # seconds for which store-held keys are honoured without contact
# The usual timeout is for machines that do not run load, upstream and judge beside it.
_STORE = {"key_staleness_seconds": STALENESS, "timeout_seconds": 0.3}
_LONG_RUN = 120.0  # seconds; a shorter one has shorter streams
_WORKERS_ALONE, _WORKERS_OF_TWO = 3, 2


class Plan(NamedTuple):
    seconds: float
    seed: int
    clients: int
    is_loud: bool
    evidence: Path | None = None  # a folder for what a faulty run has left


class Outcome(NamedTuple):
    """`scenes`: title -> scene."""

    plan: Plan
    findings: Findings
    scenes: dict[str, Scene]
    counters: Counters


async def run(plan: Plan) -> Outcome:
    findings = Findings(plan.is_loud)
    chance = random.Random(plan.seed)
    counters = Counters(findings)
    scenes: dict[str, Scene] = {}
    upstream_command = (sys.executable, "-m", "proxy.demo.upstream", "--keep", "10")
    async with child("The upstream", *upstream_command) as upstream:
        [address] = await upstream.said(r"^upstream ready (\S+)", within=30)
        title = "One instance, three workers, embedded store"
        async with _scene(plan, findings, chance, address, ["alone"], {"alone": {}}, _WORKERS_ALONE) as scene:
            scenes[title] = scene
            acts = _acts(scene, scene.instances[0]) + _embedded(scene, scene.instances[0])
            await _play(scene, acts, plan.seconds * _ALONE, plan, counters)
        title = "Two replicas, two workers each, one store behind two faulty lines"
        async with _two(plan, findings, chance, address) as (scene, acts):
            scenes[title] = scene
            await _play(scene, acts, plan.seconds * (1 - _ALONE), plan, counters)
    return Outcome(plan, findings, scenes, counters)


@contextlib.asynccontextmanager
async def _two(
    plan: Plan, findings: Findings, chance: random.Random, upstream: str
) -> AsyncIterator[tuple[Scene, list[Act]]]:
    with running(VALKEY, "--appendonly", "yes", "--appendfsync", "always", port=kernel.free_port()) as server:
        async with cable(server.port) as left, cable(server.port) as right:
            cables = {"left": left, "right": right}
            stores = {name: {"url": f"redis://127.0.0.1:{each.port}"} for name, each in cables.items()}
            async with _scene(plan, findings, chance, upstream, list(cables), stores, _WORKERS_OF_TWO) as scene:
                acts = [act for instance in scene.instances for act in _acts(scene, instance)]
                acts += replica_actions.acts(scene, cables, server)
                yield scene, acts


@contextlib.asynccontextmanager
async def _scene(
    plan: Plan,
    findings: Findings,
    chance: random.Random,
    upstream: str,
    names: Sequence[str],
    stores: dict[str, dict[str, Any]],
    workers: int,
) -> AsyncIterator[Scene]:
    """Instances of these names, started. Whatever happens, no process of theirs outlives the block."""
    admin = keys.mint(SECRET.encode())
    with tempfile.TemporaryDirectory(prefix="segue-chaos-") as name:
        folder = Path(name)
        mark = f"chaos-{secrets.token_hex(8)}"
        instances = [
            Instance(each, folder, (kernel.free_port(), kernel.free_port()), admin.key, findings) for each in names
        ]
        settings = {
            "workers": workers,
            "admin_keys": [{"id": admin.id, "hash": admin.digest}],
            "store": {each: {**_STORE, **stores[each]} for each in names},
        }
        scene = Scene(
            upstream=upstream,
            folder=folder,
            findings=findings,
            judge=Judge(STALENESS, findings),
            keyring=Keyring.minted(),
            chance=chance,
            environment={"SEGUE_SECRET": SECRET, "SEGUE_CHAOS": mark, "XDG_RUNTIME_DIR": str(folder)},
            settings=settings,
            instances=instances,
            lengths=LENGTHS if plan.seconds >= _LONG_RUN else {**LENGTHS, "long": (50, 100)},
        )
        try:
            for instance in instances:
                scene.write(instance)
                await instance.start(scene.environment, scene.upstream_port)
            yield scene
        finally:
            keep_logs(findings, folder, plan.evidence)
            for each in kernel.ours(mark) + kernel.ours(str(folder)):
                with contextlib.suppress(ProcessLookupError):
                    each.kill()


async def _play(scene: Scene, acts: list[Act], seconds: float, plan: Plan, counters: Counters) -> None:
    """Load, actions, and then the reckoning."""
    await key_actions.make_keys(scene, scene.instances[0])
    watching = asyncio.create_task(counters.watch(scene.instances))
    try:
        async with load(scene, plan.clients):
            await Schedule(acts, scene.chance.getrandbits(64)).run(seconds)
        scene.findings.note("no more requests")
        await quiet(scene)
        await stopped(scene)
    except* NeverReady:
        scene.findings.note("given up")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _acts(scene: Scene, at: Instance) -> list[Act]:
    """What can be done to any instance, with what store ever."""
    name = at.name
    worker, master, file = f"{name} workers", f"{name} master", f"{name} file"

    def act(label: str, holds: tuple[str, ...], lasts: float, do: Any, *more: Any) -> Act:
        return Act(f"{name}: {label}", holds, lasts, lambda chance: do(scene, at, chance, *more))

    return [
        act("kill worker", (worker,), 1, process_actions.kill_worker),
        act("kill worker", (worker,), 1, process_actions.kill_worker),
        act("freeze worker", (worker,), 4, process_actions.freeze_worker),
        act("freeze worker", (worker,), 4, process_actions.freeze_worker),
        act("hang worker", (worker, master), process_actions.SILENT, process_actions.hang_worker),
        act("freeze master", (master,), 7, process_actions.freeze_master),
        act("drain", (master, file), 10, process_actions.drain),
        act("hurry", (master, file), 6, process_actions.hurry),
        act("kill master", (master, file), 3, process_actions.kill_master),
        act("good file", (file,), 2, reload_actions.reload_right),
        act("good file", (file,), 2, reload_actions.reload_right),
        act("bad file", (file,), 2, reload_actions.reload_wrong),
        act("bad file", (file,), 2, reload_actions.reload_wrong),
        act("revoke", ("keys",), 3, key_actions.revoke, "store", False),
        act("revoke", ("keys",), 3, key_actions.revoke, "store", True),
        act("revoke", ("keys",), 3, key_actions.revoke, "file", False),
        act("revoke", ("keys",), 3, key_actions.revoke, "file", True),
    ]


def _embedded(scene: Scene, at: Instance) -> list[Act]:
    store, master = f"{at.name} store", f"{at.name} master"
    return [
        Act("kill store", (store,), 2, lambda chance: process_actions.kill_store(scene, at, chance)),
        Act("kill store", (store,), 2, lambda chance: process_actions.kill_store(scene, at, chance)),
        Act("freeze store", (store,), 4, lambda chance: process_actions.freeze_store(scene, at, chance)),
        Act(
            "hang store",
            (store, master),
            process_actions.SILENT,
            lambda chance: process_actions.hang_store(scene, at, chance),
        ),
    ]


def keep_logs(findings: Findings, folder: Path, destination: Path | None) -> None:
    if destination is not None and (findings.faults or sys.exc_info()[0] is not None):
        for log in folder.rglob("*.log"):
            shutil.copy(log, destination / f"{log.parent.name}-{log.name}")
