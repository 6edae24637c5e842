"""The processes that serve: started, listened to, replaced when they die or fall silent."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence

from proxy.control import messages
from proxy.control.channel import Channel
from proxy.control.counts import Counts
from proxy.control.inheritance import Inheritance
from proxy.telemetry import log
from proxy.telemetry.background import begin
from proxy.telemetry.merging import MergedMetrics
from proxy.telemetry.metrics import MasterMetrics

ACKNOWLEDGED = 2.0  # seconds in which every worker carries out an order (contract §10)
_LOOK = 1.0  # seconds between looks at who is silent
_SILENCE = 10  # looks after which a worker hangs: ten pulses
# glibc takes memory from the kernel and gives it back around every large body; the page faults cost a third of what
# such a request does. A little kept costs less. Whoever runs Segue may have set them otherwise.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(4 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(16 * 1024**2)}
_START = 30  # looks to import everything and build the first snapshot
_SETTLED = 10.0  # seconds after which a worker's end is no failure to start
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 10.0
_DOUBLINGS = 10  # more than it takes from the first to the longest
_HOPELESS = 5  # starts in a row of one worker, before any worker came to serve
_EXIT = 5.0  # seconds between a worker's last word and its end
_LAST_WORDS = 15.0  # seconds beyond the grace: what a worker needs to end its requests in words

Ending = str  # how a worker ended: "crashed" or "hung"


class NeverStarted(Exception):
    """The workers die before they serve anything; the log says of what."""


class Worker:
    """One of them, while it lives. `silence`: looks since it was last heard."""

    def __init__(self, slot: int, process: asyncio.subprocess.Process, channel: Channel[messages.Report]) -> None:
        self.slot = slot
        self.name = f"worker {slot}"
        self.process = process
        self.channel = channel
        self.began = self.heard = time.monotonic()
        self.silence = 0
        self.is_ready = False
        self.pulse: messages.Pulse | None = None
        self.ending: Ending = "crashed"

    def kill(self) -> None:
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()


class _Order:
    """An order under way. `missing`: who has not carried it out, by name, and why; `answered` is set when nobody is
    left to wait for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.missing = dict.fromkeys(names, "no answer")
        self.answered = asyncio.Event()
        self._awaited = set(names)

    def answer(self, name: str, problem: str = "") -> None:
        """`problem`: why it was not carried out."""
        if name not in self._awaited:
            return
        self._awaited.discard(name)
        if problem:
            self.missing[name] = problem
        else:
            del self.missing[name]
        if not self._awaited:
            self.answered.set()


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row; a single one is made good at once."""
    return min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(failures - 2, _DOUBLINGS)) if failures > 1 else 0.0


class Workers:
    """`configuration` gives the newest order to configure, for a token."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        size: int,
        log_level: str,
        configuration: Callable[[int], messages.Configure],
        merged: MergedMetrics,
        metrics: MasterMetrics,
    ) -> None:
        self.size = size
        self.alive: dict[int, Worker] = {}
        self._listening = listening
        self._log_level = log_level
        self._configuration = configuration
        self._merged = merged
        self._metrics = metrics
        self._counts = Counts.create(size)
        self._keepers: list[asyncio.Task[None]] = []
        self._orders: dict[int, _Order] = {}
        self._token = 0
        self._stopping = asyncio.Event()
        self._first_ready = asyncio.Event()

    @property
    def ready(self) -> list[Worker]:
        return [worker for worker in self.alive.values() if worker.is_ready]

    async def start(self) -> None:
        """Returns once one of them serves; the others are about to. Raises NeverStarted."""
        self._keepers = [begin(self._keep(slot), f"keeping worker {slot}") for slot in range(self.size)]
        serving = asyncio.create_task(self._first_ready.wait())
        try:
            await asyncio.wait([serving, *self._keepers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
        if not self._first_ready.is_set():
            raise NeverStarted("no worker came to serve; the log says why")

    async def order(self, make: Callable[[int], messages.Order]) -> dict[str, str]:
        """Have everyone who serves carry it out. Who did not within 2 s, by name, and why. Who ends meanwhile is not
        missing: the next in its place begins with the newest state of everything."""
        self._token += 1
        token = self._token
        ready = [worker.name for worker in self.ready]
        order = self._orders[token] = _Order(ready)
        self._tell_all(make(token))
        try:
            if ready:
                async with asyncio.timeout(ACKNOWLEDGED):
                    await order.answered.wait()
        except TimeoutError:
            pass
        finally:
            del self._orders[token]
        return order.missing

    async def drain(self, accepting: float, grace: float, hurry: asyncio.Event) -> None:
        """Returns when all of them have ended, by themselves or, long after their time, killed."""
        self._stopping.set()
        self._tell_all(messages.Drain(accepting, grace))
        hurrying = asyncio.create_task(self._hurry_after(hurry))
        try:
            await asyncio.wait(self._keepers, timeout=accepting + grace + _LAST_WORDS)
            await self.kill()
        finally:
            hurrying.cancel()

    async def kill(self) -> None:
        """End those that are left; returns when they are gone."""
        self._stopping.set()
        for worker in self.alive.values():
            worker.kill()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    async def _hurry_after(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        self._tell_all(messages.Hurry())
        await asyncio.sleep(_LAST_WORDS)
        for worker in self.alive.values():
            worker.kill()

    def _tell_all(self, message: messages.Order) -> None:
        for worker in self.alive.values():
            worker.channel.send(message)

    async def _keep(self, slot: int) -> None:
        """Keep one slot taken. Gives up only if there is no hope of ever serving."""
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                worker = await self._started(slot)
            except OSError as error:  # no process, no memory, no descriptor is left
                log.warning("cannot start a worker", slot=slot, reason=error.strerror)
            else:
                await self._attend(worker)
            is_settled = time.monotonic() - began >= _SETTLED
            failures = 1 if is_settled else failures + 1
            if failures >= _HOPELESS and not self._first_ready.is_set():
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff(failures)):
                    await self._stopping.wait()

    async def _started(self, slot: int) -> Worker:
        """Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        descriptors = tuple(listening.fileno() for listening in self._listening)
        given = Inheritance(slot, self.size, theirs.fileno(), self._counts.descriptor, descriptors, self._log_level)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "proxy.worker", *given.arguments()),
                    pass_fds=(theirs.fileno(), self._counts.descriptor, *descriptors),
                    stdin=asyncio.subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is the master's to hear
                    env=_ALLOCATOR | os.environ,
                )
        except OSError:
            ours.close()
            raise
        worker = Worker(slot, process, await Channel.over(ours, messages.REPORTS))
        worker.channel.send(self._configuration(0))
        self.alive[slot] = worker
        if self._stopping.is_set():  # it was not there when the others were told
            worker.kill()
        return worker

    async def _attend(self, worker: Worker) -> None:
        """Listen to it until it is gone."""
        watching = asyncio.create_task(self._watch(worker))
        try:
            async for report in worker.channel.messages():
                worker.silence = 0
                self._hear(worker, report)
        except ValueError as error:  # another version was installed since this one was started
            log.warning("worker not understood", slot=worker.slot, pid=worker.process.pid, reason=str(error))
            worker.kill()
        finally:
            watching.cancel()
        status = await self._ended(worker)
        if not self._stopping.is_set():
            log.warning("worker ended", slot=worker.slot, pid=worker.process.pid, reason=worker.ending, status=status)
            self._metrics.worker_restarted(worker.ending)

    async def _watch(self, worker: Worker) -> None:
        """Ends it when it hangs. Silence is counted in looks, not in time that passed: a master that was itself frozen,
        with its workers or alone, may not take that for theirs."""
        while worker.silence <= (_SILENCE if worker.is_ready else _START):  # the first look may come at once
            await asyncio.sleep(_LOOK)
            worker.silence += 1
        worker.ending = "hung"
        worker.kill()

    def _hear(self, worker: Worker, report: messages.Report) -> None:
        match report:
            case messages.Ready():
                worker.is_ready = True
                self._first_ready.set()
            case messages.Pulse():
                worker.pulse, worker.heard = report, time.monotonic()
                self._merged.pushed(worker.slot, report.metrics)
            case messages.Done():
                order = self._orders.get(report.token)
                if order is not None:
                    order.answer(worker.name, report.problem)

    async def _ended(self, worker: Worker) -> int:
        """Its exit status, once it is no more; what it counted stays counted."""
        try:
            async with asyncio.timeout(_EXIT):
                status = await worker.process.wait()
        except TimeoutError:
            worker.kill()
            status = await worker.process.wait()
        self.alive.pop(worker.slot, None)
        self._counts.vacate(worker.slot)
        self._merged.ended(worker.slot)
        worker.channel.close()
        for order in self._orders.values():
            order.answer(worker.name)
        return status
