"""One Segue over its lives: started, told to stop, killed, asked over /admin; and what is known of its troubles, which
alone excuse a client's."""

import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from tests.chaos import kernel
from tests.chaos.findings import LOGGED, REPLACED, Findings
from tests.chaos.periods import Periods

ACCEPTING = 1.0  # seconds; the settings of every instance here
GRACE = 6.0
LAST_WORDS = 8.0  # beyond the grace
_EARLY = 0.1  # seconds by which two clocks may differ
_READY_WITHIN = 30.0
_GONE_WITHIN = 60.0  # a frozen worker holds a drain up until its master kills it
_ANSWERED_WITHIN = 6.0
_STOPPED_WITHIN = 2.0
_TROUBLE = ('"level":"error"', '"level":"critical"', "Traceback", "never retrieved", "was destroyed", "never awaited")

WORKER = "proxy.worker"
STORE = "valkey-server"


class NeverReady(Exception):
    """An instance does not start: there is no use in going on."""


class Casualty(NamedTuple):
    """Connections that a process had accepted before it was killed; `since` then it accepted no more."""

    ports: frozenset[int]
    since: float


class Freeze(NamedTuple):
    """The same of one that was frozen, and at `until` went on or was found dead."""

    pid: int
    ports: frozenset[int]
    since: float
    until: float


class Ending(NamedTuple):
    """An instance on its way out: it accepts no more from `closing` on at the latest; from `cutting` on, which is after
    the grace, it ends what it had accepted; at `over` it is gone."""

    began: float
    closing: float
    cutting: float
    over: float


class Reply(NamedTuple):
    """`status` 0: nobody answered."""

    status: int
    body: Any


