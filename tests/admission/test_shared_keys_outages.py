"""One worker's view of the keys in a real store that changes, goes, comes back empty, or answers just too late."""

import asyncio
import random
import time

import pytest

from proxy.admission.shared_keys import SharedKeys
from proxy.admission.tenants import authenticate
from proxy.errors import StoreUnavailable
from proxy.runtime import keys
from proxy.runtime.snapshot import Key
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from tests.admission.keyring import EMPTY, PEPPER, STALENESS, Clock, Slow, found, made, snapshot, until
from tests.store.recording import PATIENCE, SOON, TIMEOUT, recorded
from tests.store.servers import Server


async def test_known_keys_outlive_the_store_for_a_while(
    server: Server, records: Slow, shared: SharedKeys, clock: Clock
):
    known, other = await made(records, shared), await made(records, shared)
    await found(shared, known)
    # A change just before the end costs nobody what was known.
    await records.change_key(other.id, {"models": ("gpt",)})
    await shared.refresh()
    server.kill()
    with pytest.raises(StoreDown):
        await shared.refresh()
    clock.ahead = STALENESS - 5
    assert await found(shared, known) is not None
    with pytest.raises(StoreUnavailable) as unavailable:
        await found(shared, other)
    assert unavailable.value.retry_after is not None
    clock.ahead = STALENESS + 5
    assert shared.recall(EMPTY, known.digest) is None
    with pytest.raises(StoreUnavailable):
        await found(shared, known)
    # What the file holds does not depend on it.
    filed = keys.mint(PEPPER)
    holds = snapshot(keys={filed.digest: Key(filed.id, "t", filed.digest)})
    assert await authenticate(holds, shared, [filed.key], 0.0, 0.0)
    server.start()
    await until(lambda: records._store.health.is_up)
    await shared.refresh()
    assert await found(shared, known) is None  # it was only in memory there


async def test_nobody_is_unknown_while_the_store_is_down(server: Server, records: Slow, shared: SharedKeys):
    first, second = keys.mint(PEPPER), keys.mint(PEPPER)
    assert await found(shared, first) is None
    server.kill()
    for minted in (second, first):  # the second read tells that even what was known of the first may be old
        with pytest.raises(StoreUnavailable):
            await found(shared, minted)


async def test_what_a_poll_learns_of_an_outage_counts_too(server: Server, shared: SharedKeys):
    minted = keys.mint(PEPPER)
    assert await found(shared, minted) is None
    server.kill()
    with pytest.raises(StoreDown):
        await shared.refresh()
    with pytest.raises(StoreUnavailable):
        await found(shared, minted)


@pytest.mark.parametrize(("timeout", "within"), [(PATIENCE, 0.02), (TIMEOUT, PATIENCE), (PATIENCE, -1.0)])
async def test_nobody_waits_longer_than_he_or_the_store_has(
    server: Server, clock: Clock, timeout: float, within: float
):
    async with recorded(server.address, timeout) as client:
        shared = SharedKeys(KeyRecords(client.store, timeout), clock, STALENESS)
        await shared.refresh()
        server.pause()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await found(shared, keys.mint(PEPPER), within=within)
        assert time.monotonic() - began < SOON
        server.resume()
        await shared.close()


