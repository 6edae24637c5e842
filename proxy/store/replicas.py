"""Which replicas there are, and which changes of tenants and keys each of them obeys."""

import contextlib

import msgspec

from proxy.store.client import Store
from proxy.store.names import of_records
from proxy.store.records import STATE, State
from proxy.store.scripts import Script

_REPLICAS = of_records("replicas")
_BEAT = Script("beat")
_READ = Script("read_replicas")
_SECOND = 1_000_000

_MARGIN = 3.0  # seconds


class Replica(msgspec.Struct, frozen=True):
    """What a replica says of itself. `name`: what people know it by; `started`: unix seconds by its own clock; `obeys`:
    the state all its workers have caught up with."""

    id: str
    name: str
    started: float
    obeys: State = State()


class Replicas:
    """The others as this one, `own`, sees them: by what they told the store. All raise StoreDown."""

    def __init__(self, store: Store, own: Replica, staleness: float) -> None:
        """`staleness`: seconds for which a replica that lost contact goes on honouring what it knows; as long, it is
        not taken to be gone."""
        self._store = store
        self._own = own
        self._counts_for = staleness + _MARGIN

    async def beat(self, obeyed: State) -> None:
        """To be said every half second, and when `obeyed` changes."""
        report = msgspec.json.encode(msgspec.structs.replace(self._own, obeys=obeyed)).decode()
        await self._store.run(_BEAT, (_REPLICAS,), (self._own.id, report))

    async def leave(self) -> None:
        """Nobody need wait for this replica any more."""
        await self._store.run(_BEAT, (_REPLICAS,), (self._own.id,))

    async def living(self) -> list[Replica]:
        """Those that count, this one among them, by name."""
        return (await self._read())[1]

    async def missing(self, version: int) -> list[str]:
        """The names of the others that do not obey this version yet."""
        epoch, living = await self._read()
        return [
            replica.name
            for replica in living
            if replica.id != self._own.id and (replica.obeys.epoch != epoch or replica.obeys.version < version)
        ]

    async def _read(self) -> tuple[str, list[Replica]]:
        """The epoch, and those that count."""
        seconds, microseconds, epoch, *entries = await self._store.run(_READ, (_REPLICAS, STATE), ())
        oldest = int(seconds) * _SECOND + int(microseconds) - self._counts_for * _SECOND
        living = []
        for entry in entries:
            heard, _, report = entry.partition(b" ")
            with contextlib.suppress(ValueError):  # no version of ours wrote that; msgspec's errors are of this kind
                if int(heard) >= oldest:
                    living.append(msgspec.json.decode(report, type=Replica))
        return epoch.decode(), sorted(living, key=lambda replica: (replica.name, replica.id))
