"""Processes killed, frozen and restarted."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable

from tests.chaos import kernel
from tests.chaos.findings import REPLACED
from tests.chaos.instance import ACCEPTING, Instance
from tests.chaos.scene import Scene

SILENT = 13.0  # seconds after which a frozen worker or store has been replaced: ten of silence, and the time to act
_REPLACED = 30.0
_EARLY = 0.2  # seconds by which the end of accepting may seem early


async def kill_worker(scene: Scene, at: Instance, chance: random.Random) -> None:
    if (pid := _any(at.workers(), chance)) is not None:
        scene.happened("kill a worker", at)
        connections = await at.kill_worker(pid)
        scene.findings.note(f"{at.name}: killed worker {pid} with {connections} connections")


async def freeze_worker(scene: Scene, at: Instance, chance: random.Random) -> None:
    """For less than it takes to be found out."""
    if (pid := _any(at.workers(), chance)) is None:
        return
    seconds = chance.uniform(0.5, 7.0)
    scene.happened("freeze a worker, 0.5 to 7 s", at)
    scene.findings.note(f"{at.name}: froze worker {pid} for {seconds:.1f} s")
    if not await at.freeze_worker(pid, seconds) and not at.was_leaving(0.0, time.monotonic()):
        scene.findings.blame(REPLACED, f"{at.name}: worker {pid}, frozen for {seconds:.1f} s, is dead")


async def hang_worker(scene: Scene, at: Instance, chance: random.Random) -> None:
    """For good: its master must find it out, and replace it."""
    if (pid := _any(at.workers(), chance)) is None:
        return
    scene.happened("freeze a worker for good", at)
    scene.findings.note(f"{at.name}: froze worker {pid} for good")
    if await at.freeze_worker(pid, SILENT):
        scene.findings.blame(REPLACED, f"{at.name}: worker {pid} was frozen for {SILENT:g} s and not replaced")


async def freeze_master(scene: Scene, at: Instance, chance: random.Random) -> None:
    seconds = chance.uniform(0.5, 12.0)
    before = at.workers()
    scene.happened("freeze the master, 0.5 to 12 s", at)
    scene.findings.note(f"{at.name}: froze master {at.pid} for {seconds:.1f} s")
    with at.deaf.during():
        os.kill(at.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            at.tell(signal.SIGCONT)
        await asyncio.sleep(1.5)
    scene.findings.note(f"{at.name}: master {at.pid} goes on; its workers were {before} and are {at.workers()}")


async def drain(scene: Scene, at: Instance, chance: random.Random) -> None:
    """SIGTERM, and a new start once it is gone."""
    await _restarted(scene, at, "SIGTERM to the master, and a new start", lambda: at.drained(), ACCEPTING - _EARLY)


async def hurry(scene: Scene, at: Instance, chance: random.Random) -> None:
    seconds = chance.uniform(1.2, 4.0)
    name = "SIGTERM twice to the master, and a new start"
    await _restarted(scene, at, name, lambda: at.drained(seconds), ACCEPTING - _EARLY)


async def kill_master(scene: Scene, at: Instance, chance: random.Random) -> None:
    await _restarted(scene, at, "kill the master, and a new start", at.killed, 0.0)


async def _restarted(
    scene: Scene, at: Instance, name: str, end: Callable[[], Awaitable[None]], accepting: float
) -> None:
    """`accepting`: seconds for which it must go on accepting connections."""
    scene.happened(name, at)
    scene.findings.note(f"{at.name}: {name}")
    with at.down.during(accepting):
        await end()
        scene.findings.note(f"{at.name}: gone")
        await at.start(scene.environment, scene.upstream_port)
    scene.findings.note(f"{at.name}: ready again, master {at.pid}, workers {at.workers()}")


async def kill_store(scene: Scene, at: Instance, chance: random.Random) -> None:
    """The embedded one."""
    if (pid := _any(at.stores(), chance)) is None:
        return
    scene.happened("kill the embedded store", at)
    scene.findings.note(f"{at.name}: killed store {pid}")
    with at.away.during():
        os.kill(pid, signal.SIGKILL)
        await _store_is_back(scene, at, pid)


async def freeze_store(scene: Scene, at: Instance, chance: random.Random) -> None:
    await _frozen_store(scene, at, "freeze the embedded store, 0.3 to 7 s", chance.uniform(0.3, 7.0))


async def hang_store(scene: Scene, at: Instance, chance: random.Random) -> None:
    """For good: the master must find it out, and start another."""
    await _frozen_store(scene, at, "freeze the embedded store for good", None)


async def _frozen_store(scene: Scene, at: Instance, name: str, seconds: float | None) -> None:
    if not (pids := at.stores()):
        return
    [pid] = pids
    scene.happened(name, at)
    scene.findings.note(f"{at.name}: froze store {pid}" + (f" for {seconds:.1f} s" if seconds else " for good"))
    with at.away.during():
        os.kill(pid, signal.SIGSTOP)
        with at.cut_off.during():
            until = time.monotonic() + (SILENT if seconds is None else seconds)
            while time.monotonic() < until and kernel.is_alive(pid):
                await asyncio.sleep(0.01)
        if seconds is not None and kernel.is_alive(pid):
            os.kill(pid, signal.SIGCONT)
        elif kernel.is_alive(pid):
            scene.findings.blame(REPLACED, f"{at.name}: store {pid} was frozen for {SILENT:g} s and not replaced")
            os.kill(pid, signal.SIGCONT)
        await _store_is_back(scene, at)


async def _store_is_back(scene: Scene, at: Instance, but: int | None = None) -> None:
    """The master reaches one, other than this; it may have to be thawed, or started, itself first."""
    until = time.monotonic() + _REPLACED
    while time.monotonic() < until:
        status = await at.admin("GET", "status")
        if status.status == 200 and status.body["store"]["is_up"] and status.body["store"]["pid"] not in (None, but):
            scene.findings.note(f"{at.name}: store {status.body['store']['pid']} is up")
            return
        await asyncio.sleep(0.1)
    scene.findings.blame(REPLACED, f"{at.name}: no store within {_REPLACED:g} s")


def _any(pids: list[int], chance: random.Random) -> int | None:
    return chance.choice(pids) if pids else None