class Instance:
    """`away`: when its store may have been out of reach; `cut_off`: when it certainly was; `down`: when nobody must be
    there to accept connections; `deaf`: when its master was frozen."""

    def __init__(self, name: str, folder: Path, ports: tuple[int, int], admin_key: str, findings: Findings) -> None:
        self.name = name
        self.port, self.operations_port = ports
        self.folder = folder
        self.file = folder / f"{name}.yaml"
        self.log = folder / f"{name}.log"
        self.lives = 0
        self.down, self.away, self.cut_off, self.deaf = Periods(), Periods(), Periods(), Periods()
        self.casualties: list[Casualty] = []
        self.freezes: list[Freeze] = []
        self.endings: list[Ending] = []
        self.began = 0.0
        self.descriptors: dict[int, int] = {}  # that master and workers had when they were started, by pid
        self._admin_key = admin_key
        self._findings = findings
        self._running: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the master."""
        assert self._running is not None
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.returncode is None

    def workers(self) -> list[int]:
        return kernel.children(self.pid, WORKER)

    def stores(self) -> list[int]:
        """The embedded store's process, if there is one."""
        return kernel.children(self.pid, STORE)

    async def start(self, environment: Mapping[str, str], upstream_port: int) -> None:
        """Returns once it is ready. As an init system would, tries again if the port is not free yet. Raises
        NeverReady."""
        until = time.monotonic() + _READY_WITHIN
        while time.monotonic() < until:
            self.lives += 1
            with self.log.open("ab") as log:
                self._running = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "proxy", "serve", "-c", str(self.file)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | environment,
                    start_new_session=True,
                )
            while self._running.returncode is None and time.monotonic() < until:
                if (await self.operations("/readyz"))[0] == 200:
                    self.began = time.monotonic()
                    await self._settle(upstream_port)
                    return
                await asyncio.sleep(0.05)
            self._findings.note(f"{self.name}: start {self.lives} ended with {self._running.returncode}")
            await asyncio.sleep(0.2)
        self._findings.blame(REPLACED, f"{self.name} did not get ready within {_READY_WITHIN:g} s")
        raise NeverReady

    async def _settle(self, upstream_port: int) -> None:
        """Until all its workers serve, and then counts what they have open."""
        until = time.monotonic() + _READY_WITHIN
        while time.monotonic() < until:
            status = await self.admin("GET", "status")
            workers = status.body["workers"] if status.status == 200 else []
            if workers and all(each["state"] == "serving" for each in workers):
                break
            await asyncio.sleep(0.1)
        pids = [self.pid, *self.workers()]
        self.descriptors = {pid: kernel.descriptors(pid, self.port, upstream_port) for pid in pids}

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    async def drained(self, hurries_after: float | None = None) -> None:
        """SIGTERM, and a second one if it is to hurry; returns when it is gone."""
        assert self._running is not None
        began = time.monotonic()
        self.endings.append(
            Ending(began, began + ACCEPTING + 1.0, began + ACCEPTING + GRACE - _EARLY, began + _GONE_WITHIN)
        )
        self.tell(signal.SIGTERM)
        if hurries_after is not None:
            await asyncio.sleep(hurries_after)
            if self.is_running:
                self.endings[-1] = self.endings[-1]._replace(cutting=time.monotonic())
                self.tell(signal.SIGTERM)
        try:
            status = await asyncio.wait_for(self._running.wait(), _GONE_WITHIN)
        except TimeoutError:
            self._findings.blame(REPLACED, f"{self.name} did not end within {_GONE_WITHIN:g} s of SIGTERM")
            self._running.kill()
            status = await self._running.wait()
        self.endings[-1] = self.endings[-1]._replace(over=time.monotonic() + 0.5)
        if status != 0:
            self._findings.blame(REPLACED, f"{self.name} ended with status {status} after SIGTERM")

    async def killed(self) -> None:
        """SIGKILL to the master: its workers end by themselves, after the grace."""
        assert self._running is not None
        began = time.monotonic()
        self.endings.append(Ending(began, began + 1.0, began + GRACE - _EARLY, began + GRACE + LAST_WORDS))
        self._running.kill()
        await self._running.wait()

    async def stopped(self, pid: int) -> frozenset[int]:
        """Freeze a process; the connections it has accepted, and will not add to."""
        os.kill(pid, signal.SIGSTOP)
        async with asyncio.timeout(_STOPPED_WITHIN):
            while not kernel.is_stopped(pid):
                await asyncio.sleep(0.002)
        return kernel.accepted(pid, self.port)

    async def kill_worker(self, pid: int) -> int:
        """Frozen first, for a moment, so that whose connections end with it is known; how many those are."""
        since = time.monotonic()
        ports = await self.stopped(pid)
        self.casualties.append(Casualty(ports, since))
        os.kill(pid, signal.SIGKILL)
        return len(ports)

    async def freeze_worker(self, pid: int, seconds: float) -> bool:
        """Whether it lived to go on."""
        since = time.monotonic()
        ports = await self.stopped(pid)
        self.freezes.append(Freeze(pid, ports, since, math.inf))
        at = len(self.freezes) - 1
        try:
            until = since + seconds
            while time.monotonic() < until and kernel.is_alive(pid):
                await asyncio.sleep(0.05)
        finally:
            if lives := kernel.is_alive(pid):
                os.kill(pid, signal.SIGCONT)
            self.freezes[at] = Freeze(pid, ports, since, time.monotonic())
        return lives

    async def admin(self, method: str, path: str, body: Any = None) -> Reply:
        """With the admin key, over TCP."""
        headers = {"authorization": f"Bearer {self._admin_key}"}
        return await self._ask(method, f"/admin/{path}", body, headers)

    async def operations(self, path: str) -> Reply:
        return await self._ask("GET", path, None, {})

    async def _ask(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Reply:
        url = f"http://127.0.0.1:{self.operations_port}{path}"
        timeout = aiohttp.ClientTimeout(_ANSWERED_WITHIN)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers={**headers, "connection": "close"}) as session,
                session.request(method, url, json=body) as answer,
            ):
                is_json = answer.content_type == "application/json"
                return Reply(answer.status, await answer.json() if is_json else await answer.text())
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Reply(0, None)

    def was_killed(self, port: int, opened: float, ended: float) -> bool:
        """Whether this connection's process was killed while it lasted."""
        if any(port in each.ports and opened <= each.since <= ended for each in self.casualties):
            return True
        frozen = self.frozen(port, opened, ended)
        return frozen is not None and ended <= frozen.until + 0.5 and not kernel.is_alive(frozen.pid)

    def frozen(self, port: int, opened: float, ended: float) -> Freeze | None:
        """The latest freeze of this connection's process while it lasted."""
        found = [each for each in self.freezes if port in each.ports and opened <= each.since <= ended]
        return found[-1] if found else None

    def was_leaving(self, opened: float, ended: float) -> bool:
        """Whether a connection of then may have been closed by an instance on its way out."""
        return any(opened <= each.closing and each.began <= ended <= each.over for each in self.endings)

    def was_ending(self, opened: float, ended: float) -> bool:
        """Whether what was accepted then may have been ended because the grace was over. Where the only worker was
        frozen when it should have stopped listening, it does so when it goes on, and takes what came until then."""
        return any(
            opened <= max([each.closing, *(freeze.until for freeze in self.freezes if freeze.since <= each.closing)])
            and each.cutting <= ended <= each.over
            for each in self.endings
        )

    def read_log(self) -> None:
        """Blames what nobody should ever read there."""
        for line in self.log.read_text(errors="replace").splitlines():
            if any(word in line for word in _TROUBLE):
                self._findings.blame(LOGGED, f"{self.name}: {line[:400]}")
