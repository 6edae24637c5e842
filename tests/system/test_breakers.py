"""Breakers by hand: obeyed by every worker and every replica, seen as they are, also by whoever starts later."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.store.servers import VALKEY, running
from tests.system.serving import SAID, Serving, all_ready, served, until

pytestmark = pytest.mark.system

ONLY, SPARE = "chat/only", "other-chat/spare"
ROUTES = {
    "alone": [("chat", "only")],
    "chain": [("chat", "only"), ("other-chat", "spare")],
}
NAMES = [ONLY, SPARE, "credential:chat", "credential:other-chat"]


async def admin(serving: Serving, method: str, *steps: str, body: Any = None) -> tuple[int, Any]:
    """Over the control socket: status and body."""
    [path] = serving.run.rglob("control.sock")
    target = "/".join(["http://segue/admin/breakers", *(quote(step, safe="") for step in steps)])
    content = json.dumps(body).encode() if body is not None else None
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local,
        local.request(method, target, data=content) as answer,
    ):
        return answer.status, await answer.json()


async def statuses(serving: Serving, route: str, count: int = 16) -> set[int]:
    """Of requests on connections of their own, so that both workers get some."""
    return set(await asyncio.gather(*(serving.ask(route) for _ in range(count))))


async def states(serving: Serving, name: str) -> list[tuple[str, str]]:
    _, body = await admin(serving, "GET", name)
    return [(worker["state"], worker["detail"]) for worker in body["breaker"]["workers"]]


async def test_every_worker_obeys(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        status, listed = await admin(serving, "GET")
        assert status == 200
        assert [breaker["name"] for breaker in listed["breakers"]] == NAMES
        status, forced = await admin(serving, "POST", ONLY, "open", body={"seconds": 3600})
        assert (status, forced["missing"]) == (200, [])
        breaker = forced["breaker"]
        assert (breaker["state"], breaker["detail"]) == ("open", "forced_open")
        assert 3500 < breaker["retry_in_seconds"] <= 3600
        assert breaker["said_by"] == ["worker 0", "worker 1"]
        assert await statuses(serving, "alone") == {503}
        assert await statuses(serving, "chain") == {200}
        async with serving.post("chat/completions", model="chain", messages=SAID) as answer:
            attempts = (await answer.json())["segue"]["attempts"]
        assert (attempts[0]["reason"], attempts[0]["detail"]) == ("circuit_breaker", "forced_open")
        assert {"only"} & {exchange.model for exchange in upstream.requests} == set()
        assert any(ONLY in line and "forced_open" in line for line in await serving.degraded())
        assert (await serving.status())["breakers"][0]["name"] == ONLY
        assert await serving.metric("segue_breaker_state", target=ONLY) == 2
        status, reset = await admin(serving, "POST", ONLY, "reset")
        assert (status, reset["breaker"]["state"], reset["breaker"]["detail"]) == (200, "closed", "")
        assert await statuses(serving, "alone") == {200}
        assert not any(ONLY in line for line in await serving.degraded())
        assert (await admin(serving, "POST", "chat/nobody", "open"))[0] == 404


async def test_a_credential_too(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        assert (await admin(serving, "POST", "credential:chat", "open"))[0] == 200
        assert await statuses(serving, "alone") & {200} == set()
        assert await statuses(serving, "chain") == {200}
        assert (await admin(serving, "POST", ONLY, "reset"))[0] == 200, "and its credential with it"
        assert await statuses(serving, "alone") == {200}


async def test_it_ends_by_itself(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        assert (await admin(serving, "POST", ONLY, "open", body={"seconds": 7}))[0] == 200
        assert await statuses(serving, "alone") == {503}

        async def is_served() -> bool:
            return await serving.ask("alone") == 200

        await until(is_served)


async def test_who_starts_later_knows(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        before = await all_ready(serving)
        assert (await admin(serving, "POST", ONLY, "open"))[0] == 200
        before[0].kill()
        await all_ready(serving)

        async def is_known() -> bool:
            return await states(serving, ONLY) == [("open", "forced_open")] * 2

        await until(is_known)
        assert await statuses(serving, "alone") == {503}


async def test_who_is_frozen_is_named(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        workers = await all_ready(serving)
        workers[1].suspend()
        try:
            status, forced = await admin(serving, "POST", ONLY, "open")
        finally:
            workers[1].resume()
        assert (status, forced["missing"]) == (207, ["worker 1"])

        async def is_known() -> bool:
            return await states(serving, ONLY) == [("open", "forced_open")] * 2

        await until(is_known)


async def test_the_other_replica_follows(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with running(VALKEY) as store:
        async with (
            served(upstream, tmp_path, ROUTES, store=store.url) as here,
            served(upstream, tmp_path / "other", ROUTES, store=store.url) as there,
        ):
            await all_ready(here)
            await all_ready(there)
            for action, expected in (("open", 503), ("reset", 200), ("open", 503)):
                assert (await admin(here, "POST", ONLY, action))[0] == 200
                assert await statuses(here, "alone") == {expected}

                async def obeys(expected: int = expected) -> bool:
                    return await statuses(there, "alone", 6) == {expected}

                await until(obeys, 2.0)


async def test_without_the_store_this_one_obeys_and_says_so(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with running(VALKEY) as store:
        async with served(upstream, tmp_path, ROUTES, store=store.url) as serving:
            await all_ready(serving)
            store.stop()
            status, forced = await admin(serving, "POST", ONLY, "open")
            assert status == 207
            assert [missing.partition(" (")[0] for missing in forced["missing"]] == ["other replicas"]
            assert await statuses(serving, "alone") == {503}
            status, _ = await admin(serving, "POST", ONLY, "reset")
            assert status == 207
            assert await statuses(serving, "alone") == {200}
