"""The composition root: builds, wires, serves, drains. The only place that knows everyone."""

import asyncio
import contextlib
import gc
import os
import random
import signal
from collections.abc import Callable

import uvloop
from aiohttp import web

from proxy import __version__
from proxy.dispatch.breakers import Breakers
from proxy.dispatch.dispatcher import Dispatcher
from proxy.http.connection import WebServer
from proxy.http.counting import Counter
from proxy.http.operations import Operations
from proxy.http.server import Server
from proxy.pipeline import Pipeline
from proxy.runtime.snapshot import Snapshot
from proxy.settlement.ledger import Ledger
from proxy.telemetry import log
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.transport.http1_pool import Http1Transport

_GC_THRESHOLD = 5_000


def mint(length: int) -> str:
    """Random lower-case hexadecimal digits nobody can guess."""
    return os.urandom((length + 1) // 2).hex()[:length]


class App:
    """One serving process. `start` binds both ports (0 = any free one, see `port` and `operations_port`)."""

    def __init__(self, snapshot: Snapshot) -> None:
        clocks = Clocks()
        self.metrics = Metrics()
        self.metrics.started(__version__)
        self._snapshot = snapshot
        self._transport = Http1Transport()
        breakers = Breakers(clocks, random.random)
        dispatcher = Dispatcher(self._transport, breakers, self.metrics, clocks)
        pipeline = Pipeline(dispatcher, Ledger(self.metrics, clocks), self.metrics, clocks)
        self._server = Server(pipeline, Counter(self._transport), lambda: self._snapshot, self.metrics, clocks, mint)
        self._operations = Operations(self.metrics, breakers, lambda: self._server.draining)
        self._runners: list[web.ServerRunner] = []
        self.port = 0
        self.operations_port = 0

    async def start(self) -> None:
        """Raises OSError if a port cannot be bound."""
        settings = self._snapshot.server
        web_server = WebServer(
            self._server,
            mint,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=75.0,
        )
        self.port = await self._listen(web_server, settings.host, settings.port, settings.shutdown_grace)
        operations = WebServer(self._operations, mint, access_log=None)
        self.operations_port = await self._listen(operations, settings.operations_host, settings.operations_port, 1.0)

    async def stop(self) -> None:
        """Drain: nothing is accepted any more, what runs may end within the grace."""
        self._server.draining = True
        for runner in self._runners:
            await runner.cleanup()
        await self._transport.close()

    async def _listen(self, server: web.Server, host: str, port: int, grace: float) -> int:
        # aiohttp waits about twice this long: half of it is the grace that was asked for.
        runner = web.ServerRunner(server, shutdown_timeout=grace / 2)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound: int = runner.addresses[0][1]
        return bound


async def _run(snapshot: Snapshot, announce: Callable[[str], None]) -> None:
    app = App(snapshot)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    try:
        await app.start()
        settings = snapshot.server
        announce(f"segue {__version__} ready on http://{settings.host}:{app.port}/v1")
        announce(f"metrics on http://{settings.operations_host}:{app.operations_port}/metrics")
        # What is alive now lives for ever: keep the collector from walking it at each full collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 20)
        await stop.wait()
        log.note("draining", grace_seconds=settings.shutdown_grace)
    finally:
        await app.stop()


def serve(snapshot: Snapshot, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if a port cannot be bound."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_run(snapshot, announce))
