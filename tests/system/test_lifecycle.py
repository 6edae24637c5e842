"""`segue serve` and signals: what runs may end, what comes is served or refused, everybody is told, and nothing is
left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.conformance.lint import lint, lint_error
from proxy.demo.upstream import ScriptedUpstream
from tests.cli.test_processes import run
from tests.e2e.configuration import configuration
from tests.system.clients import PATHS, body_of, everything, load, streams, words
from tests.system.serving import PULSE, Serving, all_ready, is_alive, served, until

pytestmark = pytest.mark.system

WORDS = 60
ROUTES: dict[str, Any] = {
    "slow": [("chat", f"slow+long-{WORDS}+delay-50")],
    "endless": [("chat", "endless+long-2000+delay-20")],
    "quick": [("chat", "quick")],
    "hang": [("chat", "hang+hang")],
}


async def open_connection(serving: Serving) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", serving.port)


async def refuses_connections(serving: Serving) -> bool:
    try:
        _, writer = await open_connection(serving)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False


async def draining(serving: Serving) -> None:
    """Waits until /readyz says so."""

    async def is_so() -> bool:
        return (await serving.get("/readyz"))[0] == 503

    await until(is_so, within=2)


async def test_what_runs_may_end_and_nothing_more_is_taken(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES, server={"shutdown_grace_seconds": 20}) as serving:
        await all_ready(serving)
        assert (await serving.get("/readyz"))[0] == 200
        idle, idle_end = await open_connection(serving)
        async with streams(serving, 24, "slow") as begun:
            assert {stream.worker for stream in begun} == {0, 1}
            serving.tell(signal.SIGTERM)
            await draining(serving)
            assert (await serving.get("/healthz"))[0] == 200
            assert await idle.read() == b""
            idle_end.close()
            assert await refuses_connections(serving)
            for again in (signal.SIGTERM, signal.SIGINT):  # as when a terminal and a wrapper both pass one on
                serving.tell(again)
            await asyncio.sleep(PULSE)
            assert await serving.metric("segue_requests_in_flight") == 24
            assert await serving.metric("segue_workers_accepting") == 0
            assert (await serving.status())["state"] == "draining"
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in begun)):
                assert is_whole
                assert words(content)[-1] >= WORDS - 2
                assert content.endswith(b"data: [DONE]\n\n")
        began = time.monotonic()
        await serving.running.ended()
        assert time.monotonic() - began < 5, "it waited for the grace although nobody was being served"
    await upstream.settled()
    assert {exchange.outcome for exchange in upstream.requests} == {"finished"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_nothing_to_wait_for(upstream: ScriptedUpstream, tmp_path: Path, number: signal.Signals) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        async with serving.session.get(f"{serving.base}/models") as answer:
            assert answer.status == 200
        serving.tell(number)
        async with asyncio.timeout(5):
            await serving.running.ended()


async def test_a_load_balancer_has_time_to_notice(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Requests that come in the meantime are served; whoever asks again has to connect anew, elsewhere."""
    async with served(upstream, tmp_path, ROUTES, server={"drain_accepting_seconds": 2}) as serving:
        await all_ready(serving)
        body = {"model": "quick", "messages": [{"role": "user", "content": "Hi"}]}
        async with serving.session.post(f"{serving.base}/chat/completions", json=body) as answer:
            assert answer.headers.get("connection") is None
        async with load(serving, "quick") as loaded:
            serving.tell(signal.SIGTERM)
            began = time.monotonic()
            await draining(serving)
            assert time.monotonic() - began < 0.5
            for stream in (False, True):
                async with serving.post("chat/completions", stream=stream, **body) as answer:
                    assert (answer.status, answer.headers["connection"]) == (200, "close")
            await asyncio.sleep(1.0)
            assert set(loaded.seen) == {200}
            await until(lambda: loaded.seen["refused"] > 0)
            assert 1.9 < time.monotonic() - began < 4
            await serving.running.ended()
        assert set(loaded.seen) == {200, "refused"}, "none was accepted and then forgotten"


