"""A revoked key stays revoked, whatever becomes of the store that was told."""

from pathlib import Path

import aiohttp
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.store.servers import VALKEY, running
from tests.system.serving import Serving, served, until

pytestmark = pytest.mark.system

ROUTES = {"quick": [("chat", "quick")], "endless": [("chat", "endless+long-100000+delay-10")]}


async def revoke(serving: Serving, key_id: str, query: str = "") -> int:
    [path] = serving.run.rglob("control.sock")
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local,
        local.post(f"http://segue/admin/keys/{key_id}/revoke{query}") as answer,
    ):
        return answer.status


async def test_a_restart_without_the_store_forgets_nothing(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(VALKEY) as store:
        async with served(upstream, tmp_path, ROUTES, store=store.url) as serving:
            assert await serving.ask("quick") == 200
            assert await revoke(serving, "testkey1") == 200
            assert await serving.ask("quick") == 401
    async with served(upstream, tmp_path, ROUTES, store=store.url) as serving:
        assert await serving.ask("quick") == 401
        assert any("store cannot be reached" in line for line in await serving.degraded())


async def test_an_emptied_store_is_told_again(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(VALKEY) as store:
        async with served(upstream, tmp_path, ROUTES, store=store.url) as serving:
            assert await revoke(serving, "testkey1") == 200
            store.ask("FLUSHALL")
            assert await serving.ask("quick") == 401
            await until(lambda: store.ask("SMEMBERS", "segue:{segue}:revoked") == {"testkey1"})
            assert await serving.ask("quick") == 401


async def test_running_requests_end_on_every_replica_that_says_so(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Also on one that hears of it late: nothing is published to it while it looks away."""
    with running(VALKEY) as store:
        (tmp_path / "other").mkdir()
        async with (
            served(upstream, tmp_path, ROUTES, store=store.url) as here,
            served(upstream, tmp_path / "other", ROUTES, store=store.url) as there,
            there.stream("endless") as answer,
        ):
            await answer.content.readuntil(b"word0")
            store.ask("CLIENT", "KILL", "TYPE", "pubsub")
            assert await revoke(here, "testkey1", "?terminate=true") == 200
            content = await answer.read()
            assert b'"error"' in content
            assert not content.endswith(b"[DONE]\n\n")