async def test_who_leaves_takes_nobody_along(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    records.open.clear()
    asking = [asyncio.create_task(found(shared, minted)) for _ in range(3)]
    await until(lambda: records.read == 1)
    asking[0].cancel()
    await asyncio.sleep(0)
    records.open.set()
    left, *stayed = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert all(isinstance(key, Key) for key in stayed)


async def test_a_read_from_before_a_revocation_revives_nothing(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    records.open.clear()
    early = asyncio.create_task(found(shared, minted))
    await until(lambda: records.read == 1)  # the store has said that it is not revoked
    records.read = 0
    await records.revoke([minted.id])
    await shared.refresh()
    late = asyncio.create_task(found(shared, minted))
    await asyncio.sleep(0)
    records.open.set()
    assert await asyncio.gather(early, late) == [None, None]
    assert shared.recall(EMPTY, minted.digest) is None


async def test_a_read_from_before_a_change_is_not_kept(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    records.open.clear()
    early = asyncio.create_task(found(shared, minted))
    await until(lambda: records.read == 1)
    await records.change_key(minted.id, {"models": ("gpt",)})
    await shared.refresh()
    # Whoever asks from now on must see the change, though the read of before is not back yet.
    late = asyncio.create_task(found(shared, minted))
    await asyncio.sleep(0)
    records.open.set()
    old, key = await asyncio.gather(early, late)
    assert old is not None
    assert key is not None
    assert key.models == ("gpt",)
    assert await found(shared, minted) == key


async def test_a_read_from_before_it_was_made_is_not_kept(records: Slow, shared: SharedKeys):
    minted = keys.mint(PEPPER)
    records.open.clear()
    early = asyncio.create_task(found(shared, minted))
    await until(lambda: records.read == 1)
    await records.create_key(minted, "acme", {})
    await shared.refresh()
    records.open.set()
    await early
    assert await found(shared, minted) is not None


async def test_half_a_refresh_is_none_but_revokes(records: Slow, shared: SharedKeys, clock: Clock):
    minted, other = await made(records, shared), await made(records, shared)
    await found(shared, minted)
    await found(shared, other)
    before = shared.state
    await records.change_key(other.id, {"models": ("gpt",)})
    await records.revoke([minted.id])
    records.fails = True
    clock.ahead = STALENESS - 5
    with pytest.raises(StoreDown):
        await shared.refresh()
    assert shared.state == before
    assert shared.recall(EMPTY, minted.digest) is None
    assert shared.recall(EMPTY, other.digest) is not None
    # Nor was it contact.
    clock.ahead = STALENESS + 5
    assert shared.recall(EMPTY, other.digest) is None
    records.fails = False
    assert await shared.refresh((await records.state()).version)
    key = shared.recall(EMPTY, other.digest)
    assert key is not None
    assert key.models == ("gpt",)


async def test_contact_counts_from_the_question(records: Slow, shared: SharedKeys, clock: Clock):
    minted = await made(records, shared)
    await found(shared, minted)
    await records.revoke(["abcd1234"])
    records.open.clear()
    refreshing = asyncio.create_task(shared.refresh())
    await until(lambda: records.read == 2)
    clock.ahead = STALENESS + 5
    records.open.set()
    await refreshing
    assert shared.recall(EMPTY, minted.digest) is None


async def test_what_the_store_holds_for_revoked_opens_nothing_even_before_a_refresh(records: Slow, shared: SharedKeys):
    minted = await made(records, shared)
    await records.revoke([minted.id])
    assert minted.id not in shared.revoked
    assert await found(shared, minted) is None
    assert shared.recall(EMPTY, minted.digest) is None


async def test_an_emptied_store_takes_its_keys_but_no_revocation(server: Server, records: Slow, shared: SharedKeys):
    minted, other = await made(records, shared), await made(records, shared)
    await found(shared, other)
    await records.revoke([minted.id])
    await shared.refresh()
    server.ask("FLUSHALL")
    await shared.refresh()
    assert minted.id in shared.revoked
    assert await found(shared, other) is None
    # Even if the records come back, from a copy for instance.
    await records.create_tenant("acme")
    await records.create_key(minted, "acme", {})
    await shared.refresh()
    assert await found(shared, minted) is None
    assert await records.revoke(shared.revoked) > 0
    assert await records.revoked() == shared.revoked


async def test_a_failover_that_lost_changes_is_noticed(server: Server, records: Slow, shared: SharedKeys):
    """Lost, then as many others made: the same version, and not the same records."""
    minted = await made(records, shared)
    await found(shared, minted)
    server.ask("HINCRBY", "segue:{segue}:state", "version", -1)
    await records.revoke([minted.id])
    assert (await records.state()).version == shared.state.version
    await shared.refresh()
    assert shared.recall(EMPTY, minted.digest) is None


async def test_other_replicas_learn_within_a_second(server: Server, records: Slow, shared: SharedKeys, clock: Clock):
    minted = await made(records, shared)
    before = asyncio.all_tasks()
    async with recorded(server.address) as other:
        elsewhere = SharedKeys(KeyRecords(other.store, PATIENCE), clock, STALENESS)
        running = asyncio.create_task(elsewhere.run())
        await until(lambda: elsewhere.state == shared.state)
        assert await found(elsewhere, minted) is not None
        for _ in range(3):
            minted = await made(records, shared)
            await asyncio.sleep(random.random() / 2)
            began = time.monotonic()
            await records.revoke([minted.id])
            await until(lambda: minted.id in elsewhere.revoked)  # noqa: B023
            assert time.monotonic() - began < 1.0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await elsewhere.close()
    assert asyncio.all_tasks() == before


async def test_contact_comes_back_by_itself(server: Server, clock: Clock):
    async with recorded(server.address, TIMEOUT) as other:
        shared = SharedKeys(KeyRecords(other.store, TIMEOUT), clock, STALENESS)
        running = asyncio.create_task(shared.run())
        await until(lambda: shared.state.version == 0)
        server.pause()
        await until(lambda: not other.store.health.is_up)
        clock.ahead += STALENESS + 5
        with pytest.raises(StoreUnavailable):
            await found(shared, keys.mint(PEPPER))
        server.resume()
        await until(lambda: other.store.health.is_up)
        await KeyRecords(other.store, TIMEOUT).revoke(["abcd1234"])
        await until(lambda: "abcd1234" in shared.revoked)
        assert await found(shared, keys.mint(PEPPER)) is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await shared.close()