async def test_ctrl_c_has_no_load_balancer(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    patience = {"drain_accepting_seconds": 60, "shutdown_grace_seconds": 60}
    async with served(upstream, tmp_path, ROUTES, server=patience) as serving:
        await all_ready(serving)
        async with serving.stream("slow") as answer:
            await answer.content.readuntil(b"word0")
            serving.tell(signal.SIGINT)
            await draining(serving)
            await until(lambda: refuses_connections(serving), within=1)
            content, is_whole = await everything(answer)
            assert is_whole
            assert content.endswith(b"data: [DONE]\n\n")
        async with asyncio.timeout(5):
            await serving.running.ended()


@pytest.mark.parametrize("accepting", [0, 1])
async def test_none_is_lost_in_the_last_moment(upstream: ScriptedUpstream, tmp_path: Path, accepting: int) -> None:
    """Many that connect all the time, while the listener closes: an answer each, or a clean refusal."""
    async with served(upstream, tmp_path, ROUTES, server={"drain_accepting_seconds": accepting}) as serving:
        await all_ready(serving)
        async with load(serving, "quick", clients=30) as loaded:
            await asyncio.sleep(1)
            serving.tell(signal.SIGTERM)
            await serving.running.ended()
        assert loaded.seen[200] > 100
        assert set(loaded.seen) == {200, "refused"}, loaded.seen


ENDINGS = {"responses": "response.failed", "chat": '"error"', "messages": "event: error", "domain": "event: error"}


def headers_of(vocabulary: str) -> dict[str, str]:
    return {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}


async def test_at_the_end_of_the_grace_each_is_told_in_its_own_words(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    async with (
        served(upstream, tmp_path, ROUTES, server={"shutdown_grace_seconds": 1}) as serving,
        AsyncExitStack() as stack,
    ):
        await all_ready(serving)

        def ask(vocabulary: str, model: str) -> Any:
            path, headers = f"{serving.base}/{PATHS[vocabulary]}", headers_of(vocabulary)
            return serving.session.post(path, json=body_of(vocabulary, model), headers=headers)

        answers = {name: await stack.enter_async_context(ask(name, "endless")) for name in ENDINGS}
        begun = {name: await answer.content.readuntil(b"word3") for name, answer in answers.items()}
        waiting = [asyncio.create_task(unsent(ask(name, "hang"), name)) for name in ENDINGS]
        await until(lambda: len(upstream.requests) == 8)
        serving.tell(signal.SIGTERM)
        began = time.monotonic()
        for vocabulary, answer in answers.items():
            rest, is_whole = await everything(answer)
            assert is_whole, vocabulary
            content = begun[vocabulary] + rest
            assert lint(content, vocabulary).violations == []
            last = content.decode().rstrip().rpartition("\n\n")[2]
            assert ENDINGS[vocabulary] in last, last
            assert b"[DONE]" not in content
        assert [await status for status in waiting] == [503, 503, 529, 503]
        assert 0.9 < time.monotonic() - began < 4
        async with asyncio.timeout(5):
            await serving.running.ended()
    await upstream.settled()
    assert {exchange.outcome for exchange in upstream.requests} == {"disconnected"}


async def unsent(asking: Any, vocabulary: str) -> int:
    """The status of an answer of which nothing had been sent."""
    async with asking as answer:
        assert not lint_error(await answer.json(content_type=None), vocabulary)
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
        return int(answer.status)


async def test_a_second_signal_hurries(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    patience = {"drain_accepting_seconds": 100, "shutdown_grace_seconds": 1000}
    async with served(upstream, tmp_path, ROUTES, server=patience) as serving:
        await all_ready(serving)
        async with streams(serving, 6, "endless") as begun:
            serving.tell(signal.SIGTERM)
            await asyncio.sleep(0.5)
            serving.tell(signal.SIGTERM)  # the same request, passed on by somebody else
            await asyncio.sleep(1.0)
            assert await serving.ask("quick") == 200
            began = time.monotonic()
            serving.tell(signal.SIGTERM)
            for content, is_whole in await asyncio.gather(*(everything(stream.answer) for stream in begun)):
                assert is_whole
                assert json.loads(content.decode().rstrip().rpartition("data: ")[2])["error"]["message"]
            await serving.running.ended()
            assert time.monotonic() - began < 4


async def test_who_reads_nothing_does_not_hold_up_the_end(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    much = "x" * 60_000
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "flood"}
    choice = {"index": 0, "delta": {"content": much}, "finish_reason": None}
    upstream.script("flood", [{"write": f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"}] * 2000)
    routes = {"flood": [("chat", "flood")]}
    async with served(upstream, tmp_path, routes, server={"shutdown_grace_seconds": 1}) as serving:
        await all_ready(serving)
        async with serving.stream("flood") as answer:  # and what it holds back fills all buffers
            assert answer.status == 200
            await until(lambda: upstream.requests[0].bytes_written > 1_000_000)
            serving.tell(signal.SIGTERM)
            began = time.monotonic()
            async with asyncio.timeout(12):
                await serving.running.ended()
            assert time.monotonic() - began > 0.9


async def test_ended_when_only_one_of_two_is_sure_to_serve(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        serving.tell(signal.SIGTERM)
        async with asyncio.timeout(5):
            await serving.running.ended()
        assert serving.logged("worker ended") == []


@pytest.mark.parametrize("begun", [1, 2, 3])
def test_ended_before_it_serves(tmp_path: Path, begun: int) -> None:
    """Whatever has been started by then: the store, a worker or both; none of it is left."""
    written = configuration("http://127.0.0.1:1", ROUTES, {})
    file = tmp_path / "segue.yaml"
    file.write_text(written.text)
    with tempfile.TemporaryDirectory(prefix="segue-run-") as made:
        environment = os.environ | written.environment | {"XDG_RUNTIME_DIR": made}
        command = [sys.executable, "-m", "proxy", "serve", "-c", str(file)]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        try:
            found = psutil.Process(running.pid)
            deadline = time.monotonic() + 10
            while len(children := found.children(recursive=True)) < begun:
                assert time.monotonic() < deadline
            running.send_signal(signal.SIGTERM)
            said, _ = running.communicate(timeout=5)
        finally:
            running.kill()
        assert (running.returncode, said) == (0, b"")
        assert not any(map(is_alive, children))
        assert list(Path(made).rglob("*.sock")) == []


async def test_a_second_master_is_told_who_is_there(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    async with served(upstream, tmp_path, ROUTES) as serving:
        await all_ready(serving)
        ended = await asyncio.to_thread(run, "serve", "-c", str(serving.file), environment=serving.environment)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert f"in use by segue, process {serving.running.pid}" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert await serving.ask("quick") == 200
