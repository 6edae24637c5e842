"""Who is there and obeys what, as replicas tell each other through the store."""

import time

import pytest

from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.key_records import KeyRecords
from proxy.store.records import State
from proxy.store.replicas import Replica, Replicas
from tests.store.recording import PATIENCE
from tests.store.servers import Server

STALENESS = 60.0
REPLICAS = "segue:{segue}:replicas"
NOTHING = State()


@pytest.fixture
def own(store: Store) -> Replicas:
    return Replicas(store, Replica("1", "own", 1764000000.25), STALENESS)


@pytest.fixture
def other(store: Store) -> Replicas:
    return Replicas(store, Replica("2", "other", 1764000001.5), STALENESS)


def grow_silent(server: Server, replica: str, seconds: float) -> None:
    """As if it had been heard of so much earlier."""
    heard, _, report = server.ask("HGET", REPLICAS, replica).partition(" ")
    server.ask("HSET", REPLICAS, replica, f"{int(heard) - int(seconds * 1_000_000)} {report}")


async def test_replicas_know_each_other(own: Replicas, other: Replicas):
    assert await own.living() == []
    obeyed = State("epoch", 7, "change")
    await own.beat(NOTHING)
    await other.beat(obeyed)
    both = [Replica("2", "other", 1764000001.5, obeyed), Replica("1", "own", 1764000000.25)]
    assert await own.living() == await other.living() == both
    await other.beat(NOTHING)
    assert [replica.obeys for replica in await own.living()] == [NOTHING, NOTHING]


async def test_who_does_not_obey_yet_is_missing(store: Store, own: Replicas, other: Replicas):
    records = KeyRecords(store, PATIENCE)
    await own.beat(NOTHING)
    await other.beat(NOTHING)
    version = await records.revoke(["abcd1234"])
    assert await own.missing(version) == ["other"]
    assert await other.missing(version) == ["own"]
    await other.beat(await records.state())
    assert await own.missing(version) == []
    assert await own.missing(version + 1) == ["other"]


async def test_obeying_an_emptied_store_proves_nothing(server: Server, store: Store, own: Replicas, other: Replicas):
    records = KeyRecords(store, PATIENCE)
    for key_id in ("abcd1234", "wxyz5678"):
        await records.revoke([key_id])
    before = await records.state()
    server.ask("FLUSHALL")
    version = await records.revoke(["abcd1234"])
    await other.beat(before)
    assert before.version > version
    assert await own.missing(version) == ["other"]


async def test_the_silent_do_not_count(server: Server, own: Replicas, other: Replicas):
    await own.beat(NOTHING)
    await other.beat(NOTHING)
    grow_silent(server, "2", STALENESS + 2.0)  # until then it may honour what it has not heard to be over
    assert await own.missing(1) == ["other"]
    grow_silent(server, "2", 1.5)
    assert await own.missing(1) == []
    assert [replica.name for replica in await own.living()] == ["own"]
    # It is heard of again.
    await other.beat(NOTHING)
    assert await own.missing(1) == ["other"]


async def test_the_gone_leave_nothing(server: Server, own: Replicas, other: Replicas):
    await own.beat(NOTHING)
    await other.beat(NOTHING)
    grow_silent(server, "2", 86_390.0)
    await own.beat(NOTHING)
    assert server.ask("HEXISTS", REPLICAS, "2") == 1
    grow_silent(server, "2", 15.0)
    await own.beat(NOTHING)
    assert server.ask("HEXISTS", REPLICAS, "2") == 0
    await own.leave()
    assert await other.living() == []
    assert server.ask("EXISTS", REPLICAS) == 0


async def test_time_is_the_stores(server: Server, own: Replicas):
    await own.beat(NOTHING)
    heard, _, _ = server.ask("HGET", REPLICAS, "1").partition(" ")
    seconds, _ = server.ask("TIME")
    assert 0 <= int(seconds) - int(heard) // 1_000_000 <= 5
    assert abs(time.time() - int(seconds)) < 5


async def test_a_full_store_hears_replicas(server: Server, own: Replicas):
    server.ask("CONFIG", "SET", "maxmemory", "1")
    await own.beat(NOTHING)
    assert len(await own.living()) == 1


async def test_no_store_no_answer(server: Server, own: Replicas):
    server.kill()
    for ask in (own.beat(NOTHING), own.leave(), own.living(), own.missing(0)):
        with pytest.raises(StoreDown):
            await ask
