"""No reply ever reaches another call, whatever was cancelled, timed out or cut in between; on both event loops."""

import asyncio
import contextlib
import itertools
import random
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from redis.exceptions import RedisError

from proxy.store.down import StoreDown
from proxy.store.pool import Pool, connection_to
from proxy.store.scripts import Script
from tests.store.recording import recorded
from tests.store.servers import Server

ENOUGH = 300
ECHO = "#!lua flags=no-writes\nreturn {ARGV[1], ARGV[2]}"
KEYS = ["segue:{segue}:x"]


@pytest.fixture
async def pool(server: Server) -> AsyncIterator[Pool]:
    pool = Pool(lambda: connection_to(server.address))
    yield pool
    await pool.close()


@contextmanager
def stuttering(server: Server, randomness: random.Random) -> Iterator[None]:
    """Frozen for up to 60 ms, over and over."""
    ends = threading.Event()

    def stutter() -> None:
        while not ends.wait(randomness.uniform(0.005, 0.03)):
            server.pause()
            ends.wait(randomness.uniform(0.0, 0.06))
            server.resume()

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


async def test_cancelled_exchanges_leave_no_replies_behind(server: Server, pool: Pool):
    randomness = random.Random(1)
    answered = cancelled = 0

    async def exchange(number: int) -> None:
        nonlocal answered, cancelled
        size = str(randomness.choice((1, 10, 100_000)))
        words = ("EVAL", "return {ARGV[1], string.rep('x', tonumber(ARGV[2]))}", "0", str(number), size)
        asked = asyncio.create_task(pool.execute(words))
        await asyncio.wait([asked], timeout=randomness.choice((None, 0.0, 0.0005, 0.002, 0.01)))
        if not asked.done():
            asked.cancel()
            await asyncio.wait([asked])
        if asked.cancelled():
            cancelled += 1
        else:
            assert asked.result() == [str(number).encode(), b"x" * int(size)]
            answered += 1

    numbers = itertools.count()

    async def caller() -> None:
        while answered < ENOUGH or cancelled < ENOUGH:
            await exchange(next(numbers))

    with stuttering(server, randomness):
        await asyncio.gather(*(caller() for _ in range(40)))
    assert await asyncio.gather(*(pool.execute(("ECHO", str(n))) for n in range(100))) == [
        str(n).encode() for n in range(100)
    ]


async def test_timed_out_calls_leave_no_replies_behind(server: Server, tmp_path):
    (tmp_path / "echo.lua").write_text(ECHO)
    echo = Script("echo", tmp_path)
    randomness = random.Random(2)
    outcomes: dict[str, int] = {"ok": 0, "timeout": 0, "breaker": 0}

    numbers = itertools.count()

    async def caller() -> None:
        while outcomes["ok"] < ENOUGH or outcomes["timeout"] < ENOUGH:
            number = next(numbers)
            try:
                reply = await client.store.run(echo, KEYS, [str(number), "x" * randomness.choice((1, 20_000))])
            except StoreDown as down:
                outcomes[down.kind] += 1
                await asyncio.sleep(0.02)
            else:
                outcomes["ok"] += 1
                assert reply[0] == str(number).encode()

    async with recorded(server.address, timeout=0.02) as client:
        with stuttering(server, randomness):
            await asyncio.gather(*(caller() for _ in range(30)))
        while True:
            with contextlib.suppress(StoreDown):
                assert await client.store.run(echo, KEYS, ["last", ""]) == [b"last", b""]
                break
            await asyncio.sleep(0.02)
        await client.recovers()
    assert client.ups_and_downs[::2] == ["timeout"] * (len(client.changes) // 2)
    assert client.ups_and_downs[1::2] == [""] * (len(client.changes) // 2)


async def test_no_more_than_sixteen_at_a_time(server: Server, pool: Pool):
    assert await asyncio.gather(*(pool.execute(("ECHO", str(n))) for n in range(500))) == [
        str(n).encode() for n in range(500)
    ]
    clients = str(server.ask("CLIENT", "LIST")).splitlines()
    assert len(clients) <= 17


async def test_a_connection_with_an_unasked_reply_is_not_used(server: Server, pool: Pool):
    await pool.execute(("CLIENT", "SETNAME", "odd"))
    (idle,) = pool._idle
    await idle.send_command("ECHO", "unasked")
    await asyncio.sleep(0.05)
    assert await pool.execute(("ECHO", "asked")) == b"asked"
    assert b"name=odd" not in await pool.execute(("CLIENT", "LIST"))


async def test_connections_the_server_closed_are_noticed(server: Server, pool: Pool):
    await asyncio.gather(*(pool.execute(("ECHO", "x")) for _ in range(8)))
    server.ask("CLIENT", "KILL", "TYPE", "normal")
    await asyncio.sleep(0.05)
    assert await asyncio.gather(*(pool.execute(("ECHO", "x")) for _ in range(8))) == [b"x"] * 8
    server.kill()
    server.start()
    await asyncio.sleep(0.05)
    assert await asyncio.gather(*(pool.execute(("ECHO", "x")) for _ in range(8))) == [b"x"] * 8


async def test_a_crowd_before_a_dead_server_ends(server: Server, pool: Pool):
    server.stop()
    failures = await asyncio.gather(*(pool.execute(("PING",)) for _ in range(200)), return_exceptions=True)
    assert all(isinstance(failure, (RedisError, OSError)) for failure in failures)
    server.start()
    assert await pool.execute(("PING",)) == b"PONG"


async def test_a_full_backlog_is_a_refusal_or_a_wait_but_no_error_of_another_kind(server: Server, pool: Pool):
    """A frozen server's socket takes some hundred connections; what comes after them must fail like the rest."""
    server.pause()
    async with asyncio.timeout(30):
        for _ in range(700):
            asked = asyncio.create_task(pool.execute(("PING",)))
            await asyncio.wait([asked], timeout=0.002)
            asked.cancel()
            (ended,) = await asyncio.gather(asked, return_exceptions=True)
            assert isinstance(ended, (RedisError, OSError, asyncio.CancelledError)), repr(ended)
    server.resume()
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(RedisError, OSError):
                assert await pool.execute(("PING",)) == b"PONG"
                return
            await asyncio.sleep(0.02)
