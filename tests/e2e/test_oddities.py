"""Upstreams that are odd but not wrong: whatever they do on the wire, clients get the same faithful answer."""

from typing import Any

import pytest

from proxy.conformance.lint import lint
from proxy.demo.content import MULTIBYTE, REASONING
from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import ARGUMENTS, CHAT_TOOLS, MESSAGES, MESSAGES_TOOLS, RESPONSES_TOOLS, SAID

PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}
QUESTIONS: dict[str, dict[str, Any]] = {
    "responses": {"input": "Hi there"},
    "chat": {"messages": MESSAGES, "stream_options": {"include_usage": True}},
    "messages": {"messages": MESSAGES, "max_tokens": 500},
}
TOOLS = {"responses": RESPONSES_TOOLS, "chat": CHAT_TOOLS, "messages": MESSAGES_TOOLS}
SPELLINGS = ["crlf", "no-space", "comments", "malformed-0", "crlf+comments+no-space"]
USAGES = ["usage-odd", "usage-odd-every"]

clients = pytest.mark.parametrize("client", VOCABULARIES)


def streamed(stage: Stage, client: str, route: str, **more: Any) -> Any:
    """What a faithful client understands, by the conformance checker."""
    body = QUESTIONS[client] | {"model": route, "stream": True} | more
    return lint(stage.raw("POST", PATHS[client], body).content, client)


def translated(client: str, upstream: str, *modifiers: str) -> list[str]:
    """What reaches the client changed only where it is translated: within a vocabulary it passes through as it is."""
    return [] if client == upstream else list(modifiers)


def routes(upstream: str, modifiers: list[str], also: str = "") -> dict[str, Any]:
    return {modifier: [(upstream, f"demo+{modifier}{also}")] for modifier in modifiers}


@clients
def test_spellings(open_stage: OpenStage, client: str, upstream: str) -> None:
    spellings = [*SPELLINGS, *translated(client, upstream, "unknown-event")]
    stage = open_stage(routes=routes(upstream, spellings, "+reasoning"))
    told = {route: streamed(stage, client, route) for route in spellings}
    understood = {route: (each.text, each.reasoning) for route, each in told.items()}
    assert understood == dict.fromkeys(spellings, (SAID, REASONING))


@clients
def test_characters_cut_in_two(open_stage: OpenStage, client: str, upstream: str) -> None:
    stage = open_stage((upstream, "demo+split-utf8"))
    assert streamed(stage, client, stage.model).text == MULTIBYTE + SAID


@clients
def test_usage_in_odd_places(open_stage: OpenStage, client: str, upstream: str) -> None:
    usages = [*USAGES, *translated(client, upstream, "no-usage", "usage-odd-groq")]
    stage = open_stage(routes=routes(upstream, usages))
    told = {route: streamed(stage, client, route) for route in usages}
    assert {route: each.text for route, each in told.items()} == dict.fromkeys(usages, SAID)
    output = "completion_tokens" if client == "chat" else "output_tokens"
    assert told["usage-odd"].usage[output] == told["usage-odd-every"].usage[output] == 5
    assert stage.metric("segue_tokens_total", kind="output") >= 10


@clients
@pytest.mark.parametrize(
    ("upstream", "order"), [("chat", "overlap-tools"), ("responses", "overlap-tools"), ("chat", "dup-tool-index")]
)
def test_tool_calls_in_odd_order(open_stage: OpenStage, client: str, upstream: str, order: str) -> None:
    stage = open_stage((upstream, f"demo+tools+{order}"))
    told = streamed(stage, client, stage.model, tools=TOOLS[client])
    assert sorted((call.name, call.arguments) for call in told.tool_calls) == sorted(ARGUMENTS)
    assert len({call.id for call in told.tool_calls}) == 2
