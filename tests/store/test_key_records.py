"""Tenants and keys in a real store: what a change does, and what it refuses."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
from redis.crc import key_slot

from proxy.runtime import keys
from proxy.store.client import Store
from proxy.store.key_records import KeyRecords
from proxy.store.names import CHANGES
from proxy.store.records import AlreadyThere, Ended, HeldKey, NotFound, State, TenantRecord
from tests.store.keyring import PEPPER, held, made
from tests.store.recording import PATIENCE
from tests.store.servers import Server


@pytest.fixture
def records(store: Store) -> KeyRecords:
    return KeyRecords(store, PATIENCE)


async def test_a_tenant(records: KeyRecords):
    before = time.time()
    version, tenant = await records.create_tenant("acme", "comments")
    assert (version, tenant.name, tenant.fallback_events) == (1, "acme", "comments")
    assert before - 5 < tenant.created < time.time() + 5
    assert await records.read_tenant("acme") == tenant
    version, changed = await records.change_tenant("acme", None)
    assert (version, changed) == (2, TenantRecord("acme", None, tenant.created))
    await records.create_tenant("Ünïcode {braces}: spaces")
    assert [each.name for each in await records.list_tenants()] == ["acme", "Ünïcode {braces}: spaces"]


async def test_a_key(records: KeyRecords):
    await records.create_tenant("acme", "none")
    minted = keys.mint(PEPPER)
    rights = {"models": ("gpt*",), "scopes": ("generate",), "expires": 4102444800.123456, "fallback_events": "events"}
    version, key = await records.create_key(minted, "acme", rights)
    assert version == 2
    assert (key.id, key.digest, key.tenant) == (minted.id, minted.digest, "acme")
    assert {name: getattr(key, name) for name in rights} == rights
    found = await held(records, minted)
    assert found == HeldKey(key, await records.read_tenant("acme"), False)
    assert await records.read_key(minted.id) == found
    assert await records.list_keys() == await records.list_keys("acme") == [found]
    assert await records.list_keys("others") == []


async def test_nothing_that_opens_anything_is_kept(server: Server, records: KeyRecords):
    first = await made(records)
    second = keys.mint(PEPPER)
    await records.rotate_key(first.id, second, 10.0)
    read = {"hash": "HGETALL", "set": "SMEMBERS"}
    kept = str([server.ask(read[server.ask("TYPE", name)], name) for name in server.ask("KEYS", "*")])
    for minted in (first, second):
        parts = keys.parse(minted.key)
        assert parts is not None
        assert minted.digest in kept
        assert parts.secret not in kept
        assert minted.key not in repr(minted)


async def test_records_never_expire_and_share_a_slot(server: Server, records: KeyRecords):
    await made(records, "a}tenant{of braces")
    await records.revoke(["abcd1234"])
    names = server.ask("KEYS", "*")
    assert len(names) == 6
    assert {server.ask("TTL", name) for name in names} == {-1}
    assert len({key_slot(name.encode()) for name in (*names, CHANGES)}) == 1


async def test_rights_change_one_by_one(records: KeyRecords):
    minted = await made(records)
    first = await records.read_key(minted.id)
    assert (first.key.models, first.key.expires) == ((), None)
    await records.change_key(minted.id, {"models": ("gpt",)})
    await records.change_key(minted.id, {"expires": 4102444800.5})
    _, key = await records.change_key(minted.id, {"scopes": ("models",), "fallback_events": "none"})
    assert (key.models, key.expires, key.scopes, key.fallback_events) == (("gpt",), 4102444800.5, ("models",), "none")
    _, key = await records.change_key(minted.id, {"expires": None})
    assert key.expires is None
    assert (await records.read_key(minted.id)).key == key
    assert (key.id, key.digest, key.created) == (minted.id, minted.digest, first.key.created)


async def test_what_a_later_version_wrote_survives(server: Server, records: KeyRecords):
    minted = await made(records)
    name = "segue:{segue}:keys"
    record = json.loads(server.ask("HGET", name, minted.digest))
    server.ask("HSET", name, minted.digest, json.dumps({**record, "limits": {"requests": [1, 2]}}, indent=1))
    await records.change_key(minted.id, {"models": ("gpt",)})
    successor = keys.mint(PEPPER)
    await records.rotate_key(minted.id, successor, 1.0)
    for each in (minted, successor):
        assert json.loads(server.ask("HGET", name, each.digest))["limits"] == {"requests": [1, 2]}


@pytest.mark.parametrize("text", ["", "{", "5", "null", "[]", "{}", '{"id": "abcd1234"}', '{"tenant": 5}', "\udcff"])
async def test_what_is_not_ours_opens_nothing(server: Server, records: KeyRecords, text: str):
    good, bad = await made(records), await made(records)
    server.ask("HSET", "segue:{segue}:keys", bad.digest, text.encode("utf-8", "surrogateescape"))
    [found, nothing] = await records.find_keys([good.digest, bad.digest])
    assert found is not None
    assert nothing is None
    assert [each.key.id for each in await records.list_keys()] == [good.id]
    with pytest.raises(NotFound):
        await records.change_key(bad.id, {"models": ()})


async def test_what_there_is_not(records: KeyRecords):
    minted = keys.mint(PEPPER)
    missing: list[Callable[[], Awaitable[object]]] = [
        lambda: records.read_tenant("acme"),
        lambda: records.change_tenant("acme", None),
        lambda: records.delete_tenant("acme"),
        lambda: records.create_key(minted, "acme", {}),
        lambda: records.read_key("abcd1234"),
        lambda: records.change_key("abcd1234", {"models": ()}),
        lambda: records.rotate_key("abcd1234", minted, 1.0),
    ]
    for ask in missing:
        with pytest.raises(NotFound, match=r"acme|abcd1234"):
            await ask()
    assert await records.state() == State()
    assert await held(records, minted) is None
    assert await records.find_keys([]) == []


async def test_what_is_taken(records: KeyRecords):
    minted = await made(records)
    other = await made(records)
    with pytest.raises(AlreadyThere, match="acme"):
        await records.create_tenant("acme")
    with pytest.raises(AlreadyThere, match=minted.id):
        await records.create_key(minted, "acme", {})
    with pytest.raises(AlreadyThere, match=minted.id):
        await records.create_key(keys.mint(PEPPER)._replace(id=minted.id), "acme", {})
    with pytest.raises(AlreadyThere, match=minted.id):
        await records.rotate_key(other.id, minted, 1.0)
    await records.revoke(["zzzz0000"])
    with pytest.raises(AlreadyThere, match="zzzz0000"):
        await records.create_key(keys.mint(PEPPER)._replace(id="zzzz0000"), "acme", {})


async def test_a_key_of_a_tenant_in_the_file(records: KeyRecords):
    minted = keys.mint(PEPPER)
    await records.create_key(minted, "filed", {}, is_tenant_in_file=True)
    found = await held(records, minted)
    assert found is not None
    assert (found.key.tenant, found.tenant) == ("filed", None)


async def test_whose_requests_were_cut(records: KeyRecords):
    minted = await made(records)
    await records.revoke([minted.id])
    before = await records.state()
    assert await records.were_cut() == set()
    assert await records.cut([minted.id, "infile01"]) == before.version + 1
    assert await records.were_cut() == {minted.id, "infile01"}
    assert await records.cut([minted.id]) == before.version + 1, "said again it changes nothing"
    assert await records.cut([]) == 0


async def test_rotation(records: KeyRecords):
    minted, successor = await made(records), keys.mint(PEPPER)
    await records.change_key(minted.id, {"models": ("gpt",), "scopes": ("generate",), "fallback_events": "none"})
    before = time.time()
    version, old, heir = await records.rotate_key(minted.id, successor, 60.0)
    assert version == 4
    assert old.expires is not None
    assert before + 55 < old.expires < time.time() + 65
    assert (old.rotated_to, heir.rotated_from, heir.rotated_to) == (successor.id, minted.id, None)
    assert (heir.id, heir.digest, heir.expires) == (successor.id, successor.digest, None)
    assert (heir.models, heir.scopes, heir.fallback_events) == (("gpt",), ("generate",), "none")
    assert [each.key for each in await records.list_keys("acme")] == [old, heir]
    with pytest.raises(Ended, match=successor.id):
        await records.rotate_key(minted.id, keys.mint(PEPPER), 60.0)
    # What is left of the old key can still be ended at once, and its successor lives on.
    await records.revoke([minted.id])
    assert [each.is_revoked for each in await records.list_keys()] == [True, False]


async def test_rotation_never_prolongs(records: KeyRecords):
    minted = await made(records)
    expires = time.time() + 30
    await records.change_key(minted.id, {"expires": expires})
    _, old, heir = await records.rotate_key(minted.id, keys.mint(PEPPER), 3600.0)
    assert (old.expires, heir.expires) == (expires, expires)


async def test_nothing_left_to_rotate(records: KeyRecords):
    expired, revoked = await made(records), await made(records)
    await records.change_key(expired.id, {"expires": time.time() - 60})
    await records.revoke([revoked.id])
    for minted, word in ((expired, "expired"), (revoked, "revoked")):
        with pytest.raises(Ended, match=word):
            await records.rotate_key(minted.id, keys.mint(PEPPER), 60.0)
    assert len(await records.list_keys()) == 2


async def test_the_end_of_a_tenant(records: KeyRecords):
    mine = {(await made(records, "acme")).id for _ in range(3)}
    other = await made(records, "other")
    end = await records.delete_tenant("acme")
    assert (end.version, set(end.keys)) == (7, mine)
    assert [each.key.id for each in await records.list_keys()] == [other.id]
    assert await records.revoked() == mine
    await records.create_tenant("acme")
    assert await records.list_keys("acme") == []


async def test_revocation(records: KeyRecords):
    minted = await made(records)
    assert await records.revoke([minted.id, "inthefile"]) == 3
    assert await records.revoked() == {minted.id, "inthefile"}
    found = await held(records, minted)
    assert found is not None
    assert found.is_revoked
    with pytest.raises(Ended, match=minted.id):
        await records.change_key(minted.id, {"expires": None})
    # Saying it again is no change.
    state = await records.state()
    assert await records.revoke(["inthefile"]) == 3
    assert await records.state() == state
    assert await records.revoke([]) == 0


async def test_many_at_once(records: KeyRecords):
    ids = {f"{number:08d}" for number in range(9_000)}
    await records.revoke(ids)
    assert await records.revoked() == ids


async def test_a_tenant_of_many_keys(records: KeyRecords):
    await records.create_tenant("acme")
    for _ in range(60):
        await asyncio.gather(*(records.create_key(keys.mint(PEPPER), "acme", {}) for _ in range(10)))
    assert len(await records.list_keys("acme")) == 600
    assert len((await records.delete_tenant("acme")).keys) == 600
    assert await records.list_keys() == []


async def test_every_change_counts_and_is_told(store: Store, records: KeyRecords):
    told: list[str | None] = []

    async def listen() -> None:
        async for message in store.subscriber(CHANGES).messages():
            told.append(message.data)

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(5):
            while told != [None]:
                await asyncio.sleep(0.01)
        minted, states = await made(records), [await records.state()]
        await records.change_key(minted.id, {"models": ("a",)})
        states.append(await records.state())
        await records.revoke(["inthefile"])
        states.append(await records.state())
        assert [state.version for state in states] == [2, 3, 4]
        assert len({state.epoch for state in states}) == 1
        assert len({state.change for state in states}) == 3
        async with asyncio.timeout(5):
            while told != [None, "1", "2", "3", "4"]:
                await asyncio.sleep(0.01)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_an_emptied_store_is_another_one(server: Server, records: KeyRecords):
    await made(records)
    first = await records.state()
    server.ask("FLUSHALL")
    assert await records.state() == State()
    assert await records.revoke(["abcd1234"]) == 1
    second = await records.state()
    assert second.version == 1
    assert second.epoch != first.epoch
