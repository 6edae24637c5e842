"""The store, and all that the master has to do with it: the embedded server, if it is that one, the client, the records
in it, and the list of revocations outside it."""

import asyncio
import contextlib
import os
import random
import secrets
import socket
import time
from pathlib import Path

from proxy.master import data_directory
from proxy.master.breaker_orders import BreakerOrders
from proxy.master.embedded_store import Condition, EmbeddedStore, StoreEvent
from proxy.master.following import Command, Following
from proxy.master.revocation_list import load
from proxy.runtime.places import RunDirectory
from proxy.runtime.snapshot import StoreSettings
from proxy.runtime.store_address import StoreAddress
from proxy.store.breaker_records import BreakerRecords
from proxy.store.client import Health, Store
from proxy.store.key_records import KeyRecords
from proxy.store.replicas import Replica, Replicas
from proxy.telemetry import log
from proxy.telemetry.background import begin
from proxy.telemetry.metrics import MasterMetrics

_ADMIN_TIMEOUT = 1.0  # seconds: an operator can wait longer than a request
_LIST = "revocations"


class SharedState:
    """`directory`: where the embedded store's data lie, and the list of revocations; None to keep nothing."""

    def __init__(
        self,
        settings: StoreSettings,
        directory: Path | None,
        run: RunDirectory,
        command: Command,
        metrics: MasterMetrics,
    ) -> None:
        self.address = settings.address or StoreAddress(kind="single", path=str(run.store_socket))
        self.keeps_files = directory is not None
        self._directory = directory
        self._metrics = metrics
        self._embedded = (
            EmbeddedStore(run.store_socket, directory, settings.maximum_memory, run.path, self._happened)
            if settings.address is None
            else None
        )
        timeout = max(settings.timeout, _ADMIN_TIMEOUT)
        self.store = Store(self.address, timeout, time.monotonic, random.random, self._changed, metrics.store_called)
        self.records = KeyRecords(self.store, timeout)
        if directory is not None:
            with contextlib.suppress(OSError):  # the list says what is wrong
                data_directory.make(directory)
        self.revocations = load(directory / _LIST if directory is not None else None)
        own = Replica(secrets.token_hex(8), f"{socket.gethostname()}:{os.getpid()}", time.time())
        replicas = Replicas(self.store, own, settings.key_staleness)
        self.following = Following(self.store, self.records, replicas, self.revocations, command, metrics)
        self.breaker_orders = BreakerOrders(BreakerRecords(self.store), command)
        self._followed: asyncio.Task[None] | None = None

    @property
    def condition(self) -> Condition | None:
        """How the embedded server is; None where the store is somebody else's."""
        return self._embedded.condition if self._embedded is not None else None

    def lost_directory(self) -> str:
        """Why what the embedded server writes is not kept after all: its directory was removed under it; "" if not."""
        directory = self._directory
        is_there = directory is None or (directory / "store").is_dir()
        return "" if is_there else f"{directory} was removed while it was in use; restart segue"

    async def start(self) -> None:
        """Returns when the embedded server answers, or when it is clear that it does not yet. Raises DirectoryInUse,
        OSError."""
        if self._embedded is not None:
            await self._embedded.start()
        self._followed = begin(self.following.run(), "following the store")

    async def stop(self) -> None:
        """After the last worker: nobody else needs the store then."""
        if self._followed is not None:
            self._followed.cancel()
            await asyncio.wait([self._followed])
        await self.store.close()
        if self._embedded is not None:
            await self._embedded.stop()

    def _changed(self, health: Health) -> None:
        self._metrics.store_changed("up" if health.is_up else "down")
        if health.is_up:
            self._metrics.store_recovered()
            log.note("store reachable again", store=self.address.shown)
        else:
            log.warning("store unreachable", store=self.address.shown, kind=health.kind)

    def _happened(self, event: StoreEvent) -> None:
        tell = log.warning if event.is_warning else log.note
        tell("embedded store", what=event.kind, detail=event.text)
        if event.kind == "store_data_quarantined":
            self._metrics.store_quarantined()
        elif event.kind in ("store_down", "store_frozen"):
            self._metrics.store_restarted()
