"""The master is killed: nobody can be told anything any more. What runs ends as it began, and the next one starts."""

import asyncio
import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.system.clients import Stream, everything, streams, words
from tests.system.serving import Serving, all_ready, is_alive, served, until

pytestmark = pytest.mark.system

WORDS = 80
ROUTES = {"slow": [("chat", f"slow+long-{WORDS}+delay-50")], "quick": [("chat", "quick")]}
GRACE = {"shutdown_grace_seconds": 30, "drain_accepting_seconds": 30}


def same_ports(serving: Serving) -> dict[str, dict[str, object]]:
    return {"server": {"port": serving.port}, "operations": {"port": urlsplit(serving.operations).port}}


async def kill(serving: Serving) -> None:
    master = psutil.Process(serving.running.pid)
    serving.tell(signal.SIGKILL)
    serving.can_tidy_up = False
    await until(lambda: not is_alive(master), within=2)


async def refused(serving: Serving) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def all_whole(begun: list[Stream]) -> None:
    for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in begun)):
        assert is_whole
        assert words(content)[-1] >= WORDS - 2
        assert content.endswith(b"data: [DONE]\n\n")


async def test_workers_finish_what_runs_and_the_next_one_serves_meanwhile(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with served(upstream, tmp_path, ROUTES, server=GRACE) as serving:
        workers, store = await all_ready(serving), serving.store()
        async with streams(serving, 24, "slow") as begun:
            assert {stream.worker for stream in begun} == {0, 1}
            await kill(serving)
            await until(lambda: refused(serving), within=1)
            await until(lambda: not is_alive(store), within=2)
            assert all(map(is_alive, workers.values()))
            await until(lambda: len(serving.logged("the master is gone")) == 2, within=2)
            async with served(upstream, tmp_path, ROUTES, serving.run, **same_ports(serving)) as following:
                assert following.port == serving.port
                assert await following.ask("quick") == 200
                assert (await following.get("/readyz"))[0] == 200
                assert following.store().pid != store.pid
                assert all(map(is_alive, workers.values())), "two generations, side by side"
                await all_whole(begun)
        await until(lambda: not any(map(is_alive, workers.values())), within=3)
    await upstream.settled()


async def test_nothing_runs_so_they_are_gone_at_once(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server=GRACE) as serving:
        family = [*(await all_ready(serving)).values(), serving.store()]
        assert await serving.ask("quick") == 200
        await kill(serving)
        await until(lambda: not any(map(is_alive, family)), within=3)


async def test_a_frozen_worker_keeps_the_port_from_nobody(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Nor does anybody hang in a queue that only it could empty."""
    async with served(upstream, tmp_path, ROUTES, server=GRACE) as serving:
        frozen = (await all_ready(serving))[0]
        os.kill(frozen.pid, signal.SIGSTOP)
        await kill(serving)
        await until(lambda: refused(serving), within=1)
        async with served(upstream, tmp_path, ROUTES, serving.run, **same_ports(serving)) as following:
            assert [await following.ask("quick") for _ in range(10)] == [200] * 10
            os.kill(frozen.pid, signal.SIGCONT)
            await until(lambda: not is_alive(frozen), within=5)
            assert [await following.ask("quick") for _ in range(10)] == [200] * 10


async def test_again_and_again_on_one_port(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """As something that restarts what has died would do it: at once."""
    async with served(upstream, tmp_path, ROUTES, server=GRACE) as serving:
        more = same_ports(serving)
        await kill(serving)
        for number in range(3):
            began = time.monotonic()
            async with served(upstream, tmp_path, ROUTES, serving.run, **more) as following:
                assert time.monotonic() - began < 5
                assert await following.ask("quick") == 200
                if number < 2:
                    await kill(following)


async def test_told_to_end_and_then_killed(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """As by something that does not wait as long as the grace."""
    async with served(upstream, tmp_path, ROUTES, server=GRACE) as serving:
        await all_ready(serving)
        async with streams(serving, 4, "slow") as begun:
            serving.tell(signal.SIGTERM)
            await asyncio.sleep(0.5)
            await kill(serving)
            await until(lambda: refused(serving), within=1)
            await all_whole(begun)
