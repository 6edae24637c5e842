"""`segue serve` and signals: what runs may end, nothing else is accepted, and nothing is left."""

import asyncio
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from proxy.demo.children import ChildDied
from proxy.demo.upstream import ScriptedUpstream
from tests.system.serving import Serving, served

pytestmark = pytest.mark.system

WORDS = 60
ROUTES = {"slow": [("chat", f"slow+long-{WORDS}+delay-50")], "endless": [("chat", "endless+long-100000+delay-10")]}


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, url
    return port


async def open_connection(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port_of(url))


async def refuses_connections(url: str) -> bool:
    try:
        _, writer = await open_connection(url)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def everything(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """What still comes, and whether it ends as an answer should."""
    content = b""
    try:
        async for part in answer.content.iter_any():
            content += part
    except aiohttp.ClientPayloadError:
        return content, False
    return content, True


async def draining(serving: Serving) -> None:
    """Waits until /readyz says so."""
    async with asyncio.timeout(5):
        while (await serving.get("/readyz"))[0] != 503:
            await asyncio.sleep(0.01)


async def test_what_runs_may_end_and_nothing_more_is_taken(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server={"shutdown_grace_seconds": 20}) as serving:
        assert (await serving.get("/readyz"))[0] == 200
        idle, idle_end = await open_connection(serving.base)
        async with serving.stream("slow") as answer:
            content = await answer.content.readuntil(b"word0")
            serving.tell(signal.SIGTERM)
            await draining(serving)
            assert (await serving.get("/healthz"))[0] == 200
            assert "segue_requests_in_flight 1" in (await serving.get("/metrics"))[1]
            assert await refuses_connections(serving.base)
            assert await idle.read() == b""
            idle_end.close()
            for again in (signal.SIGTERM, signal.SIGINT):  # as when a terminal and a wrapper both pass one on
                serving.tell(again)
            content += await answer.read()
        assert [f"word{number} ".encode() in content for number in range(WORDS - 1)] == [True] * (WORDS - 1)
        assert content.endswith(b"data: [DONE]\n\n")
        began = time.monotonic()
        await serving.running.ended()
        assert time.monotonic() - began < 5, "it waited for the grace although nobody was being served"
        assert await refuses_connections(serving.operations)
    await upstream.settled()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_nothing_to_wait_for(upstream: ScriptedUpstream, tmp_path: Path, number: signal.Signals) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        async with serving.session.get(f"{serving.base}/models") as answer:
            assert answer.status == 200
        serving.tell(number)
        async with asyncio.timeout(5):
            await serving.running.ended()


async def test_after_the_grace_nobody_is_waited_for(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server={"shutdown_grace_seconds": 1}) as serving:
        async with serving.stream("endless") as answer:
            await answer.content.readuntil(b"word0")
            serving.tell(signal.SIGTERM)
            began = time.monotonic()
            content, whole = await everything(answer)
        await serving.running.ended()
        assert 0.9 < time.monotonic() - began < 6
        # A client must not take what it has for all there was.
        assert b"[DONE]" not in content
        assert not whole or b'"error"' in content
    await upstream.settled()
    assert [exchange.outcome for exchange in upstream.requests] == ["disconnected"]


async def test_killed_it_leaves_nothing_but_room_for_the_next(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        async with serving.stream("endless") as answer:
            await answer.content.readuntil(b"word0")
            assert psutil.Process(serving.running.pid).children(recursive=True) == []
            serving.tell(signal.SIGKILL)
            with pytest.raises(ChildDied, match="SIGKILL"):
                await serving.running.died()
        await upstream.settled()
        assert [exchange.outcome for exchange in upstream.requests] == ["disconnected"]
        assert upstream.open_connections == 0
        assert await refuses_connections(serving.base)
        assert await refuses_connections(serving.operations)
        assert [file.name for file in tmp_path.iterdir()] == ["segue.yaml"]
    again = {"server": {"port": port_of(serving.base)}, "operations": {"port": port_of(serving.operations)}}
    async with served(upstream, tmp_path, ROUTES, **again) as serving:
        assert (await serving.get("/readyz"))[0] == 200
