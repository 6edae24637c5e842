"""Breakers while the store they are shared through is killed, paused, emptied or was never there, and while one of the
processes is frozen."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.errors import Verdict
from proxy.runtime.store_address import StoreAddress
from proxy.store.names import of_target
from tests.dispatch.fleet import LEASE, OPEN_TIME, Member, fleet, member, permit, target, until
from tests.store.recording import TIMEOUT
from tests.store.servers import Server

SUCCESS, FAILURE, NONE = Verdict.SUCCESS, Verdict.FAILURE, Verdict.NONE
LONG, LONG_B = (target(name, open_time=30.0) for name in "ab")


async def probes_alone(each: Member) -> None:
    """One at a time, as nobody can be asked."""
    probe = await permit(each)
    assert all(each.acquire() is None for _ in range(50))
    probe.report(NONE, time.monotonic())
    probe = await permit(each)
    assert each.acquire() is None
    probe.report(FAILURE, time.monotonic())
    assert each.state() == "open"


def close(each: Member) -> bool:
    """A request that comes now finds the target well, if it is let through. Whether nobody needs to find that out any
    more: what was found out alone may count for less than what others told meanwhile."""
    permit = each.acquire()
    if permit is not None:
        permit.report(SUCCESS, time.monotonic())
    return each.state() == "closed"


async def test_without_the_store_each_probes_by_itself(server: Server):
    async with fleet(server, 3) as members:
        members[0].trip()
        await until(lambda: all(each.state() == "open" for each in members))
        server.kill()
        for each in members:
            await probes_alone(each)


async def test_there_never_was_a_store(tmp_path: Path):
    alone = Member(StoreAddress(kind="single", path=str(tmp_path / "nothing")), target("a"))
    sharing = asyncio.create_task(alone.sharing.run())
    try:
        alone.trip()
        await probes_alone(alone)
        await probes_alone(alone)
    finally:
        sharing.cancel()
        await asyncio.wait([sharing])
        await alone.client.store.close()


async def test_what_happened_meanwhile_is_told_afterwards(server: Server):
    async with fleet(server, 2, LONG, LONG_B) as (first, second):
        first.trip("a")
        await until(lambda: second.state("a") == "open")
        server.kill()
        first.breakers.reset("a")
        first.trip("b")
        await asyncio.sleep(0.2)
        assert second.state("b") == "closed"
        server.start()
        await until(lambda: second.state("b") == "open", 10)
        await until(lambda: second.state("a") == "closed", 10)
        first.trip("a")
        await until(lambda: second.state("a") == "open")


async def test_an_emptied_store_learns_again_what_is_open(server: Server):
    async with fleet(server, 2, LONG, read_every=0.3) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        server.ask("FLUSHALL")
        await until(lambda: server.ask("EXISTS", of_target("a", "breaker")))
        async with member(server, LONG) as late:
            await until(lambda: late.state() == "open")
            assert late.retry_in() == pytest.approx(first.retry_in(), abs=0.5)
            assert first.retry_in() == pytest.approx(second.retry_in(), abs=0.5)


async def test_a_paused_store_is_waited_for_by_nobody(server: Server):
    async with fleet(server, 2, target("a"), LONG_B, timeout=TIMEOUT) as (first, second):
        first.trip("a")
        await until(lambda: second.state("a") == "open")
        server.pause()
        try:
            first.trip("b")
            for each in (first, second):
                await probes_alone(each)
            assert second.state("b") == "closed"
        finally:
            server.resume()
        await until(lambda: second.state("b") == "open", 10)
        await until(lambda: close(first) and second.state("a") == "closed", 10)


async def test_a_store_that_goes_while_somebody_probes(server: Server):
    async with fleet(server, 2) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        probe = await permit(first)
        server.kill()
        await permit(second)
        server.start()
        probe.report(SUCCESS, time.monotonic())
        await until(lambda: second.state() == "closed", 10)


@asynccontextmanager
async def holder(server: Server) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process of the fleet, which probes as soon as it may."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.dispatch.holder", server.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert await said(process) == "ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return (await process.stdout.readline()).decode().strip()


async def test_a_frozen_holder_blocks_nobody_and_proves_nothing(server: Server):
    async with fleet(server, 1, lease=LEASE) as [first], holder(server) as process:
        first.trip()
        assert await said(process) == "probing"
        os.kill(process.pid, signal.SIGSTOP)
        frozen = time.monotonic()
        try:
            assert first.acquire() is None
            probe = await permit(first, within=20)
            assert time.monotonic() - frozen > LEASE / 2
            probe.report(SUCCESS, time.monotonic())
            await until(lambda: not server.ask("EXISTS", of_target("a", "probe")))
        finally:
            os.kill(process.pid, signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write(b"\n")
        assert await said(process) == "closed"
        assert first.state() == "closed"
        assert first.moved == [("a", to) for to in ("open", "half-open", "closed")]


async def test_a_killed_holder_blocks_nobody_for_long(server: Server):
    async with fleet(server, 1, lease=LEASE) as [first], holder(server) as process:
        first.trip()
        assert await said(process) == "probing"
        process.kill()
        await asyncio.sleep(OPEN_TIME)
        await permit(first, within=20)
