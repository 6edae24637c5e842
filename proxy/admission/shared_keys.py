"""Keys that the store holds, as one process knows them, and which keys are revoked, wherever they are held.

What is known is answered from memory. It is brought up to date when the store's state has changed, which is looked at
every half second and whenever the master says so; that is also how contact is kept. Revocations are never forgotten,
even if the store forgets them (contract §9).
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from hmac import compare_digest

from proxy.errors import StoreUnavailable
from proxy.runtime.snapshot import Key, Snapshot
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.store.records import HeldKey, State

_POLL_SECONDS = 0.5
_KNOWN_AT_MOST = 10_000
_UNKNOWN_AT_MOST = 10_000
_AT_ONCE = 200

_Answer = HeldKey | StoreDown | None


class SharedKeys:
    """`state`: the changes this process obeys. `revoked`: ids; grows in place."""

    def __init__(
        self,
        records: KeyRecords | None,
        clock: Callable[[], float],
        staleness: float,
        revoked: Iterable[str] = (),
        looked_up: Callable[[str, str], None] = lambda source, outcome: None,
    ) -> None:
        """`records` None: there is no store, and nobody but the file holds keys. `clock`: monotonic seconds.
        `staleness`: seconds without contact after which what is known counts no more. `looked_up` is told of each
        lookup who had the last word (file, memory, store, negative), and whether there is such a key (found, unknown)
        or nobody could say (unavailable)."""
        self.looked_up = looked_up
        self.staleness = staleness
        self.state = State(version=-1)  # no store's, so that the first look is followed by catching up
        self.revoked = set(revoked)
        self._records = records
        self._clock = clock
        self._contact = -math.inf
        self._known: OrderedDict[str, HeldKey] = OrderedDict()  # by digest, like all that follow
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}
        self._asked: dict[str, asyncio.Future[_Answer]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._refreshing = asyncio.Lock()

    def revoke(self, key_ids: Iterable[str]) -> None:
        """From now on, for ever."""
        self.revoked.update(key_ids)

    def recall(self, snapshot: Snapshot, digest: str) -> Key | None:
        """The key of this digest if memory holds it and it may be used; None says nothing."""
        held = self._known.get(digest)
        if held is None or self._clock() - self._contact > self.staleness:
            return None
        key = self._usable(snapshot, digest, held)
        if key is not None:
            self.looked_up("memory", "found")
        return key

    async def find(self, snapshot: Snapshot, digest: str, deadline: float) -> Key | None:
        """The key of this digest, or None: there is none, or it is revoked, its tenant is gone, or the file holds a key
        of its id. `deadline`: monotonic seconds, until when the caller waits. Raises StoreUnavailable when the store
        cannot say."""
        if self._records is None:
            return None
        is_fresh = self._clock() - self._contact <= self.staleness
        if is_fresh and digest in self._unknown:
            self.looked_up("negative", "unknown")
            return None
        held = self._known.get(digest) if is_fresh else None
        source = "store" if held is None else "memory"
        if held is None:
            try:
                held = await self._read(digest, deadline)
            except StoreUnavailable:
                self.looked_up(source, "unavailable")
                raise
        key = self._usable(snapshot, digest, held) if held is not None else None
        self.looked_up(source, "found" if key is not None else "unknown")
        return key

    async def refresh(self, version: int = 0) -> bool:
        """Learns what changed. Whether the changes up to `version` are obeyed now. Raises StoreDown."""
        if self._records is None:
            return True
        async with self._refreshing:
            began = self._clock()
            try:
                state = await self._records.state()
                if state != self.state:
                    await self._catch_up(self._records, state)
            except StoreDown:
                # Whether a key that was not there is still not there, nobody knows.
                self._unknown.clear()
                raise
            self._contact = began
        return self.state.version >= version

    async def run(self) -> None:
        """Keeps contact until cancelled."""
        while self._records is not None:
            with suppress(StoreDown):
                await self.refresh()
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """Whoever still waits for a key waits until his deadline."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _usable(self, snapshot: Snapshot, digest: str, held: HeldKey) -> Key | None:
        key = held.key
        if held.is_revoked or key.id in self.revoked or not compare_digest(key.digest, digest):
            return None
        if f"key:{key.id}" in snapshot.places:
            return None  # the file's key of this id is another one, and the file wins
        if key.tenant in snapshot.tenants:
            tenants_events = snapshot.tenants[key.tenant]
        elif held.tenant is not None:
            tenants_events = held.tenant.fallback_events
        else:
            return None
        return Key(
            key.id, key.tenant, key.digest, key.models, key.scopes, key.expires, key.fallback_events or tenants_events
        )

    async def _read(self, digest: str, deadline: float) -> HeldKey | None:
        """From the store, together with whoever else waits for this digest."""
        answer = self._asked.get(digest) or self._waiting.get(digest)
        if answer is None:
            answer = self._waiting[digest] = asyncio.get_running_loop().create_future()
            if self._reading is None or self._reading.done():
                self._reading = asyncio.create_task(self._read_waiting())
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                found = await asyncio.shield(answer)
        except TimeoutError:
            raise _unavailable() from None
        if isinstance(found, StoreDown):
            raise _unavailable() from None
        return found

    async def _read_waiting(self) -> None:
        """One read at a time, of all that came in during the last: however many keys are tried, they take one
        connection."""
        assert self._records is not None
        while self._waiting:
            batch = dict(list(self._waiting.items())[:_AT_ONCE])
            for digest in batch:
                del self._waiting[digest]
            self._asked = batch
            try:
                found = await self._records.find_keys(list(batch))
            except StoreDown as down:
                self._unknown.clear()
                for answer in batch.values():
                    answer.set_result(down)
            else:
                for (digest, answer), held in zip(batch.items(), found, strict=True):
                    answer.set_result(held)
                    # Otherwise there was a change since it was asked, and the answer may be from before.
                    if self._asked is batch:
                        self._remember(digest, held)
            self._asked = {}

    def _remember(self, digest: str, held: HeldKey | None) -> None:
        if held is None:
            self._unknown[digest] = None
            if len(self._unknown) > _UNKNOWN_AT_MOST:
                self._unknown.popitem(last=False)
        else:
            self._known[digest] = held
            if len(self._known) > _KNOWN_AT_MOST:
                self._known.popitem(last=False)

    async def _catch_up(self, records: KeyRecords, state: State) -> None:
        """Revocations first and at once. Keys are read again rather than forgotten, so that they outlive an outage that
        follows; if that fails, all of it comes again at the next try."""
        self.revoked |= await records.revoked()
        digests = list(self._known)
        known: OrderedDict[str, HeldKey] = OrderedDict()
        for begin in range(0, len(digests), _AT_ONCE):
            some = digests[begin : begin + _AT_ONCE]
            for digest, held in zip(some, await records.find_keys(some), strict=True):
                if held is not None:
                    known[digest] = held
        self._known = known
        self._unknown.clear()
        self._asked = {}
        self.state = state


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable("The store that may know this API key does not answer. Retry.", retry_after=1.0)
