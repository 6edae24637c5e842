"""What the store says was changed, obeyed by this whole replica: noticed by a message, or within half a second without
one; told to every worker; told to the other replicas once every worker has caught up."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from proxy.control.messages import Cut, Order, Refresh
from proxy.master.revocation_list import RevocationList
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.store.names import CHANGES
from proxy.store.records import State
from proxy.store.replicas import Replicas
from proxy.telemetry import log
from proxy.telemetry.metrics import MasterMetrics

_POLL = 0.5  # seconds (contract §9)
_GLANCE = 0.05  # seconds between looks at who still has to catch up

# Has everyone who serves carry an order out; who did not, and why.
Command = Callable[[Callable[[int], Order]], Awaitable[dict[str, str]]]


class Following:
    """`revoked`: ids of all keys ever seen revoked; never forgotten, whatever the store forgets."""

    def __init__(
        self,
        store: Store,
        records: KeyRecords,
        replicas: Replicas,
        revocations: RevocationList,
        command: Command,
        metrics: MasterMetrics,
    ) -> None:
        self.revoked = set(revocations.ids)
        self._store = store
        self._records = records
        self._replicas = replicas
        self._revocations = revocations
        self._command = command
        self._metrics = metrics
        self._seen: State | None = None
        self._obeyed = State()
        self._cut: set[str] = set()  # keys whose requests were ended here
        self._nudged = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._beat())
            tasks.create_task(self._look())

    async def spread(self, version: int, revoked: Iterable[str], patience: float) -> list[str]:
        """Returns once all workers, and all other replicas, obey this version; who does not by then, by name."""
        ids = tuple(revoked)
        self.remember(ids)
        self._nudged.set()
        deadline = asyncio.get_running_loop().time() + patience
        workers = await self._command(lambda token: Refresh(token, version, ids))
        return [*workers, *await self._followed(version, deadline)]

    async def enforce(self, revoked: Iterable[str]) -> None:
        """Here and now, although the store cannot be told yet; it is as soon as it can."""
        ids = tuple(revoked)
        self.remember(ids)
        self._seen = None
        self._nudged.set()
        await self._command(partial(Refresh, version=0, revoked=ids))

    def remember(self, revoked: Iterable[str]) -> None:
        """For good where that can be: the list may be all that is left of them one day."""
        fresh = set(revoked) - self.revoked
        self.revoked |= fresh
        if fresh and self._revocations.can_persist:
            # The list says itself what is wrong, to /readyz; ValueError is about what no version of ours revoked.
            with contextlib.suppress(OSError, ValueError):
                self._revocations.add(fresh)

    async def _lagging(self, version: int) -> list[str]:
        try:
            return await self._replicas.missing(version)
        except StoreDown as down:
            return [f"other replicas ({down.kind})"]

    async def cut(self, key_ids: Iterable[str], patience: float) -> list[str]:
        """End the running requests of these keys, which are revoked, here and on the other replicas. Who has not by
        then, by name."""
        ids = tuple(key_ids)
        if not ids:
            return []
        deadline = asyncio.get_running_loop().time() + patience
        workers = await self._command(partial(Cut, key_ids=ids))
        try:
            version = await self._records.cut(ids)
        except StoreDown as down:
            return [*workers, f"other replicas ({down.kind})"]
        return [*workers, *await self._followed(version, deadline)]

    async def _followed(self, version: int, deadline: float) -> list[str]:
        """Returns once all other replicas obey this version; which do not by then."""
        replicas = await self._lagging(version)
        while replicas and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_GLANCE)
            replicas = await self._lagging(version)
        return replicas

    async def _listen(self) -> None:
        async for _ in self._store.subscriber(CHANGES).messages():
            self._nudged.set()

    async def _beat(self) -> None:
        try:
            while True:
                with contextlib.suppress(StoreDown):
                    await self._replicas.beat(self._obeyed)
                await asyncio.sleep(_POLL)
        finally:
            with contextlib.suppress(StoreDown):
                await self._replicas.leave()

    async def _look(self) -> None:
        while True:
            self._nudged.clear()
            with contextlib.suppress(StoreDown):
                await self._catch_up()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await self._nudged.wait()

    async def _catch_up(self) -> None:
        state = await self._records.state()
        if state == self._seen and state == self._obeyed:
            return
        revoked = await self._records.revoked()
        lost = self.revoked - revoked
        if lost:
            await self._records.revoke(lost)
            self._metrics.revocations_replayed(len(lost))
            log.warning("revocations replayed into the store", count=len(lost), reason="it had lost them")
            state = await self._records.state()
        cut = await self._records.were_cut()
        self.remember(revoked)
        self._seen = state
        missing = await self._command(lambda token: Refresh(token, state.version, tuple(revoked)))
        # Only now: what a worker still let in is cut, too.
        if not missing and cut - self._cut:
            missing = await self._command(partial(Cut, key_ids=tuple(cut - self._cut)))
        if not missing:
            self._cut = cut
            self._obeyed = state
            await self._replicas.beat(state)
