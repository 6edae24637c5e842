"""Whatever a server does, a call ends within one timeout, the next ones at once, and the store comes back by itself."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.runtime.store_address import parse_store_url
from proxy.store.client import Store
from proxy.store.scripts import Script
from tests.store.recording import AT_ONCE, CROWDED, RECOVERY, TIMEOUT, Recorded, fails, recorded
from tests.store.servers import Server, free_ports, running

PROBE = Script("probe")
KEYS = ["segue:{segue}:x"]


async def works(store: Store) -> None:
    assert await store.run(PROBE, KEYS, []) == 1


async def is_down(client: Recorded, kind: str) -> None:
    """A call fails within one timeout, after which nobody waits, and what is wrong is known soon."""
    assert (await fails(client.store.run(PROBE, KEYS, []))).kind in (kind, "timeout")
    await client.is_down()
    for _ in range(20):
        assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"
        assert (await fails(client.store.read("GET", *KEYS), AT_ONCE)).kind == "breaker"
    async with asyncio.timeout(RECOVERY):
        while client.store.health.kind != kind:
            assert not client.store.health.is_up
            await asyncio.sleep(0.01)


async def is_well(client: Recorded) -> None:
    """It is so by itself, and has told of one failure and one recovery."""
    await client.recovers()
    await works(client.store)
    assert [health.is_up for health in client.changes] == [False, True]


async def test_a_paused_server(server: Server, hasty: Recorded):
    await works(hasty.store)
    server.pause()
    await is_down(hasty, "timeout")
    await asyncio.sleep(1.2)  # some probes fail meanwhile
    server.resume()
    await is_well(hasty)


async def test_a_crowd_in_front_of_a_paused_server(server: Server, hasty: Recorded):
    await works(hasty.store)
    server.pause()
    failures = await asyncio.gather(*(fails(hasty.store.run(PROBE, KEYS, []), CROWDED) for _ in range(300)))
    assert {failure.kind for failure in failures} <= {"timeout", "breaker"}
    await hasty.is_down()
    assert hasty.ups_and_downs == ["timeout"]


async def test_a_killed_server(server: Server, hasty: Recorded):
    await works(hasty.store)
    server.kill()
    await is_down(hasty, "refused")
    server.start()
    await is_well(hasty)


async def test_a_server_killed_while_it_is_asked(server: Server, hasty: Recorded):
    await works(hasty.store)
    server.pause()
    asked = asyncio.create_task(fails(hasty.store.run(PROBE, KEYS, [])))
    await asyncio.sleep(0.02)
    server.kill()
    assert (await asked).kind == "refused"
    await fails(hasty.store.run(PROBE, KEYS, []), AT_ONCE)


async def test_a_full_server(server: Server, hasty: Recorded, write: Callable[[str], Script]):
    store = hasty.store
    settles = write("#!lua flags=allow-oom\nreturn redis.call('INCR', KEYS[1])")
    reads = write("#!lua flags=no-writes\nreturn redis.call('GET', KEYS[1])")
    await works(store)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert (await fails(store.run(PROBE, KEYS, []))).kind == "full"
    for _ in range(20):
        assert (await fails(store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"
    # What may be done all the same is done all the same, however long it lasts.
    for done in range(1, 8):
        assert await store.run(settles, KEYS, []) == done
        assert await store.run(reads, KEYS, []) == await store.read("GET", *KEYS) == str(done).encode()
        assert not store.health.is_up
        await asyncio.sleep(0.1)
    server.ask("CONFIG", "SET", "maxmemory", "0")
    await is_well(hasty)


async def test_a_slow_server(server: Server, hasty: Recorded):
    await works(hasty.store)
    sleeping = asyncio.create_task(asyncio.to_thread(server.ask, "DEBUG", "SLEEP", "0.7"))
    await asyncio.sleep(0.05)
    await is_down(hasty, "timeout")
    await sleeping
    await is_well(hasty)


async def test_a_server_that_takes_a_script_of_its_own_too_seriously(server: Server, hasty: Recorded):
    server.ask("CONFIG", "SET", "busy-reply-threshold", "50")
    await works(hasty.store)
    endless = asyncio.create_task(asyncio.to_thread(server.ask, "EVAL", "while true do end", 0))
    await asyncio.sleep(0.2)
    await is_down(hasty, "loading")
    server.ask("SCRIPT", "KILL")
    await asyncio.gather(endless, return_exceptions=True)
    await is_well(hasty)


async def test_a_server_that_is_still_loading(server: Server, hasty: Recorded):
    server.ask("EVAL", "for i = 1, 2000 do redis.call('SET', 'k' .. i, 'x') end", 0)
    server.ask("SAVE")
    server.stop()
    server.start("--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024")
    await is_down(hasty, "loading")
    await is_well(hasty)


async def test_a_server_that_takes_no_writes(server: Server, hasty: Recorded, write: Callable[[str], Script]):
    store = hasty.store
    settles = write("#!lua flags=allow-oom\nreturn redis.call('INCR', KEYS[1])")
    await works(store)
    (nobody,) = free_ports(1)
    server.ask("REPLICAOF", "127.0.0.1", nobody)
    assert (await fails(store.run(PROBE, KEYS, []))).kind == "read_only"
    assert (await fails(store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"
    assert (await fails(store.run(settles, KEYS, []), AT_ONCE)).kind == "breaker"
    assert await store.read("GET", *KEYS) is None
    server.ask("REPLICAOF", "NO", "ONE")
    await hasty.recovers()
    assert await store.run(settles, KEYS, []) == 1
    assert hasty.ups_and_downs == ["read_only", ""]


async def test_a_server_with_too_few_replicas(server: Server, hasty: Recorded):
    server.ask("CONFIG", "SET", "min-replicas-to-write", "1")
    assert (await fails(hasty.store.run(PROBE, KEYS, []))).kind == "read_only"
    server.ask("CONFIG", "SET", "min-replicas-to-write", "0")
    await hasty.recovers()


async def test_no_server_at_first(server: Server, hasty: Recorded):
    server.stop()
    await is_down(hasty, "refused")
    server.start()
    await is_well(hasty)


async def test_no_listener_on_the_port(binary: object):
    (port,) = free_ports(1)
    async with recorded(parse_store_url(f"redis://127.0.0.1:{port}"), TIMEOUT) as client:
        await is_down(client, "refused")


async def test_a_host_that_does_not_exist():
    async with recorded(parse_store_url("redis://store.invalid:6379"), TIMEOUT) as client:
        assert (await fails(client.store.run(PROBE, KEYS, []))).kind in ("refused", "timeout")
        assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"


@pytest.mark.parametrize("written", ["", ":wrong@", "nobody:wrong@"])
async def test_wrong_credentials(binary, written: str):
    (port,) = free_ports(1)
    with running(binary, "--requirepass", "right", port=port):
        async with recorded(parse_store_url(f"redis://{written}127.0.0.1:{port}"), TIMEOUT) as client:
            failure = await fails(client.store.run(PROBE, KEYS, []))
            assert failure.kind == "refused"
            assert "wrong" not in str(failure).replace("invalid username-password pair or user is disabled", "")
            await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)
            assert client.ups_and_downs == ["refused"]
        async with recorded(parse_store_url(f"redis://:right@127.0.0.1:{port}"), TIMEOUT) as client:
            await works(client.store)
