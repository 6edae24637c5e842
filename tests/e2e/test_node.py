"""The official Node clients, one process per script: every upstream, with and without a fallback, in one go."""

from typing import Any

from proxy.demo.content import REASONING
from tests.e2e.configuration import VOCABULARIES, Pair
from tests.e2e.harness import OpenStage
from tests.e2e.node import run
from tests.e2e.plays import ARGUMENTS, CHAT_TOOLS, MESSAGES_TOOLS, RESPONSES_TOOLS, SAID, SCHEMA, chain

CALLS = [list(call) for call in ARGUMENTS]


def every_chain(says: str = "") -> dict[str, list[Pair]]:
    """Route name -> chain."""
    return {
        f"{vocabulary}-{'fallback' if falls_back else 'at-once'}": chain(vocabulary, falls_back, says)
        for vocabulary in VOCABULARIES
        for falls_back in (False, True)
    }


def test_openai_chat(open_stage: OpenStage) -> None:
    routes = every_chain()
    got = run("openai_chat.mjs", open_stage(routes=routes), routes)
    assert {route: {**outcome, "tokens": outcome["tokens"] > 0} for route, outcome in got.items()} == {
        route: {
            "created": SAID,
            "iterated": SAID,
            "kept": SAID,
            "accumulated": SAID,
            "finish": ["stop", "stop"],
            "calls": [[], []],
            "tokens": True,
        }
        for route in routes
    }


def test_openai_chat_with_tools(open_stage: OpenStage) -> None:
    routes = every_chain("tools")
    got = run("openai_chat.mjs", open_stage(routes=routes), routes, CHAT_TOOLS)
    assert {route: (outcome["calls"], outcome["finish"]) for route, outcome in got.items()} == {
        route: ([CALLS, CALLS], ["tool_calls", "tool_calls"]) for route in routes
    }


def test_openai_responses(open_stage: OpenStage) -> None:
    """Its accumulator throws at an event it does not know, so it is told of fallbacks in comments."""
    routes = every_chain("reasoning")
    stage = open_stage(routes=routes)
    got = run("openai_responses.mjs", stage, routes)
    assert [item for found in got.values() for item in found.pop("items")][1::2] == [["completed", SAID]] * len(routes)
    assert got == {
        route: {
            "created": SAID,
            "finished": SAID,
            "iterated": {"text": SAID, "first": "response.created", "last": "response.completed", "foreign": []},
            "accumulated": SAID,
            "status": ["completed", "completed"],
            "calls": [[], []],
            "summaries": [REASONING],
        }
        for route in routes
    }
    streams = [each.content for each in stage.seen if each.is_stream]
    assert sum(b': segue {"event":"fallback_start"' in stream for stream in streams) == len(streams) / 2


def test_openai_responses_with_tools(open_stage: OpenStage) -> None:
    routes = every_chain("tools")
    got = run("openai_responses.mjs", open_stage(routes=routes), routes, RESPONSES_TOOLS)
    assert {route: outcome["calls"] for route, outcome in got.items()} == {route: [CALLS, CALLS] for route in routes}


def test_anthropic(open_stage: OpenStage) -> None:
    routes = every_chain("reasoning")
    got = run("anthropic.mjs", open_stage(routes=routes), routes)
    for outcome in got.values():
        assert outcome["created"] == outcome["accumulated"]
        assert outcome["created"]["blocks"] == [REASONING, SAID]
        assert outcome["created"]["stop"] == "end_turn"
        assert outcome["created"]["output"] > 5


def test_anthropic_with_tools(open_stage: OpenStage) -> None:
    routes = every_chain("tools")
    got = run("anthropic.mjs", open_stage(routes=routes), routes, MESSAGES_TOOLS)
    blocks = [["weather", {"city": "value 1"}], ["time", {"city": "value 2"}]]
    for outcome in got.values():
        assert outcome["created"] == outcome["accumulated"]
        assert (outcome["created"]["blocks"], outcome["created"]["stop"]) == (blocks, "tool_use")


def test_ai_sdk(open_stage: OpenStage) -> None:
    routes = every_chain()
    got = run("ai_sdk.mjs", open_stage(routes=routes), routes)
    assert {route: {name: summary(found) for name, found in outcome.items()} for route, outcome in got.items()} == {
        route: dict.fromkeys(VOCABULARIES, (SAID, [], "stop", [])) for route in routes
    }
    assert all(found["output"] > 0 for outcome in got.values() for found in outcome.values())


def test_ai_sdk_with_tools(open_stage: OpenStage) -> None:
    """Two calls at once, executed, and the results sent back: the second step is the answer."""
    routes = every_chain("tools")
    tools = [{"name": name, "parameters": SCHEMA} for name in ("weather", "time")]
    got = run("ai_sdk.mjs", open_stage(routes=routes), routes, tools)
    calls = [["weather", {"city": "value 1"}], ["time", {"city": "value 2"}]]
    said = "The tools said: weather of value 1; time of value 2"
    assert {route: {name: summary(found) for name, found in outcome.items()} for route, outcome in got.items()} == {
        route: dict.fromkeys(VOCABULARIES, (said, [], "stop", calls)) for route in routes
    }


def summary(found: dict[str, Any]) -> tuple[Any, ...]:
    return found["text"], found["errors"], found["finish"], found["calls"]
