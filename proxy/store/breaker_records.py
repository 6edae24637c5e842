"""What processes tell each other of their breakers through the store: how each stands, and who may probe. A breaker's
keys lie in its target's family and have a TTL; times are the store's. All that asks the store raises StoreDown."""

import re
import secrets
from collections.abc import AsyncIterator
from enum import Enum
from typing import NamedTuple

from proxy.routing.standing import Standing
from proxy.store.client import Store
from proxy.store.names import BREAKERS, of_target
from proxy.store.scripts import Script

_TELL = Script("tell_breaker")
_LEASE = Script("lease_probe")
_READ = Script("read_breaker")
_SECOND = 1_000_000
_LONGEST = 100_000_000.0  # seconds
_MEMORY = "600000"  # milliseconds for which a change is remembered once it is over: who missed it is told until then


_NUMBER = "[0-9]{1,17}"
_RECORD = (_NUMBER, ".+", "open|forced|closed", _NUMBER, _NUMBER, _NUMBER, _NUMBER)  # as in tell_breaker.lua
_NOTHING = ("0", "", "closed", "0", "0", "0", "0")


class Word(Enum):
    """What is told. Others than MOVED count whatever came before."""

    MOVED = "moved"
    FORCED = "forced"
    RESET = "reset"


class Told(NamedTuple):
    """What the store says of a breaker. `version`: of the latest transition, 0 = none is known; later ones have higher
    numbers. `reset`: that of the latest reset. Times are unix seconds of the store's clock: `at`, when it said so;
    `moment`, until when it is open, or since when it is closed; `pause_ends`."""

    name: str
    at: float
    version: int
    author: str
    is_open: bool
    is_forced: bool
    moment: float
    trips: int
    pause_ends: float
    reset: int

    def standing(self, now: float) -> Standing:
        """As of `now`, on the store's clock."""
        seconds = self.moment - now if self.is_open else max(0.0, now - self.moment)
        return Standing(self.is_open, seconds, self.trips, self.is_forced, max(0.0, self.pause_ends - now))


class Leave(NamedTuple):
    """Leave to probe, or not: then either it is somebody else's, for `wait` more seconds at most, or the breaker stands
    otherwise than the one who asks knew."""

    is_granted: bool
    wait: float = 0.0
    told: Told | None = None


class BreakerRecords:
    """As one process, `own`, reads and writes them."""

    def __init__(self, store: Store) -> None:
        self.own = secrets.token_hex(8)
        self._store = store

    @property
    def is_reachable(self) -> bool:
        """As far as is known without asking."""
        return self._store.health.is_up

    async def read(self, name: str) -> Told:
        at, record = await self._store.run(_READ, (of_target(name, "breaker"),), ())
        return _told(name, at.decode(), (record or b"").decode(errors="replace"))

    async def tell(self, name: str, word: Word, seen: int, standing: Standing) -> tuple[bool, Told]:
        """How the breaker stands, for all who listen. `seen`: the version this process stood by before. False: somebody
        else told of a later one, which is what is told now."""
        return await self._run_tell(name, word.value, seen, standing)

    async def pause(self, name: str, seconds: float) -> Told:
        """The provider asked for a pause of which so much is left."""
        return (await self._run_tell(name, "paused", 0, Standing(False, 0.0, cooling=seconds)))[1]

    async def lease(self, name: str, seen: int, seconds: float) -> Leave:
        """Leave to probe for so long, or to go on probing, if nobody else has it and `seen` is how things stand."""
        word, *rest = await self._store.run(_LEASE, _keys(name), (self.own, str(seen), _milliseconds(seconds)))
        if word == b"told":
            return Leave(False, told=_told(name, rest[0].decode(), rest[1].decode(errors="replace")))
        return Leave(True) if word == b"granted" else Leave(False, wait=max(0, rest[0]) / 1000)

    async def release(self, name: str) -> None:
        """Others may probe, if the leave was this process's."""
        await self._store.run(_LEASE, _keys(name), (self.own, "0", "0"))

    async def messages(self) -> AsyncIterator[Told | None]:
        """What is told from now on. None: listening began, or began again; read what may have been missed. Never ends
        by itself and raises nothing."""
        async for message in self._store.subscriber(BREAKERS).messages():
            if message.data is None:
                yield None
                continue
            at, _, rest = message.data.partition(" ")
            *record, name = rest.split(" ", len(_RECORD))
            if at.isdecimal() and name:
                yield _told(name, at, " ".join(record))

    async def _run_tell(self, name: str, what: str, seen: int, standing: Standing) -> tuple[bool, Told]:
        state = "open" if standing.is_open else "closed"
        times = (_microseconds(standing.seconds), str(standing.trips), _microseconds(standing.cooling))
        arguments = (self.own, what, str(seen), state, *times, _MEMORY, BREAKERS, name)
        taken, at, record = await self._store.run(_TELL, _keys(name), arguments)
        return bool(taken), _told(name, at.decode(), record.decode(errors="replace"))


def _keys(name: str) -> tuple[str, str]:
    return of_target(name, "breaker"), of_target(name, "probe")


def _told(name: str, at: str, record: str) -> Told:
    """From what the scripts answer and publish. A record that no version of ours wrote says nothing."""
    fields = record.split(" ")
    matches = len(fields) == len(_RECORD) and all(
        re.fullmatch(form, field) for form, field in zip(_RECORD, fields, strict=True)
    )
    version, author, state, moment, trips, pause_ends, reset = fields if matches else _NOTHING
    return Told(
        name=name,
        at=int(at) / _SECOND,
        version=int(version),
        author=author,
        is_open=state != "closed",
        is_forced=state == "forced",
        moment=int(moment) / _SECOND,
        trips=int(trips),
        pause_ends=int(pause_ends) / _SECOND,
        reset=int(reset),
    )


def _microseconds(seconds: float) -> str:
    return str(round(min(max(0.0, seconds), _LONGEST) * _SECOND))


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
