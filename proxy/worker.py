"""One serving process: carries out what the master orders, and tells it how it fares. `python -m proxy.worker`."""

import asyncio
import contextlib
import gc
import pickle
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Sequence

import msgspec
import uvloop

from proxy.admission.shared_keys import SharedKeys
from proxy.app import App
from proxy.control import messages
from proxy.control.channel import Channel
from proxy.control.counts import BEAT, Counts
from proxy.control.inheritance import Inheritance
from proxy.dispatch.breaker_sharing import BreakerSharing
from proxy.dispatch.breakers import Breakers
from proxy.errors import Unauthenticated
from proxy.runtime.build import build_snapshot
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import Snapshot
from proxy.store.breaker_records import BreakerRecords
from proxy.store.client import Health, Store
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.telemetry import log
from proxy.telemetry.background import begin
from proxy.telemetry.metrics import Metrics

_PULSE = 1.0  # seconds
_LAST_WORDS = 2.0  # seconds for the last pulse to be read: a master that is frozen cannot hold a worker up
_GC_THRESHOLD = 5_000


class Worker:
    def __init__(
        self, channel: Channel[messages.Order], counts: Counts, slot: int, listening: Sequence[socket.socket]
    ) -> None:
        self._channel = channel
        self._counts = counts
        self._slot = slot
        self._listening = listening
        self._metrics = Metrics()
        self._store: Store | None = None
        self._shared_keys: SharedKeys | None = None
        self._app: App | None = None
        self._snapshot: Snapshot | None = None
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()
        self._deserted = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until a drain has ended. Without a master a worker drains of its own accord: nobody could tell it to."""
        self._begin(self._beat(), "giving signs of life")
        self._begin(self._pulse(), "telling the master")
        try:
            async for order in self._channel.messages():
                self._obey(order)
            self._deserted.set()
            if self._draining is None and self._snapshot is not None:
                log.warning("the master is gone", grace_seconds=self._snapshot.server.shutdown_grace)
                self._drain(0.0, self._snapshot.server.shutdown_grace)
            if self._draining is not None:
                await self._draining
        finally:
            self._counts.vacate(self._slot)
            for task in self._tasks:
                task.cancel()
            if self._shared_keys is not None:
                await self._shared_keys.close()
            if self._store is not None:
                await self._store.close()
            self._channel.close()

    def _begin(self, work: Coroutine[None, None, None], name: str) -> None:
        task = begin(work, name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _obey(self, order: messages.Order) -> None:
        match order:
            case messages.Configure():
                self._configured(order)
            case messages.Refresh():
                self._begin(self._refresh(order), "refreshing keys")
            case messages.Cut():
                if self._app is not None:
                    revoked = Unauthenticated("The API key has been revoked.")
                    self._app.running.cut(revoked, order.key_ids)
                self._channel.send(messages.Done(order.token))
            case messages.ForceOpen(token=token, name=name, seconds=seconds):
                self._turn(token, lambda breakers: breakers.force_open(name, seconds))
            case messages.ResetBreaker(token=token, name=name):
                self._turn(token, lambda breakers: breakers.reset(name))
            case messages.Drain():
                self._drain(order.accepting, order.grace)
            case messages.Hurry():
                self._hurry.set()

    def _configured(self, order: messages.Configure) -> None:
        problem = self._configure(order)
        if self._app is not None:
            self._tell(self._app)  # so that whoever hears of it finds it in the status
        elif problem:
            log.warning("configuration refused", problem=problem)
            self._channel.close()  # there is nothing to serve
        self._channel.send(messages.Done(order.token, problem))

    def _configure(self, order: messages.Configure) -> str:
        """What is wrong with it, "" if it is being served."""
        try:
            # From the process that started this one, over a socket nobody else has.
            built = build_snapshot(pickle.loads(order.spec))
        except ConfigurationError as error:
            return str(error)
        snapshot = msgspec.structs.replace(built, places=order.places)
        self._snapshot, self._number = snapshot, order.number
        if self._app is None:
            self._open(snapshot, order)
        else:
            self._app.adopt(snapshot)
        return ""

    def _open(self, snapshot: Snapshot, order: messages.Configure) -> None:
        timeout = snapshot.store.timeout
        self._store = Store(
            order.store, timeout, time.monotonic, random.random, self._store_changed, self._metrics.store_called
        )
        records = KeyRecords(self._store, timeout)
        self._shared_keys = SharedKeys(
            records, time.monotonic, snapshot.store.key_staleness, order.revoked, self._metrics.key_looked_up
        )
        self._app = App(
            snapshot,
            self._metrics,
            self._shared_keys,
            lambda in_flight, expected: self._counts.set(self._slot, in_flight, expected),
            self._counts.total,
            self._counts.slots,
        )
        sharing = BreakerSharing(self._app.breakers, BreakerRecords(self._store), time.monotonic, random.random)
        self._begin(sharing.run(), "sharing breakers")
        self._begin(self._serve(self._app, self._shared_keys), "beginning to serve")

    async def _serve(self, app: App, shared_keys: SharedKeys) -> None:
        """Accepts connections, but not before what was revoked so far is known, if the store can say."""
        with contextlib.suppress(StoreDown):
            await shared_keys.refresh()
        self._begin(shared_keys.run(), "following the store")
        if self._draining is not None:
            return
        app.listen(self._listening, lambda: self._counts.has_room(self._slot))
        self._channel.send(messages.Ready())
        # What is alive now lives for ever: keep the collector from walking it at each full collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 20)

    async def _refresh(self, order: messages.Refresh) -> None:
        problem = ""
        if self._shared_keys is not None:
            self._shared_keys.revoke(order.revoked)
            try:
                if not await self._shared_keys.refresh(order.version):
                    problem = "the store does not show it the change yet"
            except StoreDown as down:
                problem = f"the store is out of its reach ({down.kind})"
        self._channel.send(messages.Done(order.token, problem))

    def _turn(self, token: int, turning: Callable[[Breakers], bool]) -> None:
        """A breaker. `turning`: whether there is such a one."""
        is_there = self._app is not None and turning(self._app.breakers)
        if self._app is not None:
            self._tell(self._app)  # so that whoever hears of it finds it so
        self._channel.send(messages.Done(token, "" if is_there else "it has no such breaker"))

    def _store_changed(self, health: Health) -> None:
        if health.is_up:
            self._metrics.store_recovered()

    def _drain(self, accepting: float, grace: float) -> None:
        if self._draining is None and self._app is not None:
            self._draining = asyncio.create_task(self._drained(self._app, accepting, grace))

    async def _drained(self, app: App, accepting: float, grace: float) -> None:
        await app.drain(accepting, grace, self._hurry, self._deserted)
        self._tell(app)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS):
                await self._channel.closed()

    async def _beat(self) -> None:
        while True:
            self._counts.beat(self._slot)
            await asyncio.sleep(BEAT)

    async def _pulse(self) -> None:
        while True:
            if self._app is not None:
                self._tell(self._app)
                await self._channel.has_room()  # a master that is frozen is not to find all that it missed
            await asyncio.sleep(_PULSE)

    def _tell(self, app: App) -> None:
        self._channel.send(
            messages.Pulse(
                in_flight=len(app.running),
                connections=app.connections,
                snapshot=self._number,
                store=self._store.health.kind if self._store is not None else "",
                breakers=tuple(app.breakers.table()),
                metrics=app.captured(),
            )
        )


async def _work(given: Inheritance) -> None:
    channel = await Channel.over(socket.socket(fileno=given.control), messages.ORDERS)
    listening = [socket.socket(fileno=descriptor) for descriptor in given.listening]
    worker = Worker(channel, Counts(given.counts, given.slots), given.slot, listening)
    await worker.run()


def main(arguments: Sequence[str]) -> None:
    given = Inheritance.read(arguments)
    log.configure(given.log_level, worker=given.slot)
    # The master hears these, and says what is to become of us.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    uvloop.run(_work(given))


if __name__ == "__main__":
    main(sys.argv[1:])
