"""The controls: scripts, behaviour, what is recorded, and the server as its own process."""

import asyncio
import base64
import signal
import sys
from typing import Any

import aiohttp
import pytest

from proxy.demo.upstream import ScriptedUpstream, create_upstream
from tests.demo.seeing import Client, Seen, spoken


async def test_a_raw_script_is_played_as_it_stands(upstream: ScriptedUpstream, client: Client) -> None:
    upstream.script(
        "x",
        [
            {"status": 201, "headers": {"x-odd": "yes", "content-type": "text/plain"}},
            {"write": "Grüße"},
            {"sleep": 0.01},
            {"write_base64": base64.b64encode(b"\xff\xfe").decode()},
            {"cut": True},
        ],
        times=1,
    )
    seen = await client.ask("chat", "x")
    assert (seen.status, seen.headers["x-odd"], seen.raw, seen.end) == (
        201,
        "yes",
        "Grüße".encode() + b"\xff\xfe",
        "broken",
    )
    assert spoken(await client.ask("chat", "x"))


@pytest.mark.parametrize(
    ("step", "end"), [({"hang": True}, "silent"), ({"reset": True}, "broken"), ({"write": ""}, "clean")]
)
async def test_how_a_script_ends(upstream: ScriptedUpstream, client: Client, step: dict[str, Any], end: str) -> None:
    upstream.script("x", [{"write": "data: {}\n\n"}, {"sleep": 0.02}, step])
    seen = await client.ask("messages", "x")
    assert (seen.status, seen.raw, seen.end) == (200, b"data: {}\n\n", end)
    assert seen.headers["content-type"].startswith("text/event-stream")


async def test_orders_are_served_in_turn(upstream: ScriptedUpstream, client: Client) -> None:
    upstream.behave("demo", "429", times=2)
    upstream.behave("demo", "503")
    assert [(await client.ask("chat", "demo")).status for _ in range(4)] == [429, 429, 503, 503]
    upstream.behave("demo", "long-3", times=1)
    assert len(spoken(await client.ask("chat", "demo"))) == 3
    assert (await client.ask("chat", "demo")).status == 200
    assert (await client.ask("chat", "another")).status == 200


def test_wrong_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="hagn"):
        ScriptedUpstream().behave("demo", "hagn")
    with pytest.raises(ValueError, match="jump"):
        ScriptedUpstream().script("demo", [{"jump": 1}])


async def test_what_is_recorded(upstream: ScriptedUpstream, client: Client) -> None:
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    seen = await client.send("POST", "/any/prefix/v1/chat/completions?beta=true", body, Authorization="Bearer sk-fake")
    (exchange,) = upstream.requests
    assert (exchange.path, exchange.query) == ("/any/prefix/v1/chat/completions", "beta=true")
    assert exchange.credentials == {"authorization": "Bearer sk-fake"}
    assert (exchange.body, exchange.status, exchange.outcome) == (body, 200, "finished")
    assert exchange.bytes_written == len(seen.raw)


async def test_the_tally_counts_only_usage_that_was_told(upstream: ScriptedUpstream, client: Client) -> None:
    told = (await client.ask("chat", "demo", stream=False)).json["usage"]
    await client.ask("chat", "demo+cut-4")
    await client.ask("messages", "demo+no-usage")
    tally = upstream.tally["demo"]
    assert (tally.requests, tally.input_tokens, tally.output_tokens) == (
        1,
        told["prompt_tokens"],
        told["completion_tokens"],
    )
    assert (upstream.tally["demo+cut-4"].requests, upstream.tally["demo+cut-4"].output_tokens) == (1, 0)
    assert upstream.tally["demo+no-usage"].output_tokens == 0


@pytest.mark.parametrize("model", ["demo+hang", "demo+hang-body", "demo+stall-2", "demo+long-200+delay-10"])
async def test_a_departed_client_is_noticed(upstream: ScriptedUpstream, client: Client, model: str) -> None:
    asking = asyncio.create_task(client.ask("responses", model))
    while not upstream.recorder.in_flight:
        await asyncio.sleep(0.005)
    asking.cancel()
    await upstream.settled(timeout=1)
    assert upstream.requests[-1].disconnected
    assert upstream.tally[model].disconnected == 1
    assert upstream.open_connections == 0


