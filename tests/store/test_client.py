"""The client of one server: what a call gives, what it costs, what it tells."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.runtime.store_address import parse_store_url
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.scripts import Script
from tests.store.conftest import Run
from tests.store.faults import Middle, answering, between
from tests.store.recording import AT_ONCE, CROWDED, RECOVERY, SOON, TIMEOUT, Recorded, fails, recorded
from tests.store.servers import Server, free_ports, running

PROBE = Script("probe")
KEYS = ["segue:{segue}:x"]
COUNT = "#!lua\nreturn redis.call('INCR', KEYS[1])"


@pytest.fixture
async def middle(binary: Path) -> AsyncIterator[Middle]:
    """In front of a server that wants a password."""
    (port,) = free_ports(1)
    with running(binary, "--requirepass", "secret", port=port):
        async with between(port) as middle:
            yield middle


def through(middle: Middle) -> str:
    return f"redis://:secret@127.0.0.1:{middle.port}"


def connections(server: Server) -> int:
    """How many were made since it started."""
    return int(server.ask("INFO", "stats")["total_connections_received"])


async def test_what_a_script_and_a_command_return(store: Store, write: Callable[[str], Script]):
    echo = write("#!lua flags=no-writes\nreturn {KEYS[1], ARGV[1], 7, false, {ARGV[2]}}")
    assert await store.run(echo, KEYS, ["ü", ""]) == [KEYS[0].encode(), "ü".encode(), 7, None, [b""]]
    assert await store.read("GET", "segue:{segue}:y") is None
    assert await store.read("PING") == b"PONG"
    assert await store.read("HGETALL", "segue:{segue}:y") == []


async def test_the_harness_runs_a_script_by_its_name(run: Run):
    assert await run("probe", KEYS) == 1


async def test_amounts_and_times_keep_every_digit(store: Store, write: Callable[[str], Script]):
    """As decimal strings: a number that passes through cjson comes back as a float."""
    through_cjson = write("#!lua\nreturn cjson.encode(cjson.decode(ARGV[1]))")
    added = write("#!lua\nredis.call('HINCRBY', KEYS[1], 'x', ARGV[1])\nreturn redis.call('HGET', KEYS[1], 'x')")
    exact = "1764000000123456"
    assert await store.run(through_cjson, KEYS, [exact]) == b"1.7640000001235e+15"
    assert await store.run(added, KEYS, [exact]) == exact.encode()


async def test_a_scripts_own_error_says_nothing_about_the_server(
    server: Server, client: Recorded, write: Callable[[str], Script]
):
    store = client.store
    await store.run(PROBE, KEYS, [])
    before = connections(server)
    wrong = write("#!lua\nredis.call('SET', KEYS[1], 'text')\nreturn redis.call('INCR', KEYS[1])")
    refuses = write("#!lua\nreturn redis.error_reply('NOTSO said the script')")
    undeclared = write("#!lua\nreturn nonsense")
    for script in (wrong, refuses, undeclared):
        assert (await fails(store.run(script, KEYS, []))).kind == "broken"
    assert "NOTSO said the script" in str(await fails(store.run(refuses, KEYS, [])))
    assert (await fails(store.read("HGET", *KEYS, "field"))).kind == "broken"
    assert await store.run(PROBE, KEYS, []) == 1
    assert connections(server) == before + 1  # this very question
    assert client.changes == []


async def test_outcomes_and_times_are_told(server: Server, hasty: Recorded):
    await hasty.store.run(PROBE, KEYS, [])
    server.pause()
    await fails(hasty.store.run(PROBE, KEYS, []))
    await fails(hasty.store.run(PROBE, KEYS, []))
    assert [outcome for outcome, _ in hasty.calls] == ["ok", "timeout", "breaker"]
    ok, timeout, breaker = (seconds for _, seconds in hasty.calls)
    assert 0 < ok < TIMEOUT <= timeout < SOON
    assert breaker == 0.0
    server.resume()
    await hasty.recovers()
    assert len(hasty.calls) == 3  # probes are not calls


async def test_health_says_since_when(server: Server, hasty: Recorded):
    began = hasty.store.health
    assert began.is_up
    assert began.since <= time.monotonic()
    server.stop()
    await fails(hasty.store.run(PROBE, KEYS, []))
    down = hasty.store.health
    assert (down.is_up, down.kind) == (False, "refused")
    assert down.since > began.since
    await asyncio.sleep(0.3)
    assert hasty.store.health == down
    server.start()
    await hasty.recovers()
    assert hasty.store.health.kind == ""
    assert hasty.store.health.since > down.since
    assert hasty.changes == [down, hasty.store.health]


async def test_who_merely_polls_sees_it_recover(server: Server, hasty: Recorded):
    server.stop()
    outcomes: list[bool] = []

    async def poll() -> None:
        while outcomes[-2:] != [False, True]:
            try:
                await hasty.store.read("HGET", "segue:{segue}:state", "version")
                outcomes.append(True)
            except StoreDown:
                outcomes.append(False)
                if len(outcomes) == 2:
                    server.start()
            await asyncio.sleep(0.5)

    async with asyncio.timeout(RECOVERY):
        await poll()
    assert hasty.ups_and_downs == ["refused", ""]


async def test_every_outage_is_told_once(server: Server, hasty: Recorded):
    for outage in range(1, 5):
        server.pause()
        await asyncio.gather(*(fails(hasty.store.run(PROBE, KEYS, []), CROWDED) for _ in range(20)))
        await hasty.is_down()
        server.resume()
        await hasty.recovers()
        assert await hasty.store.run(PROBE, KEYS, []) == 1
        assert hasty.ups_and_downs == ["timeout", ""] * outage


async def test_a_caller_may_have_less_time(server: Server, hasty: Recorded):
    await hasty.store.run(PROBE, KEYS, [], within=5.0)  # more than a timeout it cannot have
    server.pause()
    began = time.monotonic()
    assert (await fails(hasty.store.run(PROBE, KEYS, [], within=0.01))).kind == "timeout"
    assert time.monotonic() - began < TIMEOUT
    # That proved nothing, but made somebody look.
    assert hasty.store.health.is_up
    async with asyncio.timeout(1):
        while hasty.store.health.is_up:
            await asyncio.sleep(0.01)
    server.resume()
    await hasty.recovers()


async def test_callers_in_a_hurry_do_not_stop_a_store_that_works(server: Server, client: Recorded):
    await client.store.run(PROBE, KEYS, [])
    server.pause()  # for a moment that a whole timeout would outlast
    for _ in range(5):
        await fails(client.store.run(PROBE, KEYS, [], within=0.01))
    server.resume()
    assert await client.store.run(PROBE, KEYS, []) == 1
    await asyncio.sleep(0.3)
    assert client.changes == []


@pytest.mark.parametrize("within", [0.0, -1.0])
async def test_without_time_nothing_is_sent(client: Recorded, write: Callable[[str], Script], within: float):
    count = write(COUNT)
    assert await client.store.run(count, KEYS, []) == 1
    assert (await fails(client.store.run(count, KEYS, [], within=within), AT_ONCE)).kind == "timeout"
    assert await client.store.run(count, KEYS, []) == 2
    assert [outcome for outcome, _ in client.calls] == ["ok", "timeout", "ok"]


async def test_a_process_that_was_itself_late_does_not_blame_the_store(hasty: Recorded):
    await hasty.store.run(PROBE, KEYS, [])
    asked = asyncio.create_task(hasty.store.run(PROBE, KEYS, []))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(3 * TIMEOUT)
    await asyncio.gather(asked, return_exceptions=True)
    assert await hasty.store.run(PROBE, KEYS, []) == 1
    await asyncio.sleep(0.3)
    assert hasty.changes == []


async def test_a_cancelled_call_goes_on_and_costs_no_connection(
    server: Server, client: Recorded, write: Callable[[str], Script]
):
    count = write(COUNT)
    await asyncio.gather(*(client.store.run(count, KEYS, []) for _ in range(16)))
    before = connections(server)
    for _ in range(200):
        asked = asyncio.create_task(client.store.run(count, KEYS, []))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    assert await client.store.run(count, KEYS, []) <= 217
    async with asyncio.timeout(5):
        while server.ask("GET", *KEYS) != "217":
            await asyncio.sleep(0.01)
    assert connections(server) - before < 20  # those of this test's own questions


async def test_nothing_is_sent_twice(middle: Middle, write: Callable[[str], Script]):
    """A script whose answer is lost has run once: only its author knows whether it may run again."""
    async with recorded(parse_store_url(through(middle))) as client:
        count = write(COUNT)
        assert await client.store.run(count, KEYS, []) == 1
        middle.swallows = b"EVALSHA"
        assert (await fails(client.store.run(count, KEYS, []))).kind == "refused"
        middle.swallows = None
        await client.recovers()
        assert await client.store.run(count, KEYS, []) == 3


async def test_a_script_that_timed_out_may_still_run(server: Server, hasty: Recorded, write: Callable[[str], Script]):
    """So every one that changes something names its own end in `not_after`."""
    count = write(COUNT)
    await hasty.store.run(count, KEYS, [])
    server.pause()
    assert (await fails(hasty.store.run(count, KEYS, []))).kind == "timeout"
    server.resume()
    await hasty.recovers()
    assert await hasty.store.run(count, KEYS, []) == 3


async def test_connections_that_were_reset_while_idle(middle: Middle):
    async with recorded(parse_store_url(through(middle))) as client:
        await asyncio.gather(*(client.store.run(PROBE, KEYS, []) for _ in range(8)))
        middle.reset_all()
        await asyncio.sleep(0.05)
        assert await asyncio.gather(*(client.store.run(PROBE, KEYS, []) for _ in range(8))) == [1] * 8
        assert client.changes == []


async def test_connections_that_a_network_forgot(middle: Middle):
    """Nobody says so: what is sent over them vanishes. One timeout must be enough to suspect them all."""
    async with recorded(parse_store_url(through(middle)), TIMEOUT) as client:
        await asyncio.gather(*(client.store.run(PROBE, KEYS, []) for _ in range(16)))
        assert middle.connections == 16
        middle.forgotten = 16
        await fails(client.store.run(PROBE, KEYS, []))
        await client.recovers()
        assert await asyncio.gather(*(client.store.run(PROBE, KEYS, []) for _ in range(16))) == [1] * 16
        assert client.ups_and_downs == ["timeout", ""]


async def test_a_server_farther_away_than_a_call_may_last(middle: Middle):
    """Connecting takes longer than a timeout, asking does not."""
    middle.delay = 2 * TIMEOUT
    async with recorded(parse_store_url(through(middle)), TIMEOUT) as client:
        await fails(client.store.run(PROBE, KEYS, []))
        await client.recovers()
        for _ in range(20):
            assert await client.store.run(PROBE, KEYS, []) == 1
        assert client.ups_and_downs == ["timeout", ""]


PROTECTED = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set\r\n"


@pytest.mark.parametrize(
    ("answer", "closes", "kind"),
    [
        (PROTECTED, True, "refused"),
        (b"-ERR max number of clients reached\r\n", True, "refused"),
        (b"-NOAUTH Authentication required.\r\n", False, "refused"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", False, "loading"),
        (b"-BUSY Redis is busy running a script.\r\n", False, "loading"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", False, "read_only"),
        (b"-MISCONF Errors writing to the AOF file: No space left on device\r\n", False, "read_only"),
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", False, "full"),
        (b"-CLUSTERDOWN Hash slot not served\r\n", False, "refused"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "broken"),
        (b"", True, "refused"),
        (b"", False, "timeout"),
        (b":1", False, "timeout"),
        (b"$-7\r\n*x\r\n", False, "broken"),
    ],
)
async def test_what_servers_say_who_will_not_serve(answer: bytes, closes: bool, kind: str):
    async with answering(answer, closes) as address, recorded(address, TIMEOUT) as client:
        assert (await fails(client.store.run(PROBE, KEYS, []))).kind == kind
        assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"
        assert client.ups_and_downs == [kind]


async def test_a_server_older_than_7_says_so():
    said = b"-ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'\r\n"
    async with answering(said) as address, recorded(address, TIMEOUT) as client:
        assert "older than Redis 7.0" in str(await fails(client.store.run(PROBE, KEYS, [])))


async def test_no_call_after_the_end(server: Server):
    async with recorded(server.address, TIMEOUT) as client:
        await client.store.run(PROBE, KEYS, [])
        server.pause()
        under_way = asyncio.create_task(fails(client.store.run(PROBE, KEYS, [])))
        await asyncio.sleep(0.01)
        async with asyncio.timeout(SOON):
            await client.store.close()
        assert (await under_way).kind == "timeout"
        assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "refused"
        assert "closed" in str(await fails(client.store.read("PING"), AT_ONCE))
    server.resume()
    async with asyncio.timeout(5):
        while len(str(server.ask("CLIENT", "LIST")).strip().splitlines()) > 1:
            await asyncio.sleep(0.02)
