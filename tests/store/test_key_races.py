"""Changes of keys that meet each other, or a store that does not do well."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from proxy.runtime import keys
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.store.records import AlreadyThere, Ended, NotFound
from proxy.store.scripts import Script
from tests.store.keyring import PEPPER, held, made
from tests.store.recording import PATIENCE, TIMEOUT, recorded
from tests.store.servers import Server


@pytest.fixture
def records(store: Store) -> KeyRecords:
    return KeyRecords(store, PATIENCE)


async def test_of_two_who_take_one_id_one_gets_it(records: KeyRecords):
    await records.create_tenant("acme")
    for _ in range(20):
        one, other = keys.mint(PEPPER), keys.mint(PEPPER)
        other = other._replace(id=one.id)
        outcomes = await asyncio.gather(
            records.create_key(one, "acme", {}), records.create_key(other, "acme", {}), return_exceptions=True
        )
        assert sum(isinstance(outcome, AlreadyThere) for outcome in outcomes) == 1
        assert [await held(records, each) is None for each in (one, other)].count(True) == 1


async def test_two_changes_at_once_both_happen(records: KeyRecords):
    for _ in range(20):
        minted = await made(records)
        await asyncio.gather(
            records.change_key(minted.id, {"models": ("gpt",)}),
            records.change_key(minted.id, {"scopes": ("models",)}),
            records.change_key(minted.id, {"expires": 4102444800.0}),
            records.rotate_key(minted.id, keys.mint(PEPPER), 5e9),
        )
        key = (await records.read_key(minted.id)).key
        assert (key.models, key.scopes, key.expires) == (("gpt",), ("models",), 4102444800.0)
        assert key.rotated_to is not None


async def test_revoking_wins_over_whatever_happens_at_once(records: KeyRecords):
    for _ in range(20):
        minted, successor = await made(records), keys.mint(PEPPER)
        outcomes = await asyncio.gather(
            records.rotate_key(minted.id, successor, 60.0),
            records.change_key(minted.id, {"expires": None}),
            records.revoke([minted.id]),
            return_exceptions=True,
        )
        assert all(isinstance(outcome, tuple | int | Ended) for outcome in outcomes)
        found = await held(records, minted)
        assert found is not None
        assert found.is_revoked
        # The successor is there exactly if its owner was told so.
        assert (await held(records, successor) is None) == isinstance(outcomes[0], Ended)


async def test_a_key_made_while_its_tenant_ends(records: KeyRecords):
    for _ in range(20):
        await records.create_tenant("acme")
        minted = keys.mint(PEPPER)
        outcomes = await asyncio.gather(
            records.create_key(minted, "acme", {}), records.delete_tenant("acme"), return_exceptions=True
        )
        assert await held(records, minted) is None
        assert isinstance(outcomes[0], NotFound) or minted.id in await records.revoked()


class Freezing:
    """A client whose server stops just before what it is asked to write reaches it."""

    def __init__(self, store: Store, server: Server) -> None:
        self._store = store
        self._server = server
        self.read = store.read

    async def run(self, script: Script, *asked: Sequence[str]) -> Any:
        if script.writes:
            self._server.pause()
        return await self._store.run(script, *asked)


def scripts_run(server: Server) -> int:
    return int(server.ask("INFO", "commandstats")["cmdstat_evalsha"]["calls"])


@pytest.mark.parametrize("change", ["create", "change", "rotate", "delete", "revoke"])
async def test_only_a_revocation_comes_true_after_it_was_told_to_have_failed(
    server: Server, records: KeyRecords, change: str
):
    """A rotation is the worst: its answer held the only copy of the successor."""
    minted, successor = await made(records), keys.mint(PEPPER)
    before, state = await records.list_keys(), await records.state()
    async with recorded(server.address, TIMEOUT) as hasty:
        frozen = KeyRecords(Freezing(hasty.store, server), TIMEOUT)  # type: ignore[arg-type]
        changes = {
            "create": lambda: frozen.create_tenant("other"),
            "change": lambda: frozen.change_key(minted.id, {"models": ("gpt",)}),
            "rotate": lambda: frozen.rotate_key(minted.id, successor, 0.0),
            "delete": lambda: frozen.delete_tenant("acme"),
            "revoke": lambda: frozen.revoke([minted.id]),
        }
        scripts = scripts_run(server)
        with pytest.raises(StoreDown) as down:
            await changes[change]()
        assert down.value.kind == "timeout"
        await asyncio.sleep(2 * TIMEOUT)
        server.resume()
    # It has still come to the server: all but the revocation after a script that reads.
    async with asyncio.timeout(5):
        while scripts_run(server) < scripts + (1 if change == "revoke" else 2):
            await asyncio.sleep(0.01)
    if change == "revoke":
        assert await records.revoked() == {minted.id}
    else:
        assert await records.list_keys() == before
        assert await records.state() == state


async def test_a_full_store_revokes(server: Server, records: KeyRecords):
    minted = await made(records)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    await records.revoke([minted.id])
    assert await records.revoked() == {minted.id}
    assert await records.read_key(minted.id)
    assert (await records.delete_tenant("acme")).keys == (minted.id,)


async def test_no_store_no_change(server: Server, records: KeyRecords):
    minted = await made(records)
    server.kill()
    for change in (records.create_tenant("other"), records.revoke([minted.id]), records.state(), records.revoked()):
        with pytest.raises(StoreDown):
            await change