@pytest.mark.parametrize("model", ["demo+cut-2", "demo+reset"])
async def test_a_deliberate_end_is_no_departure(upstream: ScriptedUpstream, client: Client, model: str) -> None:
    assert (await client.ask("chat", model)).end == "broken"
    await upstream.settled()
    assert upstream.requests[-1].outcome == model[5:].partition("-")[0]


async def test_nothing_is_left_when_it_stops() -> None:
    before = asyncio.all_tasks()
    async with ScriptedUpstream() as upstream:
        models = ("demo+hang", "demo+stall-1", "demo+long-9+delay-999")
        asking = [asyncio.create_task(_ask_alone(upstream.url, model)) for model in models]
        while len(upstream.requests) < len(models):
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
    assert [(await each).end for each in asking] == ["broken"] * 3
    assert upstream.recorder.in_flight == 0
    assert asyncio.all_tasks() == before


async def _ask_alone(url: str, model: str) -> Seen:
    async with Client(url) as client:
        return await client.ask("chat", model)


async def test_a_finished_stream_keeps_its_connection(upstream: ScriptedUpstream, client: Client) -> None:
    for _ in range(3):
        await client.ask("messages", "demo")
    assert upstream.open_connections == 1


async def test_unknown_paths(client: Client) -> None:
    assert (await client.send("POST", "/v1/nothing", {})).status == 404
    assert (await client.send("GET", "/v1/chat/completions")).status == 404


async def test_the_admin_calls(client: Client, upstream: ScriptedUpstream) -> None:
    assert (
        await client.send("POST", "/_admin/scripts", {"model": "x", "steps": [{"status": 204}], "times": 1})
    ).status == 200
    assert (await client.send("POST", "/_admin/behaviour", {"model": "y", "modifiers": ["503"]})).status == 200
    assert (await client.send("POST", "/_admin/behaviour", {"model": "y", "modifiers": ["nonsense"]})).status == 400
    assert (await client.send("POST", "/_admin/scripts", {"steps": []})).status == 400
    assert [(await client.ask("chat", model)).status for model in ("x", "y")] == [204, 503]
    shown = (await client.send("GET", "/_admin/requests")).json["requests"]
    assert [(each["model"], each["status"], each["disconnected"]) for each in shown] == [
        ("x", 204, False),
        ("y", 503, False),
    ]
    assert shown[0]["body"]["messages"][0]["content"] == "Hi there"
    tally = (await client.send("GET", "/_admin/tally")).json
    assert (tally["models"]["y"]["requests"], tally["in_flight"]) == (1, 0)
    assert "cut-<n>" in (await client.send("GET", "/_admin/modifiers")).json
    for path in ("/_admin/scripts", "/_admin/requests"):
        assert (await client.send("DELETE", path)).status == 200
    assert upstream.requests == []
    assert (await client.ask("chat", "y")).status == 200


async def test_only_the_last_requests_are_kept() -> None:
    async with ScriptedUpstream(keep=2) as upstream, Client(upstream.url) as client:
        for _ in range(3):
            await client.ask("chat", "demo")
        assert [exchange.number for exchange in upstream.requests] == [2, 3]
        assert upstream.tally["demo"].requests == 3


async def test_compressed_bodies_are_read(upstream: ScriptedUpstream) -> None:
    body = {"model": "demo", "input": "Hi"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{upstream.url}/v1/responses", json=body, compress="gzip") as response,
    ):
        assert (await response.json())["output"][0]["content"][0]["text"] == "You said: Hi"


def test_it_is_an_application_too() -> None:
    assert create_upstream().router.resources()


async def test_it_runs_as_its_own_process() -> None:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy.demo.upstream", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert started.stdout is not None
    words = (await started.stdout.readline()).decode().split()
    assert words[:2] == ["upstream", "ready"]
    async with Client(words[2]) as client:
        assert (await client.ask("chat", "demo")).status == 200
        started.send_signal(signal.SIGTERM)
        assert await started.wait() == 0
