"""The configuration of a running Segue is changed: by its file, by a signal, for the worse, under load."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.system.clients import everything, load, streams, watch, words
from tests.system.serving import PULSE, Serving, all_ready, served, until

pytestmark = pytest.mark.system

WORDS = 100
SLOW = [("chat", f"slow+long-{WORDS}+delay-20")]


def ill(model: str) -> dict[str, Any]:
    """A candidate whose breaker opens at once and stays open."""
    breaker = {"consecutive_failures": 1, "open_seconds": 100, "longest_open_seconds": 100}
    return {"provider": "chat", "model": f"{model}+503", "breaker": breaker}


async def serves(serving: Serving, number: int) -> bool:
    """Whether all workers serve that configuration."""
    told = await serving.status()
    served_by = [worker["snapshot"] for worker in told["workers"]]
    return bool(told["configuration"]["number"] == number and served_by == [number] * len(served_by))


async def until_serves(serving: Serving, number: int) -> None:
    await until(lambda: serves(serving, number))


def asked(upstream: ScriptedUpstream) -> set[str]:
    return {exchange.model for exchange in upstream.requests}


async def test_a_changed_file_is_served_by_all_and_what_runs_ends_as_it_began(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    before = {"route": SLOW, "quick": [("chat", "old")], "stays": [ill("ill"), ("chat", "spare")]}
    doomed = {"doomed": [ill("doomed"), ("chat", "spare")]}
    async with served(upstream, tmp_path, before | doomed) as serving:
        await all_ready(serving)
        assert [await serving.ask(route) for route in ("stays", "doomed")] == [200, 200]
        async with streams(serving, 8, "route") as begun, load(serving, "quick") as loaded, watch(serving) as watching:
            await asyncio.sleep(PULSE)
            assert await serving.metric("segue_breaker_state", target="chat/doomed+503") == 2
            serving.write({**before, "route": [("chat", "new")], "quick": [("chat", "newer")]})
            await until_serves(serving, 2)
            upstream.recorder.requests.clear()
            assert [await serving.ask("route") for _ in range(10)] == [200] * 10
            assert await serving.ask("doomed") == 404
            assert asked(upstream) == {"new", "newer"}
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in begun)):
                assert is_whole
                assert content.endswith(b"data: [DONE]\n\n")
                assert words(content)[-1] >= WORDS - 2
            await asyncio.sleep(PULSE)
        assert set(loaded.seen) == {200}, loaded.seen
        assert watching.falls == []
        shown = (await serving.get("/metrics"))[1]
        assert 'segue_breaker_state{target="chat/ill+503"} 2.0' in shown
        assert 'segue_breaker_state{target="chat/doomed' not in shown
        assert 'segue_attempts_total{outcome="failed",reason="server_error",target="chat/doomed+503"} 1.0' in shown
        assert await serving.metric("segue_snapshot_number") == 2
        assert await serving.metric("segue_reloads_total", outcome="served") == 1
        [told] = serving.logged("configuration loaded")
        assert (told["number"], told["missing"]) == (2, {})
        assert len({process.pid for process in serving.workers().values()}) == 2
        assert serving.logged("worker ended") == []


async def test_a_signal_has_it_read_at_once(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, {"quick": [("chat", "old")]}) as serving:
        serving.tell(signal.SIGHUP)

        async def was_read() -> bool:
            return await serving.metric("segue_reloads_total", outcome="unchanged") == 1

        await until(was_read)
        serving.write({"quick": [("chat", "new")]})
        serving.tell(signal.SIGHUP)
        await until_serves(serving, 2)
        assert await serving.ask("quick") == 200
        assert asked(upstream) == {"new"}
        for _ in range(20):  # a terminal that is closed, an operator who is impatient
            serving.tell(signal.SIGHUP)
        await asyncio.sleep(0.2)
        assert await serving.ask("quick") == 200


async def test_a_bad_file_changes_nothing_and_says_why(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, {"quick": [("chat", "old")]}) as serving:
        await all_ready(serving)
        right = serving.file.read_text()
        async with load(serving, "quick") as loaded:
            serving.file.write_text(right.replace('"routes"', '"roots"'))

            async def is_said() -> bool:
                return any("the last reload failed" in problem for problem in await serving.degraded())

            await until(is_said)
            status, text = await serving.get("/readyz")
            assert status == 200, "it still serves"
            assert f"{serving.file}:1: roots: unknown field" in text
            problems = (await serving.status())["configuration"]["problems"]
            assert any("roots" in problem for problem in problems)
            assert [list(line["problems"]) for line in serving.logged("configuration refused")] == [problems]
            assert await serving.metric("segue_reloads_total", outcome="refused") == 1
            assert await serving.metric("segue_snapshot_number") == 1
            serving.file.unlink()
            await until(lambda: len(serving.logged("configuration refused")) == 2)
            serving.file.write_text(right)
            await until(not_degraded(serving))
        assert set(loaded.seen) == {200}, loaded.seen
        assert asked(upstream) == {"old"}
        assert await serves(serving, 1)


def not_degraded(serving: Serving) -> Any:
    async def is_so() -> bool:
        return await serving.degraded() == []

    return is_so


async def test_secrets_in_files_are_looked_at_too(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    secret = tmp_path / "upstream-key"
    secret.write_text("sk-fake-first\n")
    more = {"providers": {"chat": {"api_key": f"file:{secret}"}}}
    async with served(upstream, tmp_path, {"quick": [("chat", "quick")]}, **more) as serving:
        await all_ready(serving)
        assert await serving.ask("quick") == 200
        secret.write_text("sk-fake-second\n")
        await until_serves(serving, 2)
        assert await serving.ask("quick") == 200
        sent = [exchange.headers["authorization"] for exchange in upstream.requests]
        assert sent == ["Bearer sk-fake-first", "Bearer sk-fake-second"]
        assert "sk-fake" not in "".join(serving.lines)


async def test_what_waits_for_a_restart_is_named(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    routes = {"quick": [("chat", "quick")]}
    async with served(upstream, tmp_path, routes) as serving:
        await all_ready(serving)
        serving.write(routes, server={"workers": 3, "port": 1, "body_limit": "1KiB"}, store={"maximum_memory": "64MiB"})
        await until_serves(serving, 2)
        waiting = ["server.port", "server.workers", "store"]
        assert (await serving.status())["configuration"]["waiting"] == waiting
        [told] = serving.logged("changed, but obeyed only after a restart")
        assert told["fields"] == waiting
        assert len(serving.workers()) == 2
        long = {"role": "user", "content": "x" * 2000}
        async with serving.post("chat/completions", model="quick", messages=[long]) as answer:
            assert answer.status == 413, "the rest is obeyed"


async def test_who_was_frozen_meanwhile_is_named_and_catches_up(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, {"quick": [("chat", "old")]}) as serving:
        frozen = (await all_ready(serving))[1]
        os.kill(frozen.pid, signal.SIGSTOP)
        serving.write({"quick": [("chat", "new")]})
        await until(lambda: bool(serving.logged("configuration loaded")))
        [told] = serving.logged("configuration loaded")
        assert told["missing"] == {"worker 1": "no answer"}
        assert json.loads((await serving.get("/readyz"))[1])["degraded"] == [
            "configuration 2 is not served by worker 1"
        ]
        os.kill(frozen.pid, signal.SIGCONT)
        await until_serves(serving, 2)
        await until(not_degraded(serving))
        assert [await serving.ask("quick") for _ in range(10)] == [200] * 10
        assert asked(upstream) == {"new"}


async def test_who_starts_later_begins_with_the_newest(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, {"quick": [("chat", "old")]}) as serving:
        await all_ready(serving)
        serving.write({"quick": [("chat", "new")]})
        await until_serves(serving, 2)
        for process in serving.workers().values():
            process.kill()
        assert await serving.ask("quick") == 200
        await all_ready(serving)
        await until_serves(serving, 2)
        assert asked(upstream) == {"new"}
