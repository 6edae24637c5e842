"""A master that Sentinels name: found, and found again after another has taken its place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from proxy.runtime.store_address import parse_store_url
from proxy.store.down import StoreDown
from proxy.store.scripts import Script
from tests.store.clusters import SERVICE, SentinelSet, copied, sentinel_set, turns
from tests.store.faults import answering
from tests.store.recording import AT_ONCE, TIMEOUT, Recorded, fails, recorded
from tests.store.servers import free_ports, running

pytestmark = pytest.mark.timeout(120)

KEYS = ["segue:{segue}:x"]
COUNT = "#!lua\nreturn redis.call('INCR', KEYS[1])"
FAILED_OVER = 20.0  # seconds: given up after half a second, another elected after one or two more


@pytest.fixture
def servers(binary: Path) -> Iterator[SentinelSet]:
    with sentinel_set(binary) as servers:
        yield servers


@pytest.fixture
async def hasty(servers: SentinelSet) -> AsyncIterator[Recorded]:
    async with recorded(servers.address, TIMEOUT) as hasty:
        yield hasty


async def succeeds(hasty: Recorded, count: Script) -> int:
    """The first answer, however many failures come before it, each within its time."""
    async with asyncio.timeout(FAILED_OVER):
        while True:
            call = asyncio.create_task(hasty.store.run(count, KEYS, []))
            await asyncio.wait([call])
            if call.exception() is None:
                return int(call.result())
            assert isinstance(call.exception(), StoreDown)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("end", ["kill", "pause"])
async def test_a_replica_takes_over(servers: SentinelSet, hasty: Recorded, write: Callable[[str], Script], end: str):
    count = write(COUNT)
    assert await hasty.store.run(count, KEYS, []) == 1
    await copied(servers.master)
    master = servers.master
    getattr(master, end)()
    await fails(hasty.store.run(count, KEYS, []))
    await hasty.is_down()
    await fails(hasty.store.run(count, KEYS, []), AT_ONCE)
    assert await succeeds(hasty, count) == 2
    assert servers.master is not master
    await hasty.recovers()
    assert [health.is_up for health in hasty.changes] == [False, True]
    # Back again it holds itself for the master until a Sentinel says otherwise, but nobody asks it for anything.
    master.start() if end == "kill" else master.resume()
    for done in range(3, 30):
        assert await hasty.store.run(count, KEYS, []) == done
        await asyncio.sleep(0.1)


async def test_a_master_that_steps_down(servers: SentinelSet, hasty: Recorded, write: Callable[[str], Script]):
    """For some seconds it goes on to take writes, all of which are lost, so an answer proves nothing."""
    count = write(COUNT)
    before = servers.master
    assert await asked(hasty) == before.port
    servers.sentinels[0].ask("SENTINEL", "FAILOVER", SERVICE)
    await turns(lambda: servers.master is not before)
    async with asyncio.timeout(FAILED_OVER):
        while await asked(hasty) == before.port:
            assert before.ask("INFO", "replication")["role"] == "master"
            await asyncio.sleep(0.1)
    assert await hasty.store.run(count, KEYS, []) == 1
    assert hasty.changes == []


async def asked(client: Recorded) -> int:
    """The port of the server that answers."""
    _, port = await client.store.read("CONFIG", "GET", "port")
    return int(port)


async def test_sentinels_may_be_gone(servers: SentinelSet, write: Callable[[str], Script]):
    count = write(COUNT)
    (nobody,) = free_ports(1)
    servers.sentinels[0].kill()
    servers.sentinels[1].pause()
    url = f"redis+sentinel://127.0.0.1:{nobody}," + ",".join(f"127.0.0.1:{each.port}" for each in servers.sentinels)
    async with recorded(parse_store_url(f"{url}/{SERVICE}")) as client:
        assert await client.store.run(count, KEYS, []) == 1
    async with recorded(parse_store_url(f"{url}/{SERVICE}"), TIMEOUT) as hasty:
        # The frozen one costs the first calls their time, and no more than that.
        await fails(hasty.store.run(count, KEYS, []))
        assert await succeeds(hasty, count) == 2


async def test_sentinels_that_went_after_they_were_asked(servers: SentinelSet, hasty: Recorded):
    assert await hasty.store.run(Script("probe"), KEYS, []) == 1
    for sentinel in servers.sentinels:
        sentinel.kill()
    for _ in range(25):
        assert await hasty.store.run(Script("probe"), KEYS, []) == 1
        await asyncio.sleep(0.1)
    assert hasty.changes == []


def belief(port: int, epoch: int) -> bytes:
    """What a Sentinel says of the master."""
    words = ("name", SERVICE, "ip", "127.0.0.1", "port", str(port), "flags", "master", "config-epoch", str(epoch))
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


@pytest.mark.parametrize("epochs", [(1, 2), (2, 1), (2, 10)])
async def test_the_newest_belief_counts(binary: Path, epochs: tuple[int, int]):
    """A Sentinel cut off from the others goes on to name the old master."""
    ports = free_ports(2)
    with running(binary, port=ports[0]), running(binary, port=ports[1]):
        async with answering(belief(ports[0], epochs[0])) as one, answering(belief(ports[1], epochs[1])) as other:
            hosts = f"127.0.0.1:{one.hosts[0][1]},127.0.0.1:{other.hosts[0][1]}"
            async with recorded(parse_store_url(f"redis+sentinel://{hosts}/{SERVICE}")) as client:
                assert await asked(client) == ports[epochs.index(max(epochs))]


async def test_a_service_they_do_not_know(servers: SentinelSet):
    url = f"redis+sentinel://127.0.0.1:{servers.sentinels[0].port}/nothing"
    async with recorded(parse_store_url(url), TIMEOUT) as hasty:
        failure = await fails(hasty.store.run(Script("probe"), KEYS, []))
        assert failure.kind == "refused"
        assert f"no Sentinel of {url} names a master" in str(failure)


async def test_a_password_that_sentinels_do_not_want(binary: Path):
    with sentinel_set(binary, "secret") as servers:
        async with recorded(servers.address) as client:
            assert await client.store.run(Script("probe"), KEYS, []) == 1


async def test_a_password_that_sentinels_want_too(binary: Path):
    with sentinel_set(binary, "secret") as servers:
        for sentinel in servers.sentinels:
            sentinel.ask("ACL", "SETUSER", "default", "resetpass", ">secret")
        async with recorded(servers.address) as client:
            assert await client.store.run(Script("probe"), KEYS, []) == 1
