"""Selection over processes: workers that never speak of it agree, and `segue explain` says what they do."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.system.serving import SAID, Serving, all_ready, served, until

pytestmark = pytest.mark.system

NAMES = ["one", "two", "three"]
STEP = {"any": [{"provider": "chat", "model": name} for name in NAMES]}
ROUTES = {"m": {"candidates": [STEP], "affinity": "header:X-Session", "retries": {"same_target": 0}}}
SESSIONS = [f"session {number}" for number in range(12)]


async def served_by(serving: Serving, session: str) -> str:
    """On a connection of its own, so that either worker may get it."""
    headers = {"connection": "close", "x-session": session}
    body = {"model": "m", "messages": SAID}
    async with serving.session.post(f"{serving.base}/chat/completions", json=body, headers=headers) as answer:
        assert answer.status == 200
        return str(answer.headers["segue-served-by"])


async def explained(serving: Serving, *arguments: str) -> Any:
    command = [sys.executable, "-m", "proxy", "explain", "--json", "-c", str(serving.file), "--model", "m", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=serving.environment)
    shown, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(shown)


async def test_every_worker_finds_the_same_home_for_a_mark(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        homes = [await served_by(serving, session) for session in SESSIONS]
        assert set(homes) == {f"chat/{name}" for name in NAMES}
        for _ in range(4):
            assert await asyncio.gather(*(served_by(serving, session) for session in SESSIONS)) == homes
        workers = {worker["name"] for worker in (await serving.status())["workers"]}
        assert len(workers) == 2
        for session, home in zip(SESSIONS[:3], homes, strict=False):
            assert (await explained(serving, "--mark", session))["candidates"][0]["target"] == home


async def test_what_is_explained_knows_the_breakers(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    breaker = {"consecutive_failures": 1, "open_seconds": 60}
    async with served(upstream, tmp_path, ROUTES, defaults={"breaker": breaker}) as serving:
        await all_ready(serving)
        upstream.behave("two", "503")
        for session in SESSIONS * 2:
            await served_by(serving, session)

        async def is_open() -> bool:
            found = await explained(serving)
            states = {each["target"]: each["breaker"]["state"] for each in found["candidates"]}
            assert found["instance"].endswith("control.sock")
            return Counter(states.values())["open"] == 1 and states["chat/two"] == "open"

        await until(is_open, 10.0)
