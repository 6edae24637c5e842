"""A configuration that is replaced under load: requests keep the one they began with, targets keep what was learnt of
them."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.configuration import configuration, snapshot_of
from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question, within
from tests.pipeline.asking import TEXT, ask, breaker, candidate, text

ILL = candidate("chat", "ill+503")
DOOMED = candidate("chat", "doomed+503")


def adopt(stage: Stage, routes: Mapping[str, Any], **more: Any) -> None:
    snapshot = snapshot_of(configuration(stage.upstream.url, routes, more))

    async def adopted() -> None:
        stage.app.adopt(snapshot)

    stage._backstage.run(adopted())


def targets(stage: Stage) -> set[str]:
    """Those that have a breaker to show."""
    return {dict(labels)["target"] for labels in stage.metrics().get("segue_breaker_state", {})}


def test_the_next_request_is_served_by_the_new_one(open_stage: OpenStage):
    stage = open_stage(("chat", "old"))
    with Wire(stage) as wire:
        for model in ("old", "new", "newer"):
            if model != "old":
                adopt(stage, {stage.model: [("chat", model)]})
            wire.send(wire.request(content=question()))
            assert wire.reply().headers["segue-served-by"] == f"chat/{model}", "on the same connection, too"
    assert stage.asked == ["old", "new", "newer"]


def test_a_running_request_keeps_what_it_began_with(open_stage: OpenStage):
    """Its target is gone, its key is gone, the limit has fallen below its size: it was accepted."""
    stage = open_stage(("chat", "old+long-60+delay-20"))
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=True)))
        wire.until(b"word3 ")
        adopt(stage, {"other": [("messages", "new")]}, tenants={"tests": {"keys": []}}, server={"body_limit": 1024})
        content = wire.until(b"0\r\n\r\n")
        assert b"word58 " in content
        assert content.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        wire.send(wire.request(content=question()))
        assert wire.reply().status == 401
    assert stage.asked == ["old+long-60+delay-20"]


def test_it_even_falls_back_by_the_old_one(open_stage: OpenStage):
    routes = {Stage.model: [("chat", "slow+slow-headers-500+503"), ("chat", "spare")]}
    stage = open_stage(routes=routes)
    with Wire(stage) as wire:
        wire.send(wire.request(content=question()))
        assert within(5, lambda: bool(stage.requests))
        adopt(stage, {stage.model: [("chat", "new")]})
        assert wire.reply().headers["segue-served-by"] == "chat/spare"
    assert targets(stage) <= {"chat/new", "credential:chat"}, "of the others nothing is to be learnt any more"


def test_breakers_of_targets_that_stay_stay(open_stage: OpenStage):
    routes = {"one": [ILL, ("chat", "spare")], "two": [DOOMED, ("chat", "spare")]}
    stage = open_stage(routes=routes)
    for route in routes:
        assert text("chat", ask(stage, "chat", model=route)) == TEXT
    assert (breaker(stage, "chat/ill+503"), breaker(stage, "chat/doomed+503")) == ("open", "open")
    adopt(stage, {"renamed": [("messages", "first+500"), ILL, ("chat", "spare")]})
    assert breaker(stage, "chat/ill+503") == "open"
    assert "chat/doomed+503" not in targets(stage)
    asked = len(stage.asked)
    answer = ask(stage, "chat", model="renamed")
    assert text("chat", answer) == TEXT
    assert stage.asked[asked:] == ["first+500", "first+500", "spare"], "the one that is open was not asked"
    adopt(stage, routes)
    assert breaker(stage, "chat/ill+503") == "open"
    ask(stage, "chat", model="two")
    assert stage.asked[-2:] == ["doomed+503", "spare"], "what was gone begins anew"


def test_changed_settings_make_a_new_breaker(open_stage: OpenStage):
    stage = open_stage(routes={"one": [ILL, ("chat", "spare")]})
    ask(stage, "chat", model="one")
    assert breaker(stage, "chat/ill+503") == "open"
    adopt(stage, {"one": [ILL | {"breaker": {"consecutive_failures": 3}}, ("chat", "spare")]})
    ask(stage, "chat", model="one")
    assert breaker(stage, "chat/ill+503") == "closed"


@pytest.mark.parametrize("vocabulary", ["chat", "messages"])
def test_connections_to_upstreams_stay_open(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((vocabulary, "first"))
    for model in ("first", "second", "third"):
        adopt(stage, {stage.model: [(vocabulary, model)]})
        assert text("chat", ask(stage, "chat")) == TEXT
        assert stage.upstream.open_connections == 1
    assert stage.asked == ["first", "second", "third"]
    assert stage.metric("segue_requests_total", outcome="ok") == 3
