"""Answers that break and go on, for the official Node clients and Vercel's AI SDK: one process per script, every
upstream, everyone who can go on, every way to die."""

from typing import Any

import pytest

from tests.e2e.breaks import RESTART, broken, every_break, open_breaking
from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.node import run
from tests.e2e.plays import SAID

ROUTES = every_break()
policies = pytest.mark.parametrize("midstream", ["continue", "restart"])


def gone_on(stage: Stage, streams: int) -> None:
    assert not any(b'"discard":true' in each.content for each in stage.seen)
    assert sum(b'"failed"' in each.content for each in stage.seen if each.is_stream) == streams * len(ROUTES)


@policies
def test_openai_chat(open_stage: OpenStage, midstream: str) -> None:
    stage = open_breaking(open_stage, ROUTES, midstream)
    got = run("openai_chat.mjs", stage, ROUTES)
    assert {
        route: (found["created"], found["iterated"], found["accumulated"], found["finish"])
        for route, found in got.items()
    } == {route: (SAID, SAID, SAID, ["stop", "stop"]) for route in ROUTES}
    gone_on(stage, 2)


@policies
def test_openai_responses(open_stage: OpenStage, midstream: str) -> None:
    stage = open_breaking(open_stage, ROUTES, midstream)
    got = run("openai_responses.mjs", stage, ROUTES)
    assert {
        route: (found["iterated"]["text"], found["iterated"]["last"], found["accumulated"], found["items"])
        for route, found in got.items()
    } == {route: (SAID, "response.completed", SAID, [["completed", SAID]]) for route in ROUTES}
    gone_on(stage, 2)


@policies
def test_anthropic(open_stage: OpenStage, midstream: str) -> None:
    stage = open_breaking(open_stage, ROUTES, midstream)
    got = run("anthropic.mjs", stage, ROUTES)
    assert {route: (found["accumulated"]["blocks"], found["accumulated"]["stop"]) for route, found in got.items()} == {
        route: ([SAID], "end_turn") for route in ROUTES
    }
    gone_on(stage, 1)


@policies
def test_ai_sdk(open_stage: OpenStage, midstream: str) -> None:
    stage = open_breaking(open_stage, ROUTES, midstream)
    got = run("ai_sdk.mjs", stage, ROUTES)
    assert {
        route: {name: (each["text"], each["errors"], each["finish"]) for name, each in found.items()}
        for route, found in got.items()
    } == {route: dict.fromkeys(VOCABULARIES, (SAID, [], "stop")) for route in ROUTES}
    gone_on(stage, 3)


def restarting() -> dict[str, list[dict[str, Any]]]:
    """The void answers say something else than those that stand."""
    routes = {}
    for upstream in VOCABULARIES:
        first, second = broken(upstream, "chat")
        routes[upstream] = [first | {"model": "first+long-9+cut-3"}, second]
    return routes


def test_openai_responses_after_a_restart(open_stage: OpenStage) -> None:
    """The finished object, both ways to it, and whoever reads items when they are done."""
    routes = restarting()
    stage = open_breaking(open_stage, routes, "restart")
    got = run("openai_responses.mjs", stage, routes, headers=RESTART)
    items = [["incomplete", ""], ["completed", SAID]]
    assert {
        route: (found["accumulated"], found["status"], found["items"], found["finished"])
        for route, found in got.items()
    } == {route: (SAID, ["completed", "completed"], items, SAID) for route in routes}
    assert sum(b'"discard":true' in each.content for each in stage.seen if each.is_stream) == 2 * len(routes)


def test_openai_chat_after_a_restart(open_stage: OpenStage) -> None:
    routes = restarting()
    stage = open_breaking(open_stage, routes, "restart")
    got = run("openai_chat.mjs", stage, routes, headers=RESTART)
    assert {route: found["kept"] for route, found in got.items()} == dict.fromkeys(routes, SAID)
