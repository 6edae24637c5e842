"""The composition root of a serving process: builds, wires, serves, drains. The only place that knows everyone."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from proxy import __version__
from proxy.admission.shared_keys import SharedKeys
from proxy.dispatch.breakers import Breakers
from proxy.dispatch.dispatcher import Dispatcher
from proxy.dispatch.targets import Targets
from proxy.errors import Draining
from proxy.http.connection import WebServer
from proxy.http.counting import Counter
from proxy.http.listener import Listener
from proxy.http.server import Server
from proxy.http.shedding import Shedding
from proxy.pipeline import Pipeline
from proxy.runtime.snapshot import Snapshot
from proxy.settlement.ledger import Ledger
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.loop_lag import LoopLag
from proxy.telemetry.metrics import Metrics
from proxy.transport.http1_pool import Http1Transport

_DIGITS = 1024
_LAST_WORDS = 5.0  # seconds that requests get to say why they end, once the grace is over
_FIRST_WORDS = 0.2  # seconds that a connection accepted last gets to send its request
_ABANDONED = 0.5  # seconds that aiohttp waits, twice, for whom even that did not end


class Minter:
    """Random lower-case hexadecimal digits nobody can guess; the system is asked for those of many requests at once."""

    def __init__(self) -> None:
        self._digits = ""
        self._used = 0

    def mint(self, length: int) -> str:
        if self._used + length > len(self._digits):
            self._digits, self._used = os.urandom(_DIGITS + length).hex(), 0
        self._used += length
        return self._digits[self._used - length : self._used]


class App:
    """Serves what connects to sockets that somebody else bound."""

    def __init__(
        self,
        snapshot: Snapshot,
        metrics: Metrics,
        shared_keys: SharedKeys,
        count: Callable[[int, int], None] = lambda in_flight, expected: None,
        total: Callable[[], int] | None = None,
        workers: int = 1,
    ) -> None:
        """`count` is told how many requests are running, and how many more are expected in a moment, whenever that
        changes; `total`: how many run in this and all other workers, by default those of this one; `workers`: how many
        there are, so that each keeps to its part of a target's limit."""
        clocks, mint = Clocks(), Minter().mint
        self.metrics = metrics
        self.metrics.started(__version__)
        self.breakers = Breakers(clocks, random.random, self.metrics.breaker_moved)
        self.targets = Targets(clocks, workers)
        self.adopt(snapshot)
        self._transport = Http1Transport()
        dispatcher = Dispatcher(self._transport, self.breakers, self.targets, self.metrics, clocks, random.random)
        pipeline = Pipeline(
            dispatcher, Ledger(self.metrics, clocks), self.metrics, clocks, self.targets.load, random.random
        )
        self._lag = LoopLag(self.metrics.loop_looked_at)
        shedding = Shedding(self._lag, total or (lambda: len(self.running)), random.random)
        self._server = Server(
            pipeline, Counter(self._transport), self._current, shared_keys, self.metrics, clocks, mint, count, shedding
        )
        self.running = self._server.running
        self._web = WebServer(
            self._server,
            mint,
            self.running.expect,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75.0,
        )
        self._listener: Listener | None = None
        self.adopt(snapshot)

    @property
    def connections(self) -> int:
        return len(self._web.connections)

    @property
    def is_accepting(self) -> bool:
        return self._listener is not None and self._listener.is_accepting

    def captured(self) -> bytes:
        """All that was counted, and how things are now: what the master is told."""
        self.metrics.accepting(self.is_accepting)
        self.metrics.breaker_states({row.target: row.state for row in self.breakers.table()})
        self.metrics.loop_lag(self._lag.worst())
        self.metrics.targets(self.targets.in_flight(), self.targets.queued())
        return self.metrics.capture()

    def _current(self) -> Snapshot:
        return self._snapshot

    def adopt(self, snapshot: Snapshot) -> None:
        """Serve this from the next request on; those that run keep the snapshot they began with."""
        self._snapshot = snapshot
        targets = [target for route in snapshot.routes.values() for target in route.candidates]
        self.breakers.keep(targets)
        self.targets.keep(targets)

    def listen(self, sockets: Sequence[socket.socket], has_room: Callable[[], bool] = lambda: True) -> None:
        """Accept connections from now on, whenever `has_room`."""
        self._listener = Listener(sockets, self._web, has_room, self.running.expect)
        self._listener.start()
        self._lag.start()

    async def drain(self, accepting: float, grace: float, hurry: asyncio.Event, deserted: asyncio.Event) -> None:
        """Stop as contract §10 has it: `accepting` seconds in which requests still come in, each answer being its
        connection's last; then `grace` seconds in which what was accepted runs on; then what still runs is ended in its
        vocabulary's words. `hurry` cuts both times short, `deserted` the first: another may need the port then."""
        self._server.draining = True
        await _wait(accepting, hurry.wait(), deserted.wait())
        if self._listener is not None:
            self._listener.close()
            await self._listener.settled(_FIRST_WORDS)
        await _wait(grace, self._web.emptied(), hurry.wait())
        self.running.cut(Draining("The proxy is shutting down. Retry.", retry_after=1.0))
        await _wait(_LAST_WORDS, self._web.emptied())
        await self._web.shutdown(_ABANDONED)
        self._lag.stop()
        await self._transport.close()


async def _wait(seconds: float, *endings: Coroutine[Any, Any, object]) -> None:
    """Until the first of the endings, at most so long."""
    tasks = [asyncio.ensure_future(ending) for ending in endings]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
