"""What is left: while nobody asks any more, and after everything was stopped."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.chaos import kernel
from tests.chaos.findings import COUNTERS, DESCRIPTORS, PROCESSES, SOCKETS, TASKS, Findings
from tests.chaos.instance import Instance
from tests.chaos.scene import Scene

_QUIET_WITHIN = 20.0
_GONE_WITHIN = 3.0
_SCRAPED_EACH = 2.0
# As many connections to the store as a worker may have at once: they grow with how much is asked at the same time.
GAINED = 16


async def quiet(scene: Scene) -> None:
    """Blames what is still going on when nobody asks any more, and what was gained since the start."""
    wrong: dict[str, str] = {}
    until = time.monotonic() + _QUIET_WITHIN
    while time.monotonic() < until:
        wrong = dict(await _restless(scene))
        if not wrong:
            break
        await asyncio.sleep(0.25)
    for what, invariant in wrong.items():
        scene.findings.blame(invariant, what)
    for instance in scene.instances:
        for pid, before in instance.descriptors.items():
            after = kernel.descriptors(pid, instance.port, scene.upstream_port)
            if kernel.is_alive(pid) and after > before + GAINED:
                scene.findings.blame(DESCRIPTORS, f"{instance.name}: process {pid} had {before} and has {after}")
            scene.findings.note(f"{instance.name}: descriptors of {pid}: {before} at its start, {after} now")


async def _restless(scene: Scene) -> Iterable[tuple[str, str]]:
    found = []
    expected: set[int] = set()
    for instance in scene.instances:
        status = await instance.admin("GET", "status")
        if status.status != 200:
            found.append((f"{instance.name}: /admin/status answers {status.status}", TASKS))
            continue
        workers = instance.workers()
        expected |= {instance.pid, *workers, *instance.stores()}
        if len(workers) != scene.settings["workers"]:
            found.append((f"{instance.name}: {len(workers)} workers: {workers}", PROCESSES))
        for worker in status.body["workers"]:
            if worker["in_flight"] or worker["connections"] or worker["state"] != "serving":
                found.append((f"{instance.name}: {worker}", TASKS))
    left = [each for each in kernel.ours(scene.environment["SEGUE_CHAOS"]) if each.pid not in expected]
    found += [(f"beside masters, workers and stores: {kernel.told(each)}", PROCESSES) for each in left]
    under_way = (await asyncio.to_thread(_tally, scene.upstream))["in_flight"]
    if under_way:
        found.append((f"the upstream is still being asked {under_way} times", TASKS))
    return found


def _tally(upstream: str) -> Any:
    with urllib.request.urlopen(f"{upstream}/_admin/tally", timeout=5) as answer:
        return json.load(answer)


async def stopped(scene: Scene) -> None:
    """Stops everything, and blames what is left then."""
    await asyncio.gather(*(instance.drained() for instance in scene.instances))
    until = time.monotonic() + _GONE_WITHIN
    while (left := _remains(scene)) and time.monotonic() < until:
        await asyncio.sleep(0.1)
    for what, invariant in left:
        scene.findings.blame(invariant, f"after everything was stopped: {what}")
    for instance in scene.instances:
        instance.read_log()


def _remains(scene: Scene) -> list[tuple[str, str]]:
    """What is there although nothing should be, and which promise that breaks."""
    found = [(kernel.told(each), PROCESSES) for each in kernel.ours(scene.environment["SEGUE_CHAOS"])]
    ports = [port for instance in scene.instances for port in (instance.port, instance.operations_port)]
    found += [(f"port {port} is listened on", SOCKETS) for port in ports if kernel.is_listened_on(port)]
    found += [(f"the socket file {file.name}", SOCKETS) for file in scene.folder.rglob("*.sock")]
    if connections := kernel.established_to(scene.upstream_port):
        found.append((f"{connections} connections to the upstream", SOCKETS))
    return found


class Counters:
    """Those of /metrics, which must not go back while a master lives."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._seen: dict[tuple[str, int], dict[tuple[str, str], float]] = {}
        self.compared = 0

    async def watch(self, instances: Iterable[Instance]) -> None:
        """Until cancelled."""
        while True:
            await asyncio.gather(*(self._look(each) for each in instances))
            await asyncio.sleep(_SCRAPED_EACH)

    async def _look(self, instance: Instance) -> None:
        life = instance.name, instance.lives
        scraped = await instance.operations("/metrics")
        if scraped.status != 200 or life != (instance.name, instance.lives):
            return
        now = await asyncio.to_thread(_counted, scraped.body)
        before = self._seen.get(life, {})
        for sample, value in before.items():
            self.compared += 1
            if now.get(sample, 0.0) < value:
                self._findings.blame(COUNTERS, f"{instance.name}: {sample} was {value} and is {now.get(sample)}")
        self._seen[life] = now


def _counted(text: str) -> dict[tuple[str, str], float]:
    """Name and labels -> value, of what only counts."""
    return {
        (sample.name, str(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }
