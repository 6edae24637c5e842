"""A worker's view of the keys in a real store, for tests."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from proxy.admission.shared_keys import SharedKeys
from proxy.canonical.origin import Origins
from proxy.runtime import keys
from proxy.runtime.keys import Minted
from proxy.runtime.snapshot import Key, ServerSettings, Snapshot
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.store.records import HeldKey
from tests.store.recording import PATIENCE

PEPPER = b"obviously fake pepper"
STALENESS = 60.0


def snapshot(**fields: Any) -> Snapshot:
    return Snapshot(ServerSettings(), {}, fields.pop("keys", {}), PEPPER, Origins(PEPPER), **fields)


EMPTY = snapshot()


class Clock:
    """The real one, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Slow(KeyRecords):
    """While `open` is not set, what the store says of keys is under way; `fails`: it never arrives."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, PATIENCE)
        self.open = asyncio.Event()
        self.open.set()
        self.read = 0
        self.fails = False

    async def find_keys(self, digests: Sequence[str]) -> list[HeldKey | None]:
        found = await super().find_keys(digests)
        self.read += 1
        await self.open.wait()
        if self.fails:
            raise StoreDown("refused", "the connection was lost")
        return found


async def made(records: KeyRecords, shared: SharedKeys, **rights: Any) -> Minted:
    minted = keys.mint(PEPPER)
    await records.create_key(minted, "acme", rights)
    await shared.refresh()
    return minted


async def found(shared: SharedKeys, minted: Minted, seen: Snapshot = EMPTY, within: float = PATIENCE) -> Key | None:
    return await shared.find(seen, minted.digest, shared._clock() + within)


async def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
