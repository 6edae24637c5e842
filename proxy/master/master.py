"""The process that owns the API's sockets, the second port, the store, the configuration and the workers."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar

from proxy import __version__
from proxy.master.breaker_views import Told
from proxy.master.listening import bind, waiting
from proxy.master.operations import OperationsServer
from proxy.master.reloading import Reloaded, Reloading
from proxy.master.reporting import State, report, told_of_breakers
from proxy.master.revocation_list import RevocationList
from proxy.master.shared_state import SharedState
from proxy.master.sources import Source
from proxy.master.status import Status
from proxy.master.workers import ACKNOWLEDGED, Workers
from proxy.runtime.build import Configuration
from proxy.runtime.places import claim_run_directory, data_directory
from proxy.runtime.snapshot import ServerSettings, Snapshot
from proxy.store.key_records import KeyRecords
from proxy.telemetry import log
from proxy.telemetry.background import begin
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.merging import MergedMetrics, exposition
from proxy.telemetry.metrics import MasterMetrics

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SAME_REQUEST = 1.0  # seconds
_CORES_FILE = "/sys/fs/cgroup/cpu.max"


class Master:
    """`settings`: where to listen and how many workers; what the command line said wins over the file. Raises, when
    made, OSError if a port cannot be bound, and RunDirectoryUnusable."""

    def __init__(self, source: Source, configuration: Configuration, settings: ServerSettings, log_level: str) -> None:
        self.settings = settings
        self._began = time.time()
        self._state: State = "starting"
        self._listening = bind(settings.host, settings.port)
        self._run = claim_run_directory(source.name or None)
        self.port = int(self._listening[0].getsockname()[1])
        self._merged = MergedMetrics(Clocks())
        self._metrics = MasterMetrics()
        size = settings.workers or cores()
        self._workers = Workers(
            self._listening, size, log_level, lambda token: self._reloading.order(token), self._merged, self._metrics
        )
        stored = configuration.snapshot.store
        directory = data_directory(source.name or None, stored.directory)
        self._shared = SharedState(stored, directory, self._run, self._workers.order, self._metrics)
        self._reloading = Reloading(
            source, configuration, self._shared.address, lambda: self._shared.following.revoked, self._metrics
        )
        self._operations = OperationsServer(self, self._run.control_socket)
        self._watching: asyncio.Task[None] | None = None
        self._reloading_soon: asyncio.Task[Reloaded] | None = None

    async def start(self) -> int:
        """Returns the second port once requests are served. Raises OSError if it cannot be bound, NeverStarted,
        DirectoryInUse."""
        port = await self._operations.start(self.settings.operations_host, self.settings.operations_port)
        await self._shared.start()
        await self._workers.start()
        self._state = "serving"
        self._watching = begin(self._reloading.watch(self._workers.order), "watching the configuration")
        return port

    @property
    def records(self) -> KeyRecords:
        return self._shared.records

    @property
    def revocations(self) -> RevocationList:
        return self._shared.revocations

    @property
    def revoked(self) -> Collection[str]:
        return self._shared.following.revoked

    @property
    def file_name(self) -> str:
        return self._reloading.source.name

    @property
    def snapshot(self) -> Snapshot:
        return self._reloading.snapshot

    def status(self) -> Status:
        return report(self._state, self._began, self._workers, self._shared, self._reloading)

    def breakers(self) -> Told:
        return told_of_breakers(self._workers.alive.values())

    def exposition(self, is_openmetrics: bool) -> bytes:
        self._metrics.workers(self._workers.size, len(self._workers.ready))
        self._metrics.store_is_up(self._shared.store.health.is_up)
        self._metrics.connections_waiting(waiting(self._listening))
        self._merged.pushed("master", self._metrics.capture())
        return exposition(self._merged, is_openmetrics)

    def acted(self, action: str, outcome: str) -> None:
        self._metrics.admin_acted(action, outcome)

    async def spread(self, version: int, revoked: Sequence[str] = ()) -> list[str]:
        return await self._shared.following.spread(version, revoked, ACKNOWLEDGED)

    async def enforce(self, revoked: Sequence[str]) -> None:
        await self._shared.following.enforce(revoked)

    async def force_open(self, name: str, seconds: float) -> list[str]:
        return await self._shared.breaker_orders.force_open(name, seconds, ACKNOWLEDGED)

    async def reset_breaker(self, name: str) -> list[str]:
        return await self._shared.breaker_orders.reset(name, ACKNOWLEDGED)

    async def cut(self, key_ids: Sequence[str]) -> list[str]:
        return await self._shared.following.cut(key_ids, ACKNOWLEDGED)

    def reload_soon(self) -> None:
        """SIGHUP's."""
        if self._reloading_soon is None or self._reloading_soon.done():
            self._reloading_soon = asyncio.create_task(self.reload())

    async def reload(self) -> Reloaded:
        return await self._reloading.reload(self._workers.order)

    async def drain(self, skips_accepting: bool, hurry: asyncio.Event) -> None:
        """See contract §10; returns when the last worker has ended."""
        self._state = "draining"
        for listening in self._listening:
            listening.close()  # the workers have their own descriptors of them
        server = self.snapshot.server
        accepting = 0.0 if skips_accepting else server.drain_accepting
        log.note("draining", accepting_seconds=accepting, grace_seconds=server.shutdown_grace)
        await self._workers.drain(accepting, server.shutdown_grace, hurry)

    async def close(self) -> None:
        """Leave nothing behind, whatever state this is in."""
        if self._watching is not None:
            self._watching.cancel()
        await self._workers.kill()
        await self._shared.stop()
        await self._operations.stop()
        for listening in self._listening:
            listening.close()
        os.close(self._run.descriptor)


def cores() -> int:
    """How many this process may use: those it is bound to, and no more than its control group has time for."""
    bound = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        with open(_CORES_FILE) as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        return bound
    return bound if quota == "max" else max(1, min(bound, -(-int(quota) // int(period))))


T = TypeVar("T")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` returns, or None if it was given up because of `stop`."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait([working])
    return None


def _shown(host: str) -> str:
    """As it stands in a URL."""
    return f"[{host}]" if ":" in host else host


class Stopping:
    """What signals ask for. `asked`: to drain; `is_interactive`: by somebody who has no load balancer to wait for;
    `hurry`: to be done at once. A terminal and a wrapper may both pass one on, so what follows within a second is the
    same request."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()
        self.is_interactive = False
        self._first = 0.0

    def ask(self, is_interactive: bool) -> None:
        now = time.monotonic()
        if not self.asked.is_set():
            self._first, self.is_interactive = now, is_interactive
            self.asked.set()
        elif now - self._first > _SAME_REQUEST:
            self.hurry.set()


async def serve(
    source: Source,
    configuration: Configuration,
    settings: ServerSettings,
    log_level: str,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; a second one hurries. See `Master` for what is raised."""
    stopping = Stopping()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.ask, False)
    loop.add_signal_handler(signal.SIGINT, stopping.ask, True)
    master = Master(source, configuration, settings, log_level)
    loop.add_signal_handler(signal.SIGHUP, master.reload_soon)
    try:
        operations_port = await _unless(stopping.asked, master.start())
        if operations_port is None:
            return
        announce(f"segue {__version__} ready on http://{_shown(settings.host)}:{master.port}/v1")
        announce(f"metrics on http://{_shown(settings.operations_host)}:{operations_port}/metrics")
        await stopping.asked.wait()
        await master.drain(stopping.is_interactive, stopping.hurry)
    finally:
        await master.close()
        for number in _SIGNALS:  # what comes now changes nothing, least of all the exit status
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
