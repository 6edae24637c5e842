"""One limit for all workers together: exact in a burst, whoever dies, freezes or comes anew."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.system.clients import everything
from tests.system.serving import PULSE, Serving, all_ready, served, until

pytestmark = pytest.mark.system

WORKERS, LIMIT, BURST = 3, 30, 120
ROUTES = {"endless": [("chat", "endless+long-3000+delay-10")], "quick": [("chat", "quick")]}
SETTINGS = {"workers": WORKERS, "in_flight_limit": LIMIT}


@asynccontextmanager
async def burst(serving: Serving, count: int) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    """So many streams asked for at once; those that were let in, while the block runs."""
    async with AsyncExitStack() as stack:
        begun = [stack.enter_async_context(serving.stream("endless")) for _ in range(count)]
        answers: list[aiohttp.ClientResponse] = await asyncio.gather(*begun)
        assert set(Counter(answer.status for answer in answers)) <= {200, 503}
        for answer in answers:
            if answer.status == 503:
                assert 1 <= int(answer.headers["retry-after"]) <= 4
        yield [answer for answer in answers if answer.status == 200]


async def test_a_burst_never_exceeds_the_limit(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server=SETTINGS) as serving:
        await all_ready(serving, WORKERS)
        async with AsyncExitStack() as stack:
            running = 0
            # Two that knock in the same moment may both be turned away, so it may take more than one burst to fill up.
            for _ in range(20):
                running += len(await stack.enter_async_context(burst(serving, BURST)))
                assert running <= LIMIT
                assert upstream.recorder.in_flight <= LIMIT
                if running == LIMIT:
                    break
            assert running == LIMIT
            assert await serving.ask("quick") == 503
            async with serving.session.get(f"{serving.base}/models") as answer:
                assert answer.status == 503
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await serving.get(path))[0] == 200, "the second port is always there"
            await asyncio.sleep(PULSE)
            assert await serving.metric("segue_requests_in_flight") == LIMIT
            assert await serving.metric("segue_requests_shed_total", why="in_flight_limit") > 0
        await until(lambda: upstream.recorder.in_flight == 0)
        assert await eventually(serving, 200)


async def test_the_limit_stands_while_workers_go_and_come(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server=SETTINGS) as serving:
        before = await all_ready(serving, WORKERS)
        async with filled(serving) as running:
            slot = await busiest(serving)
            os.kill(before[slot].pid, signal.SIGKILL)
            ended = sum(await asyncio.gather(*map(is_over, running)))
            assert 0 < ended < LIMIT, "the dead one's, and nobody else's"
            await until(lambda: upstream.recorder.in_flight == LIMIT - ended)
            async with burst(serving, BURST) as more:
                assert 0 < len(more) <= ended
                assert upstream.recorder.in_flight <= LIMIT
        assert (await all_ready(serving, WORKERS))[slot].pid != before[slot].pid


async def test_what_a_frozen_worker_holds_counts(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server=SETTINGS) as serving:
        before = await all_ready(serving, WORKERS)
        async with filled(serving):
            slot = await busiest(serving)
            os.kill(before[slot].pid, signal.SIGSTOP)
            await asyncio.sleep(1)  # longer than it takes to be no longer reckoned with
            try:
                for _ in range(5):
                    assert await asyncio.wait_for(serving.ask("quick"), 5) == 503
                assert upstream.recorder.in_flight <= LIMIT
            finally:
                os.kill(before[slot].pid, signal.SIGCONT)


@asynccontextmanager
async def filled(serving: Serving) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    """As many streams as there may be."""
    async with AsyncExitStack() as stack:
        running: list[aiohttp.ClientResponse] = []
        async with asyncio.timeout(20):
            while len(running) < LIMIT:
                running += await stack.enter_async_context(burst(serving, LIMIT))
        yield running


async def busiest(serving: Serving) -> int:
    """The slot of the worker with the most in flight."""
    await asyncio.sleep(PULSE)
    workers = (await serving.status())["workers"]
    return int(max(workers, key=lambda worker: int(worker["in_flight"]))["name"].removeprefix("worker "))


async def is_over(answer: aiohttp.ClientResponse) -> bool:
    """Whether the stream ends within a moment."""
    try:
        async with asyncio.timeout(1.5):
            await everything(answer)
    except TimeoutError:
        return False
    return True


async def eventually(serving: Serving, status: int) -> bool:
    async def is_so() -> bool:
        return await serving.ask("quick") == status

    await until(is_so)
    return True
