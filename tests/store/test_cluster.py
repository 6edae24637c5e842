"""A cluster of six nodes: keys are found where they are, and again after their node is gone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from proxy.runtime.store_address import parse_store_url
from proxy.store import names
from proxy.store.down import StoreDown
from proxy.store.scripts import Script
from tests.store.clusters import Cluster, becomes, copied, six_nodes
from tests.store.recording import AT_ONCE, SOON, TIMEOUT, Recorded, fails, recorded
from tests.store.servers import Server, free_ports

pytestmark = pytest.mark.timeout(120)

BOTH = "#!lua\nredis.call('INCR', KEYS[1])\nreturn redis.call('INCR', KEYS[2])"
FAILED_OVER = 20.0  # seconds: a node is given up after one, and another elected after one or two more


@pytest.fixture(scope="module")
def cluster(binary: Path) -> Iterator[Cluster]:
    with six_nodes(binary) as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Recorded]:
    async with recorded(cluster.address) as client:
        yield client


@pytest.fixture
async def hasty(cluster: Cluster) -> AsyncIterator[Recorded]:
    """Knows already where the keys are."""
    async with recorded(cluster.address) as first:
        await first.store.read("GET", "x")
    async with recorded(cluster.address, TIMEOUT) as hasty:
        async with asyncio.timeout(SOON + 5):
            while not await answers(hasty, "x"):
                await asyncio.sleep(0.05)
        hasty.changes.clear()
        yield hasty


async def answers(client: Recorded, key: str) -> bool:
    try:
        await client.store.read("GET", key)
    except StoreDown:
        return False
    return True


def family(tenant: str) -> list[str]:
    return [names.of_tenant(tenant, "quota"), names.of_tenant(tenant, "leases")]


def tenant_of(cluster: Cluster, node: Server) -> str:
    return next(f"t{n}" for n in range(1000) if cluster.owner(family(f"t{n}")[0]) is node)


async def test_a_script_runs_where_its_family_is(cluster: Cluster, client: Recorded, write: Callable[[str], Script]):
    both = write(BOTH)
    tenants = [f"tenant-{number}" for number in range(60)]
    families = [
        *map(family, tenants),
        [names.of_records("a"), names.of_records("b")],
        [names.of_target("x/y", "b")] * 2,
    ]
    await asyncio.gather(*(client.store.run(both, keys, []) for keys in families))
    for keys in families[:-1]:
        assert await client.store.run(both, keys, []) == 2
        assert await client.store.read("GET", keys[0]) == b"2"
    masters = [node for node in cluster.nodes if node.ask("INFO", "replication")["role"] == "master"]
    assert all(int(node.ask("DBSIZE")) > 20 for node in masters)
    assert client.changes == []


async def test_keys_of_two_families_are_a_mistake_of_the_script(client: Recorded, write: Callable[[str], Script]):
    failure = await fails(client.store.run(write(BOTH), [*family("a")[:1], *family("b")[:1]], []))
    assert failure.kind == "broken"
    assert client.changes == []


async def test_scripts_that_one_node_forgot(cluster: Cluster, client: Recorded, write: Callable[[str], Script]):
    both = write(BOTH)
    await client.store.run(both, family("forgotten"), [])
    cluster.owner(family("forgotten")[0]).ask("SCRIPT", "FLUSH")
    assert await client.store.run(both, family("forgotten"), []) == 2


async def test_a_slot_that_moves(cluster: Cluster, client: Recorded, write: Callable[[str], Script]):
    both = write(BOTH)
    count = write("#!lua\nreturn redis.call('INCR', KEYS[1])")
    keys = family("moving")
    source = cluster.owner(keys[0])
    target = next(cluster.at(entry[2][1]) for entry in cluster.slots() if entry[2][1] != source.port)
    slot = str(source.ask("CLUSTER", "KEYSLOT", keys[0]))
    source_id, target_id = (str(node.say("CLUSTER", "MYID")) for node in (source, target))
    assert await client.store.run(both, keys, []) == 1
    # Half way, what is still there is answered there, and what is not is looked for at the new place.
    target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    assert await client.store.run(both, keys, []) == 2
    source.say("DEL", *keys)
    assert await client.store.run(count, keys[:1], []) == 1
    assert await client.store.run(count, keys[:1], []) == 2
    assert await client.store.read("GET", keys[0]) == b"2"
    # No node may touch several keys of which it lacks one; that is no reason to stop asking for others.
    assert (await fails(client.store.run(both, keys, []))).kind == "refused"
    for node in (target, source):
        node.say("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    assert await client.store.run(both, keys, []) == 1
    assert target.say("GET", keys[0]) == "3"
    assert client.changes == []
    becomes(cluster.is_whole)


async def test_the_first_node_need_not_answer(cluster: Cluster):
    (nobody,) = free_ports(1)
    living = cluster.nodes[4].port
    async with recorded(parse_store_url(f"redis+cluster://127.0.0.1:{nobody},127.0.0.1:{living}")) as client:
        assert await client.store.run(Script("probe"), family("a"), []) == 1


async def test_no_node_answers():
    ports = free_ports(3)
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)
    async with recorded(parse_store_url(url), TIMEOUT) as client:
        assert (await fails(client.store.run(Script("probe"), family("a"), []))).kind == "refused"
        await fails(client.store.run(Script("probe"), family("a"), []), AT_ONCE)
        assert client.ups_and_downs == ["refused"]


@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_a_replica_takes_over(cluster: Cluster, hasty: Recorded, write: Callable[[str], Script], end: str):
    becomes(cluster.is_whole)
    both = write(BOTH)
    node = cluster.owner(family("t0")[0])
    other = next(cluster.at(entry[2][1]) for entry in cluster.slots() if entry[2][1] != node.port)
    keys, elsewhere = family("t0"), family(tenant_of(cluster, other))
    before = await hasty.store.run(both, keys, [])
    await hasty.store.run(both, elsewhere, [])
    await copied(node)
    getattr(node, end)()
    failures = 0
    async with asyncio.timeout(FAILED_OVER):
        while True:
            # Those whose keys are elsewhere notice nothing.
            assert await hasty.store.read("GET", elsewhere[0]) is not None
            try:
                after = await hasty.store.run(both, keys, [])
                break
            except StoreDown:
                failures += 1
                await asyncio.sleep(0.05)
    assert failures > 0
    assert after == before + 1
    assert cluster.owner(keys[0]) is not node
    await hasty.recovers()
    assert [health.is_up for health in hasty.changes] == [False, True]
    node.start() if end == "kill" else node.resume()
    becomes(cluster.is_whole)
    assert await hasty.store.run(both, keys, []) == after + 1
