"""The breakers of this process kept in step with those of all others, in the background: nothing of it is waited for by
a request. What was told first stands; who had not heard of it stands by it from then on. Without the store each
process goes by what it sees itself, and probes itself; once the store is back, they tell each other.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from proxy.dispatch.breakers import Breakers
from proxy.routing.breaker import Breaker, Change
from proxy.store.breaker_records import BreakerRecords, Leave, Told, Word
from proxy.store.down import StoreDown
from proxy.telemetry.background import begin

_READ_EVERY = 5.0  # seconds: a message that was lost is made good by then
_TRY_EVERY = 0.5  # seconds, while the store is gone
_LEASE = 15.0  # seconds
_MARGIN = 1.0  # seconds by which a lease outlasts the leave that goes with it
_ASK_AGAIN = 0.5  # seconds after which to ask for a lease again that somebody else has
_ROUND_TRIP = 0.25  # seconds at most for an answer to tell what the store's clock says


class _Shared:
    """One breaker, as others know it. `seen`: the version it stands by. `changes`, `told`: how often it changed here,
    and up to which change others know. `order`: what was ordered here and is not told yet. `ahead`: what the store's
    clock shows, less this process's; None = not known yet. `lease`: the work of asking for leave to probe and keeping
    it. `stirred`: something happened that the one who has leave must look at."""

    def __init__(self, breaker: Breaker) -> None:
        self.breaker = breaker
        self.seen = 0
        self.changes = 0
        self.told = 0
        self.order: Word | None = None
        self.has_untold_pause = False
        self.ahead: float | None = None
        self.lease: asyncio.Task[None] | None = None
        self.stirred = asyncio.Event()

    @property
    def is_told(self) -> bool:
        return self.changes == self.told and not self.has_untold_pause

    @property
    def is_leasing(self) -> bool:
        return self.lease is not None and not self.lease.done()

    def end(self) -> None:
        if self.lease is not None:
            self.lease.cancel()


class BreakerSharing:
    """A `dispatch.breakers.Fleet`, while it runs."""

    def __init__(
        self,
        breakers: Breakers,
        records: BreakerRecords,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        read_every: float = _READ_EVERY,
        lease: float = _LEASE,
    ) -> None:
        """`clock`: the breakers' own, monotonic seconds. `jitter` returns a number in [0, 1). `read_every`: seconds
        after which a message that was lost is made good. `lease`: seconds after which others may probe when the one
        who does is heard of no more; in that time it is heard of three times."""
        self._breakers = breakers
        self._records = records
        self._clock = clock
        self._jitter = jitter
        self._read_every = read_every
        self._lease_lasts = lease
        self._shared: dict[str, _Shared] = {}
        self._untold = asyncio.Event()
        self._unread = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        self._breakers.share(self)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._keep_reading())
                tasks.create_task(self._keep_telling())
        finally:
            self._breakers.share(None)
            for shared in self._shared.values():
                shared.end()

    def may_probe(self, name: str) -> bool:
        shared = self._of(name)
        if shared is None or not self._records.is_reachable:
            return True
        if not shared.is_leasing and shared.breaker.may_ask(self._clock()):
            shared.lease = begin(self._lease(name, shared), f"asking who may probe {name}")
        return False

    def changed(self, name: str, change: Change) -> None:
        shared = self._of(name)
        if shared is None:
            return
        if change is Change.MOVED:
            shared.changes += 1
        elif change is Change.COOLED:
            shared.has_untold_pause = True
        shared.stirred.set()
        if not shared.is_told:
            self._untold.set()

    def ordered(self, name: str) -> None:
        shared = self._of(name)
        if shared is not None:
            shared.order = Word.FORCED if shared.breaker.forced_for(self._clock()) else Word.RESET
            shared.changes += 1
            shared.stirred.set()
            self._untold.set()

    def kept(self) -> None:
        for name in self._shared.keys() - set(self._breakers.names()):
            self._shared.pop(name).end()
        self._unread.set()

    def _of(self, name: str) -> _Shared | None:
        """None: there is no such breaker. What was known of one that was replaced is nothing to its successor."""
        breaker = self._breakers.named(name)
        if breaker is None:
            return None
        shared = self._shared.get(name)
        if shared is None or shared.breaker is not breaker:
            if shared is not None:
                shared.end()
            shared = self._shared[name] = _Shared(breaker)
        return shared

    async def _listen(self) -> None:
        async for told in self._records.messages():
            if told is None:
                self._unread.set()
            elif (shared := self._of(told.name)) is not None:
                self._hear(shared, told)

    async def _keep_reading(self) -> None:
        """Now and then, and at once when something may have been missed."""
        while True:
            self._unread.clear()
            is_whole = await self._read_all()
            pause = (self._read_every if is_whole else _TRY_EVERY) * (0.75 + 0.5 * self._jitter())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._unread.wait()

    async def _read_all(self) -> bool:
        """Whether the store said everything."""
        is_whole = True
        for name in self._breakers.names():
            shared = self._of(name)
            if shared is not None:
                try:
                    await self._read(name, shared)
                except StoreDown:
                    is_whole = False
        return is_whole

    async def _read(self, name: str, shared: _Shared) -> None:
        seen, asked = shared.seen, self._clock()
        told = await self._records.read(name)
        now = self._clock()
        if shared.ahead is None or now - asked < _ROUND_TRIP:
            shared.ahead = told.at - (asked + now) / 2
        own = shared.breaker.standing(now)
        is_lost = told.version < seen or not told.version
        if is_lost and (own.seconds > 0 if own.is_open else told.is_open):
            shared.changes += 1
        if own.cooling > told.standing(now + shared.ahead).cooling + _ROUND_TRIP:
            shared.has_untold_pause = True
        self._hear(shared, told)
        if not shared.is_told:
            self._untold.set()

    def _hear(self, shared: _Shared, told: Told) -> None:
        now = self._clock()
        if shared.ahead is None:
            shared.ahead = told.at - now
        standing = told.standing(now + shared.ahead)
        # What this process said of an earlier breaker of that name is news to its successor.
        is_echo = told.author == self._records.own and (shared.seen or shared.changes)
        is_overruled = shared.order is not None  # by what is yet to be told
        if told.version > shared.seen and not is_echo and not is_overruled:
            if told.reset > shared.seen:
                shared.breaker.reset(now)
            shared.breaker.adopt(standing, now)
            shared.told = shared.changes
            shared.stirred.set()
        elif standing.cooling:
            shared.breaker.cool(now + standing.cooling)
        shared.seen = max(shared.seen, told.version)

    async def _keep_telling(self) -> None:
        while True:
            await self._untold.wait()
            self._untold.clear()
            for name, shared in list(self._shared.items()):
                with suppress(StoreDown):
                    await self._tell(name, shared)
            if not all(shared.is_told for shared in self._shared.values()):
                self._untold.set()
                await asyncio.sleep(_TRY_EVERY * (0.75 + 0.5 * self._jitter()))

    async def _tell(self, name: str, shared: _Shared) -> None:
        if shared.changes != shared.told:
            change = shared.changes
            standing = shared.breaker.standing(self._clock())
            word = shared.order or Word.MOVED
            if word is Word.FORCED and not standing.is_forced:  # that is over by now
                word = Word.MOVED
            was_taken, told = await self._records.tell(name, word, shared.seen, standing)
            if not was_taken:
                self._hear(shared, told)
            elif shared.changes == change:
                shared.order = None
            shared.told = max(shared.told, change)
            shared.seen = max(shared.seen, told.version)
        if shared.has_untold_pause:
            cooling = shared.breaker.standing(self._clock()).cooling
            if cooling:
                await self._records.pause(name, cooling)
            shared.has_untold_pause = shared.breaker.standing(self._clock()).cooling > cooling

    async def _lease(self, name: str, shared: _Shared) -> None:
        """Leave to probe: asked for, kept while it is of use, given back."""
        breaker, asked = shared.breaker, self._clock()
        hold = breaker.hold
        try:
            leave = await self._records.lease(name, shared.seen, min(hold + _MARGIN, self._lease_lasts))
        except StoreDown:
            breaker.grant(self._clock() + hold)  # nobody to ask
            return
        if not self._is_granted(shared, leave):
            return
        breaker.grant(asked + hold)
        while left := breaker.leave_for(self._clock()):
            shared.stirred.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, self._lease_lasts / 3)):
                    await shared.stirred.wait()
            if breaker.leave_for(self._clock()):
                with suppress(StoreDown):
                    if not self._is_granted(shared, await self._records.lease(name, shared.seen, self._lease_lasts)):
                        break
        if shared.changes == shared.told:  # else it is given back together with what became of the probe, no earlier
            with suppress(StoreDown):
                await self._records.release(name)

    def _is_granted(self, shared: _Shared, leave: Leave) -> bool:
        if leave.told is not None:
            self._hear(shared, leave.told)
        elif not leave.is_granted:
            shared.breaker.deny(self._clock() + min(leave.wait, _ASK_AGAIN))
        return leave.is_granted
