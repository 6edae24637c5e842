"""Upstreams that work again, connections that die behind an answer, and answers that go on where another broke off."""

from typing import Any

import aiohttp
import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.demo.seeing import PATHS, VOCABULARIES, Client, question, spoken

SAID = "You said: Hi there"
REFUSED = "This model does not support assistant message prefill. The conversation must end with a user message."
every_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES)


def going_on(vocabulary: str, begun: Any, said: str = "Hi there") -> dict[str, Any]:
    """The conversation's member, ending with what the assistant has begun."""
    messages = [{"role": "user", "content": said}, {"role": "assistant", "content": begun}]
    return {"input": messages} if vocabulary == "responses" else {"messages": messages}


@every_vocabulary
async def test_the_first_requests_fail(client: Client, vocabulary: str) -> None:
    statuses = [(await client.ask(vocabulary, "demo+first-2-503-retry-after-1")).status for _ in range(4)]
    assert statuses == [503, 503, 200, 200]
    streams = [await client.ask(vocabulary, "demo+first-1-cut-2+crlf") for _ in range(2)]
    assert [seen.end for seen in streams] == ["broken", "clean"]
    assert all(b"\r\n" in seen.raw for seen in streams)


async def test_who_says_something_else_has_first_requests_of_its_own(client: Client) -> None:
    asked = [question("chat", said) | {"model": "demo+first-1-500"} for said in ("a", "b", "a", "b")]
    assert [(await client.send("POST", PATHS["chat"], each)).status for each in asked] == [500, 500, 200, 200]


async def test_the_first_requests_can_be_counted_anew(upstream: ScriptedUpstream, client: Client) -> None:
    async def status() -> int:
        return (await client.ask("chat", "demo", stream=False)).status

    upstream.behave("demo", "first-1-500")
    assert [await status(), await status()] == [500, 200]
    assert (await client.send("DELETE", "/_admin/behaviour")).status == 200
    upstream.behave("demo", "first-1-500")
    assert [await status(), await status()] == [500, 200]


@every_vocabulary
async def test_an_unknown_modifier_is_refused_for_ever(client: Client, vocabulary: str) -> None:
    for _ in range(2):
        seen = await client.ask(vocabulary, "demo+first-1-hagn")
        assert (seen.status, "first-1-hagn" in seen.json["error"]["message"]) == (400, True)


@every_vocabulary
@pytest.mark.parametrize("stream", [True, False])
async def test_the_connection_is_dead_after_the_answer(
    upstream: ScriptedUpstream, client: Client, vocabulary: str, stream: bool
) -> None:
    first = await client.ask(vocabulary, "demo+close-idle", stream)
    assert (first.status, first.end) == (200, "clean")
    assert upstream.open_connections == 1
    second = await client.ask(vocabulary, "demo")
    assert (second.status, second.end, second.raw) == (0, "broken", b"")
    assert (upstream.recorder.unread, len(upstream.requests)) == (1, 1)
    assert (await client.send("GET", "/_admin/tally")).json["unread"] == 1
    assert (await client.ask(vocabulary, "demo")).status == 200


async def test_other_connections_live_on(upstream: ScriptedUpstream, client: Client) -> None:
    await client.ask("chat", "demo+close-idle")
    async with Client(upstream.url) as another:
        assert [(await another.ask("chat", "demo")).status for _ in range(2)] == [200, 200]


@every_vocabulary
async def test_what_the_assistant_has_begun_is_refused(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo", **going_on(vocabulary, "You said: Hi"))
    assert (seen.status, seen.json["error"]["message"]) == (400, REFUSED)
    assert seen.json["error"]["type"] == "invalid_request_error"
    spaced = await client.ask(vocabulary, "demo+prefill", **going_on(vocabulary, "You said: Hi "))
    assert spaced.status == 400
    assert "cannot end with trailing whitespace" in spaced.json["error"]["message"]


@every_vocabulary
@pytest.mark.parametrize("begun", [SAID[:cut] for cut in (1, 3, 8, 11, 17)])
async def test_what_the_assistant_has_begun_is_gone_on_with(client: Client, vocabulary: str, begun: str) -> None:
    kind = "output_text" if vocabulary == "responses" else "text"
    for content in (begun, [{"type": kind, "text": begun[:1]}, {"type": kind, "text": begun[1:]}]):
        seen = await client.ask(vocabulary, "demo+prefill", **going_on(vocabulary, content))
        assert (seen.status, begun + "".join(spoken(seen))) == (200, SAID)


@every_vocabulary
async def test_it_may_be_said_again(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+prefill-echo", **going_on(vocabulary, "You said:"))
    assert "".join(spoken(seen)) == SAID


@every_vocabulary
async def test_there_may_be_nothing_left_to_say(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+prefill", **going_on(vocabulary, SAID))
    assert (seen.status, seen.end, spoken(seen)) == (200, "clean", [])


@every_vocabulary
async def test_long_answers_and_limits_go_on_too(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+prefill+long-5", **going_on(vocabulary, "word0 word1 wo"))
    assert spoken(seen) == ["rd2 ", "word3 ", "word4 "]
    limit = {"responses": "max_output_tokens", "chat": "max_tokens", "messages": "max_tokens"}[vocabulary]
    short = await client.ask(vocabulary, "demo+prefill", **going_on(vocabulary, "You said:"), **{limit: 1})
    assert "".join(spoken(short)) == " Hi "


@every_vocabulary
async def test_another_beginning_is_followed_by_the_whole_answer(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+prefill", **going_on(vocabulary, "Once upon"))
    assert "".join(spoken(seen)) == SAID


async def test_counting_takes_any_conversation(client: Client) -> None:
    asked: dict[str, Any] = {"model": "demo", "max_tokens": 9, **going_on("messages", "Well")}
    assert (await client.send("POST", "/v1/messages/count_tokens", asked)).status == 200
    assert (await client.send("POST", "/v1/responses/input_tokens", going_on("responses", "Well"))).status == 200


async def test_departures_are_counted_by_model(upstream: ScriptedUpstream) -> None:
    """Streamed or not: a caller that left must not keep the upstream busy."""
    async with aiohttp.ClientSession() as session:
        for stream in (True, False):
            body = question("chat") | {"model": "demo+slow-headers-5000", "stream": stream}
            with pytest.raises(TimeoutError):
                await session.post(upstream.url + PATHS["chat"], json=body, timeout=aiohttp.ClientTimeout(0.1))
    await upstream.settled(timeout=1)
    tally = upstream.tally["demo+slow-headers-5000"]
    assert (tally.requests, tally.disconnected) == (2, 2)
