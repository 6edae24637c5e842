"""One worker's view of the keys in a real store: what it answers from memory, what it asks, and who wins."""

import asyncio
import time

import pytest

from proxy.admission.shared_keys import SharedKeys
from proxy.admission.tenants import authenticate
from proxy.errors import StoreUnavailable, Unauthenticated
from proxy.runtime import keys
from proxy.runtime.snapshot import Key
from tests.admission.keyring import EMPTY, PEPPER, STALENESS, Clock, Slow, found, made, snapshot
from tests.store.recording import PATIENCE
from tests.store.servers import Server


async def test_a_key_in_the_store(records: Slow, shared: SharedKeys):
    minted = await made(records, shared, models=("gpt*",), scopes=("models",), expires=4102444800.5)
    key = Key(minted.id, "acme", minted.digest, ("gpt*",), ("models",), 4102444800.5, "comments")
    assert shared.recall(EMPTY, minted.digest) is None
    assert await found(shared, minted) == key
    assert shared.recall(EMPTY, minted.digest) == key


async def test_it_is_authenticated_like_any_other(records: Slow, shared: SharedKeys):
    minted = await made(records, shared, expires=1000.0)
    ask = [EMPTY, shared, [minted.key]]
    key = await authenticate(*ask, 999.0, time.monotonic() + PATIENCE)
    assert (key.id, key.tenant) == (minted.id, "acme")
    # From memory now: no loop is needed, so nothing is waited for.
    with pytest.raises(StopIteration):
        authenticate(*ask, 999.0, 0.0).send(None)
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticate(*ask, 1000.0, 0.0)
    await records.revoke([minted.id])
    await shared.refresh()
    with pytest.raises(Unauthenticated, match="revoked"):
        await authenticate(*ask, 999.0, time.monotonic() + PATIENCE)


async def test_what_is_malformed_is_not_asked_for(server: Server, shared: SharedKeys):
    server.kill()
    typo = keys.mint(PEPPER).key[:-1] + "_"
    for presented in (typo, "sk-something", "schlüssel"):
        with pytest.raises(Unauthenticated, match="copied whole"):
            await authenticate(EMPTY, shared, [presented], 0.0, time.monotonic() + PATIENCE)
    with pytest.raises(StoreUnavailable):
        await authenticate(EMPTY, shared, [keys.mint(PEPPER).key], 0.0, time.monotonic() + PATIENCE)


async def test_memory_answers_again(records: Slow, shared: SharedKeys):
    there, not_there = await made(records, shared), keys.mint(PEPPER)
    for _ in range(3):
        assert await found(shared, there) is not None
        assert await found(shared, not_there) is None
    assert records.read == 2


async def test_who_asks_for_one_key_at_once_shares_one_read(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    answers = await asyncio.gather(*(found(shared, minted) for _ in range(100)))
    assert all(key is not None for key in answers)
    assert records.read == 1


async def test_many_unknown_keys_take_one_connection_and_bounded_memory(records: Slow, shared: SharedKeys):
    minted = [keys.mint(PEPPER) for _ in range(10_050)]
    assert set(await asyncio.gather(*(found(shared, each, within=50.0) for each in minted))) == {None}
    assert records.read <= 60
    records.read = 0
    assert await found(shared, minted[-1]) is None
    assert records.read == 0
    assert await found(shared, minted[0]) is None
    assert records.read == 1


async def test_a_key_that_was_unknown_is_found_once_it_is_made(records: Slow, shared: SharedKeys):
    minted = keys.mint(PEPPER)
    assert await found(shared, minted) is None
    await records.create_key(minted, "acme", {})
    assert await shared.refresh((await records.state()).version)
    assert await found(shared, minted) is not None


async def test_changes_arrive(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    await found(shared, minted)
    version, _ = await records.change_key(minted.id, {"models": ("gpt",)})
    assert await shared.refresh(version)
    assert not await shared.refresh(version + 1)
    key = shared.recall(EMPTY, minted.digest)
    assert key is not None
    assert key.models == ("gpt",)
    await records.change_tenant("acme", "none")
    await shared.refresh()
    key = shared.recall(EMPTY, minted.digest)
    assert key is not None
    assert key.fallback_events == "none"
    await records.change_key(minted.id, {"fallback_events": "events"})
    await shared.refresh()
    key = shared.recall(EMPTY, minted.digest)
    assert key is not None
    assert key.fallback_events == "events"
    await records.delete_tenant("acme")
    await shared.refresh()
    assert await found(shared, minted) is None
    assert minted.id in shared.revoked


async def test_the_file_wins(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    assert await found(shared, minted) is not None
    # Another key of that id, and a tenant of that name.
    assert await found(shared, minted, snapshot(places={f"key:{minted.id}": 7})) is None
    key = await found(shared, minted, snapshot(tenants={"acme": "events"}))
    assert key is not None
    assert key.fallback_events == "events"
    # The same key: what the file says of it counts.
    filed = Key(minted.id, "of-the-file", minted.digest)
    holds = snapshot(keys={minted.digest: filed}, places={f"key:{minted.id}": 7})
    assert await authenticate(holds, shared, [minted.key], 0.0, 0.0) is filed
    # Unless it is revoked.
    await records.revoke([minted.id])
    await shared.refresh()
    with pytest.raises(Unauthenticated):
        await authenticate(holds, shared, [minted.key], 0.0, 0.0)


async def test_a_key_needs_its_tenant(server: Server, records: Slow, shared: SharedKeys):
    minted = keys.mint(PEPPER)
    await records.create_key(minted, "filed", {}, is_tenant_in_file=True)
    await shared.refresh()
    assert await found(shared, minted, snapshot(tenants={"filed": None})) is not None
    assert await found(shared, minted) is None
    other = await made(records, shared)
    assert await found(shared, other) is not None
    server.ask("HDEL", "segue:{segue}:tenants", "acme")
    server.ask("HINCRBY", "segue:{segue}:state", "version", 1)
    await shared.refresh()
    assert await found(shared, other) is None


async def test_without_a_store(clock: Clock):
    shared = SharedKeys(None, clock, STALENESS, ["abcd1234"])
    assert await shared.refresh(7)
    assert await found(shared, keys.mint(PEPPER)) is None
    await asyncio.wait_for(shared.run(), 1.0)
    shared.revoke(["wxyz5678"])
    assert shared.revoked == {"abcd1234", "wxyz5678"}
    await shared.close()
