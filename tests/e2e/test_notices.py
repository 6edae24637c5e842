"""Keeps honest the list of clients that are sent extension events without asking (contract §3)."""

from typing import Any

import openai
import pytest

from proxy.http.request_headers import SURVIVES_EXTENSION_EVENTS
from tests.e2e.harness import OpenStage
from tests.e2e.node import run
from tests.e2e.plays import MESSAGES, SAID, chain

NOTICE = "segue:fallback_start"
# Clients on the list that are no library; what they survive was measured with the programs themselves.
PROGRAMS = ("codex_cli_rs", "codex_exec")


def test_the_list_holds_exactly_the_clients_tried_here() -> None:
    assert sorted(SURVIVES_EXTENSION_EVENTS) == sorted(("OpenAI/Python", "AsyncOpenAI/Python", *PROGRAMS))


def test_openai_python_survives(open_stage: OpenStage, upstream: str) -> None:
    stage = open_stage(*chain(upstream, True))
    question: Any = {"model": stage.model, "input": "Hi there"}
    with openai.OpenAI(base_url=f"{stage.url}/v1", api_key=stage.key) as client:
        kinds: list[str] = [event.type for event in client.responses.create(**question, stream=True)]
        with client.responses.stream(**question) as events:
            accumulated: list[str] = [event.type for event in events]
            assert events.get_final_response().output_text == SAID
    assert (kinds.count(NOTICE), accumulated.count(NOTICE)) == (1, 1)
    assert all(each.asked["user-agent"].startswith(SURVIVES_EXTENSION_EVENTS) for each in stage.seen)


async def test_asynchronous_openai_python_survives(open_stage: OpenStage, upstream: str) -> None:
    stage = open_stage(*chain(upstream, True))
    question: Any = {"model": stage.model, "input": "Hi there"}
    async with openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key) as client:
        kinds: list[str] = [event.type async for event in await client.responses.create(**question, stream=True)]
        async with client.responses.stream(**question) as events:
            accumulated: list[str] = [event.type async for event in events]
            assert (await events.get_final_response()).output_text == SAID
    assert (kinds.count(NOTICE), accumulated.count(NOTICE)) == (1, 1)
    assert all(each.asked["user-agent"].startswith(SURVIVES_EXTENSION_EVENTS) for each in stage.seen)


def test_openai_node_does_not_survive(open_stage: OpenStage) -> None:
    """Its iterator does, its accumulator throws: the day this fails, it may go on the list."""
    stage = open_stage(*chain("responses", True))
    outcome = run("openai_notices.mjs", stage, [stage.model])[stage.model]
    assert outcome["iterated"].count(NOTICE) == 1
    assert "error" in outcome["accumulated"]
    assert "Unhandled response stream event" in outcome["accumulated"]["error"]
    assert not any(each.asked["user-agent"].startswith(SURVIVES_EXTENSION_EVENTS) for each in stage.seen)


@pytest.mark.parametrize("mode", ["comments", "none"])
def test_what_a_request_asks_for_wins(open_stage: OpenStage, upstream: str, mode: str) -> None:
    stage = open_stage(*chain(upstream, True))
    with openai.OpenAI(
        base_url=f"{stage.url}/v1", api_key=stage.key, default_headers={"segue-fallback-events": mode}
    ) as client:
        kinds = [event.type for event in client.responses.create(model=stage.model, input="Hi there", stream=True)]
    assert NOTICE not in kinds
    assert (b': segue {"event":"fallback_start"' in stage.seen[0].content) is (mode == "comments")


def test_a_key_may_say_it_once_for_all(open_stage: OpenStage) -> None:
    stage = open_stage(*chain("chat", True), tenants={"tests": {"fallback_events": "events"}})
    answer = stage.raw("POST", "/v1/responses", {"model": stage.model, "input": "Hi there", "stream": True})
    assert [each["type"] for each in answer.payloads].count(NOTICE) == 1


def test_chat_gets_events_only_when_asked(open_stage: OpenStage, upstream: str) -> None:
    """Programs write `chunk.choices[0]`, so no list of clients can promise that they bear a chunk without choices."""
    stage = open_stage(*chain(upstream, True))
    question: Any = {"model": stage.model, "messages": MESSAGES, "stream": True}
    with openai.OpenAI(base_url=f"{stage.url}/v1", api_key=stage.key) as client:
        assert all(chunk.choices for chunk in client.chat.completions.create(**question))
        asked: Any = {"segue-fallback-events": "events"}
        chunks = list(client.chat.completions.create(**question, extra_headers=asked))
    assert b': segue {"event":"fallback_start"' in stage.seen[0].content
    assert sum(not chunk.choices for chunk in chunks) == 1
