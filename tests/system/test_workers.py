"""Workers that are killed, frozen, or never start; and how they share what comes."""

import asyncio
import os
import signal
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.cli.test_processes import run
from tests.e2e.configuration import configuration
from tests.system.clients import everything, load, streams, watch, words
from tests.system.serving import PULSE, Serving, all_ready, served, until

pytestmark = pytest.mark.system

WORDS = 150
ROUTES = {
    "slow": [("chat", f"slow+long-{WORDS}+delay-20")],
    "endless": [("chat", "endless+long-300+delay-100")],
    "quick": [("chat", "quick")],
}


async def test_who_is_killed_takes_only_its_own_along(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        before = await all_ready(serving)
        async with streams(serving, 20, "slow") as begun, load(serving, "quick") as loaded, watch(serving) as watching:
            lost = [stream for stream in begun if stream.worker == 0]
            kept = [stream for stream in begun if stream.worker == 1]
            assert lost
            assert kept
            await asyncio.sleep(1)
            before[0].kill()
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in lost)):
                assert not is_whole
                assert b"[DONE]" not in content
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in kept)):
                assert is_whole
                assert content.endswith(b"data: [DONE]\n\n")
                assert words(content)[-1] >= WORDS - 2
            after = await all_ready(serving)
            await asyncio.sleep(PULSE)
        assert set(loaded.seen) <= {200, "cut"}, loaded.seen
        assert loaded.seen["cut"] <= 4, "one for each client at most"
        assert loaded.seen[200] > 100
        assert (watching.falls, watching.looks > 30) == ([], True)
        assert after[0].pid != before[0].pid
        assert after[1].pid == before[1].pid
        assert await serving.metric("segue_worker_restarts_total", reason="crashed") == 1
        [told] = serving.logged("worker ended")
        assert (told["slot"], told["pid"], told["reason"], told["status"]) == (0, before[0].pid, "crashed", -9)
        # What the dead had answered is still counted, what it had in hand is not in flight any more.
        answered = await serving.metric("segue_requests_total", route="quick", outcome="ok")
        assert answered > loaded.seen[200] / 2, "all but what it had answered in its last second"
        # The living tell theirs each second, and the load has only just ended.
        await asyncio.sleep(PULSE)
        assert await serving.metric("segue_requests_in_flight") == 0
        assert await serving.metric("segue_workers", state="alive") == 2


async def test_who_is_frozen_is_noticed_by_nobody_but_its_own(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        before = await all_ready(serving)
        async with streams(serving, 10, "endless") as begun, load(serving, "quick", patience=2.0) as loaded:
            frozen = {stream.worker for stream in begun}.pop()
            lost = [stream.answer for stream in begun if stream.worker == frozen]
            kept = [stream.answer for stream in begun if stream.worker != frozen]
            await asyncio.sleep(PULSE)
            assert await serving.metric("segue_requests_in_flight") >= 10
            os.kill(before[frozen].pid, signal.SIGSTOP)
            began = time.monotonic()
            await asyncio.sleep(0.3)  # what it had accepted before
            loaded.seen.clear()
            loaded.slowest = 0.0
            await crowd(serving, kept_in_hand=len(kept))
            for answer in kept:
                await answer.content.readuntil(b"word9")
            results = await asyncio.gather(*(everything(answer) for answer in lost))
            assert 8 < time.monotonic() - began < 16
            assert [is_whole for _, is_whole in results] == [False] * len(lost)
            after = await all_ready(serving)
        assert set(loaded.seen) <= {200, "cut", "hung"}, loaded.seen
        assert loaded.seen["hung"] + loaded.seen["cut"] <= 4, "those in its hands when it froze, one for each client"
        assert loaded.seen[200] > 300
        assert after[frozen].pid != before[frozen].pid
        assert after[1 - frozen].pid == before[1 - frozen].pid
        assert await serving.metric("segue_worker_restarts_total", reason="hung") == 1
        await until_metric(serving, "segue_requests_in_flight", 0)


async def crowd(serving: Serving, kept_in_hand: int) -> None:
    """So many streams at one worker that it would pause if the frozen one counted."""
    before = time.monotonic()
    async with streams(serving, 40, "endless") as begun:
        assert len({stream.worker for stream in begun}) == 1
        assert time.monotonic() - before < 3
        await asyncio.sleep(PULSE)
        assert await serving.metric("segue_requests_in_flight") >= 40 + kept_in_hand


async def until_metric(serving: Serving, name: str, value: float) -> None:
    async def is_so() -> bool:
        return await serving.metric(name) == value

    await until(is_so)


async def test_frozen_and_woken_in_time_it_goes_on(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        before = await all_ready(serving)
        async with streams(serving, 6, "slow") as begun:
            for process in before.values():
                process.suspend()
            assert (await serving.get("/healthz"))[0] == 200
            asking = asyncio.create_task(serving.ask("quick"))
            await asyncio.sleep(3)
            assert not asking.done()
            for process in before.values():
                process.resume()
            assert await asking == 200
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in begun)):
                assert is_whole
                assert content.endswith(b"data: [DONE]\n\n")
        assert serving.workers() == before
        assert serving.logged("worker ended") == []


async def test_all_are_killed_again_and_again(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Nobody is left to accept for a while: connections wait, and are not refused."""
    async with served(upstream, tmp_path, ROUTES) as serving:
        for _ in range(3):
            for process in (await all_ready(serving)).values():
                process.kill()
            asked = await asyncio.gather(*(serving.ask("quick") for _ in range(5)), return_exceptions=True)
            assert asked == [200] * 5
        await all_ready(serving)
        assert await serving.metric("segue_worker_restarts_total", reason="crashed") == 6
        assert len(serving.logged("worker ended")) == 6


async def test_slow_streams_are_shared(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        async with streams(serving, 200, "endless") as begun:
            counts = [sum(stream.worker == slot for stream in begun) for slot in (0, 1)]
            assert sum(counts) == 200
            # A worker stops at a quarter above the mean; what it had accepted until it knew comes on top.
            assert max(counts) - min(counts) <= 2 * (25 + 16)
            await asyncio.sleep(PULSE)
            told = [worker["in_flight"] for worker in (await serving.status())["workers"]]
            assert told == counts
            assert await serving.metric("segue_requests_in_flight") == 200
            assert 1 <= await serving.metric("segue_workers_accepting") <= 2
        await until_metric(serving, "segue_requests_in_flight", 0)


def test_workers_that_can_never_start_end_it_all(tmp_path: Path) -> None:
    """What the interpreter runs at its start kills workers only."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'proxy.worker' in sys.orig_argv:\n    print('no such luck', file=sys.stderr)\n"
        "    sys.stderr.flush()\n    os._exit(7)\n"
    )
    written = configuration("http://127.0.0.1:1", {"quick": [("chat", "quick")]}, {})
    file = tmp_path / "segue.yaml"
    file.write_text(written.text)
    with tempfile.TemporaryDirectory(prefix="segue-run-") as made:
        environment = os.environ | written.environment | {"PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": made}
        ended = run("serve", "-c", str(file), environment=environment)
        assert [process for process in psutil.process_iter() if belongs(process, made)] == []
        assert list(Path(made).rglob("*.sock")) == []
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == "segue: no worker came to serve; the log says why"
    assert "no such luck" in ended.stderr
    assert '"event":"worker ended"' in ended.stderr
    assert "Traceback" not in ended.stderr


def belongs(process: psutil.Process, run_directory: str) -> bool:
    try:
        return process.environ().get("XDG_RUNTIME_DIR") == run_directory
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
