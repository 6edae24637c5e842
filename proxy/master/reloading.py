"""The configuration being served: read, validated, numbered and handed out; a bad one changes nothing and says why."""

import asyncio
import pickle
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from proxy.control.messages import Configure, Order
from proxy.master.sources import Source
from proxy.runtime.build import Configuration
from proxy.runtime.problems import ConfigurationError
from proxy.runtime.snapshot import Snapshot
from proxy.runtime.spec import Spec
from proxy.runtime.store_address import StoreAddress
from proxy.telemetry import log
from proxy.telemetry.metrics import MasterMetrics

_LOOK = 0.5  # seconds between looks at the file; it is read when two of them agree

Command = Callable[[Callable[[int], Order]], Awaitable[dict[str, str]]]


class Reloaded(NamedTuple):
    """`problems`: what is wrong with what was read, and then nothing has changed; `missing`: the workers that do not
    serve it yet, and why; `waiting`: fields that were changed, but take effect only at the next start."""

    number: int
    problems: tuple[str, ...] = ()
    missing: Mapping[str, str] = MappingProxyType({})
    waiting: tuple[str, ...] = ()


class Reloading:
    """`number` counts the configurations that were served; `last` is what came of the last attempt to load another, at
    `tried_at` (unix seconds)."""

    def __init__(
        self,
        source: Source,
        configuration: Configuration,
        store: StoreAddress,
        revoked: Callable[[], Iterable[str]],
        metrics: MasterMetrics,
    ) -> None:
        self.number = 1
        self.loaded_at = self.tried_at = time.time()
        self.last = Reloaded(1)
        self.source = source
        self._first = self._current = configuration
        self._store = store
        self._revoked = revoked
        self._metrics = metrics
        self._behind: Mapping[str, str] = {}  # who had not carried out the last order
        self._changing = asyncio.Lock()
        metrics.snapshot(1)

    @property
    def snapshot(self) -> Snapshot:
        return self._current.snapshot

    def order(self, token: int) -> Configure:
        spec, snapshot = self._current
        places = dict(snapshot.places)
        return Configure(token, self.number, pickle.dumps(spec), places, self._store, tuple(self._revoked()))

    async def reload(self, command: Command) -> Reloaded:
        """Read it again, and have everyone serve it if it is right."""
        async with self._changing:
            self.tried_at = time.time()
            try:
                read = self.source.read()
            except (ConfigurationError, OSError, UnicodeDecodeError) as error:
                self.last = Reloaded(self.number, problems=_told(error, self.source.name))
                self._metrics.reloaded("refused")
                log.warning("configuration refused", file=self.source.name, problems=self.last.problems)
                return self.last
            is_unchanged = read.spec == self._current.spec
            self._current = read  # even so: its lines may have moved
            waiting = _waiting(self._first.spec, read.spec)
            if is_unchanged:
                if self._behind:
                    self._behind = await command(self.order)
                self.last = Reloaded(self.number, missing=self._behind, waiting=waiting)
                self._metrics.reloaded("unchanged")
                return self.last
            self.number += 1
            self.loaded_at = time.time()
            missing = self._behind = await command(self.order)
            self.last = Reloaded(self.number, missing=missing, waiting=waiting)
            self._metrics.reloaded("served")
            self._metrics.snapshot(self.number)
            log.note("configuration loaded", file=self.source.name, number=self.number, missing=missing)
            if waiting:
                log.warning("changed, but obeyed only after a restart", fields=waiting)
            return self.last

    async def watch(self, command: Command) -> None:
        """Reload when what was read has changed."""
        while True:
            await asyncio.sleep(_LOOK)
            if self.source.has_changed():
                await self.reload(command)


def _told(error: ConfigurationError | OSError | UnicodeDecodeError, name: str) -> tuple[str, ...]:
    if isinstance(error, ConfigurationError):
        return tuple(f"{name}:{problem.line or 1}: {problem}" for problem in error.problems)
    if isinstance(error, OSError):
        return (f"{name} cannot be read: {error.strerror or error}",)
    return (f"{name} cannot be read: it is not UTF-8 text",)


def _waiting(first: Spec, now: Spec) -> tuple[str, ...]:
    """What is done once: binding, starting and reaching the store, deciding how many workers there are."""
    fixed = {
        "server.host": (first.server.host, now.server.host),
        "server.port": (first.server.port, now.server.port),
        "server.workers": (first.server.workers, now.server.workers),
        "operations.host": (first.operations.host, now.operations.host),
        "operations.port": (first.operations.port, now.operations.port),
        "store": (first.store, now.store),
    }
    return tuple(name for name, (before, after) in fixed.items() if before != after)
