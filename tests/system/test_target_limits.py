"""A target's concurrency limit is the whole instance's: workers divide it among them, and a reload changes it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.e2e.harness import Stage
from tests.system.serving import Serving, all_ready, served, until
from tests.system.test_reload import until_serves

pytestmark = pytest.mark.system


def routes(limit: int) -> dict[str, Any]:
    return {Stage.model: [{"provider": "chat", "model": "a+slow-first-150", "concurrency": limit}]}


async def crowd(serving: Serving, upstream: ScriptedUpstream, count: int) -> int:
    """So many at once, each on a connection of its own, all answered; the most the provider saw at a time."""
    asking = asyncio.gather(*(serving.ask(Stage.model) for _ in range(count)))
    most = 0
    while not asking.done():
        most = max(most, upstream.recorder.in_flight)
        await asyncio.sleep(0.005)
    assert await asking == [200] * count
    return most


async def test_workers_divide_it(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, routes(4)) as serving:
        await all_ready(serving)
        assert 2 <= await crowd(serving, upstream, 24) <= 4
        await until(lambda: _is_calm(serving))


async def test_a_reload_changes_it(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, routes(2)) as serving:
        await all_ready(serving)
        assert await crowd(serving, upstream, 8) <= 2
        serving.write(routes(8))
        await until_serves(serving, 2)
        assert 3 <= await crowd(serving, upstream, 24) <= 8


async def _is_calm(serving: Serving) -> bool:
    return await serving.metric("segue_target_in_flight") == await serving.metric("segue_target_queue") == 0
