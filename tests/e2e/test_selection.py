"""Who answers, counted over real sockets: shares, load, latency, affinity, other routes, and whose reasoning it was."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anthropic
import pytest
from typer.testing import CliRunner

from proxy.canonical.request import Request
from proxy.cli.commands import application
from proxy.cli.explanation import chain
from proxy.routing.candidates import Operation
from proxy.runtime import keys
from tests.e2e.configuration import KEY, configuration, snapshot_of
from tests.e2e.harness import OpenStage, Stage, until
from tests.e2e.plays import MESSAGES

ONE, OTHER = "chat/demo", "other-chat/demo"
Claude = Callable[[Stage], anthropic.Anthropic]


def candidate(provider: str, model: str = "demo", **more: Any) -> dict[str, Any]:
    return {"provider": provider, "model": model, **more}


def route(*steps: Any, **more: Any) -> dict[str, Any]:
    return {"candidates": list(steps), "retries": {"same_target": 0}, **more}


def served(stage: Stage, model: str, headers: Mapping[str, str] | None = None) -> str:
    body = {"model": model, "messages": MESSAGES}
    answer = stage.raw("POST", "/v1/chat/completions", body, headers)
    assert answer.status == 200, answer
    return answer.headers["segue-served-by"]


def test_shares_are_those_of_the_weights(open_stage: OpenStage):
    step = {"any": [candidate("chat", weight=3), candidate("other-chat"), candidate("messages", weight=0)]}
    stage = open_stage(routes={"shared": route(step)})
    counted = Counter(served(stage, "shared") for _ in range(400))
    assert set(counted) == {ONE, OTHER}
    assert 240 < counted[ONE] < 360  # 300, give or take seven standard deviations


def test_a_step_is_gone_through_before_the_next(open_stage: OpenStage):
    step = {"any": [candidate("chat", "demo+503"), candidate("other-chat", "demo+503")]}
    stage = open_stage(routes={"m": route(step, candidate("messages"))}, defaults={"breaker": {"minimum_volume": 1000}})
    answers = [stage.raw("POST", "/v1/chat/completions", {"model": "m", "messages": MESSAGES}) for _ in range(12)]
    assert {answer.headers["segue-served-by"] for answer in answers} == {"messages/demo"}
    assert {answer.headers["segue-attempts"] for answer in answers[:3]} == {"3"}


def test_f18_another_routes_candidates_stand_in_its_place(open_stage: OpenStage):
    routes = {"outer": route(candidate("chat", "demo+503"), {"route": "inner"}), "inner": route(candidate("messages"))}
    stage = open_stage(routes=routes)
    assert served(stage, "outer") == "messages/demo"
    assert stage.asked == ["demo+503", "demo"]


def test_the_least_loaded_is_asked(open_stage: OpenStage):
    step = {"any": [candidate("chat"), candidate("other-chat")], "choose": "least_loaded"}
    stage = open_stage(routes={"m": route(step)})
    stage.upstream.behave("demo", "delay-400", times=1)
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    slow = threading.Thread(target=stage.raw, args=("POST", "/v1/chat/completions", body))
    slow.start()
    until(lambda: len(stage.requests) == 1, "the slow one was not asked")
    slow_one = stage.requests[0].credentials["authorization"]
    counted = Counter(served(stage, "m") for _ in range(10))
    slow.join()
    assert counted == {OTHER if slow_one == "Bearer sk-fake-chat" else ONE: 10}


def test_the_quickest_is_asked(open_stage: OpenStage):
    step = {"any": [candidate("chat", "demo+slow-first-150"), candidate("other-chat")], "choose": "lowest_latency"}
    stage = open_stage(routes={"m": route(step)})
    counted = Counter(served(stage, "m") for _ in range(20))
    assert counted["chat/demo+slow-first-150"] <= 2  # it is tried when nothing is known of it
    assert counted[OTHER] >= 18


def test_a_mark_keeps_to_its_candidate_and_finds_another_when_that_is_gone(open_stage: OpenStage):
    step = {"any": [candidate("chat", "one"), candidate("chat", "two"), candidate("chat", "three")]}
    stage = open_stage(routes={"m": route(step, affinity="header:X-Session")})
    sessions = [{"x-session": f"session {number}"} for number in range(24)]
    homes = [served(stage, "m", session) for session in sessions]
    assert set(homes) == {"chat/one", "chat/two", "chat/three"}
    assert [served(stage, "m", session) for session in sessions] == homes
    stage.upstream.behave("one", "503")
    moved = [served(stage, "m", session) for session in sessions]
    assert [new for new, home in zip(moved, homes, strict=True) if home != "chat/one"] == [
        home for home in homes if home != "chat/one"
    ]
    assert set(moved) == {"chat/two", "chat/three"}


def test_without_a_mark_the_choice_decides(open_stage: OpenStage):
    step = {"any": [candidate("chat"), candidate("other-chat")]}
    stage = open_stage(routes={"m": route(step, affinity="header:X-Session")})
    for headers in ({}, {"x-session": ""}):
        assert {served(stage, "m", headers) for _ in range(40)} == {ONE, OTHER}


def test_a_keys_requests_keep_together(open_stage: OpenStage):
    step = {"any": [candidate("chat", name) for name in ("one", "two", "three", "four")]}
    stage = open_stage(routes={"m": route(step, affinity="key")})
    assert len({served(stage, "m") for _ in range(20)}) == 1


def test_what_is_explained_is_what_happens(open_stage: OpenStage):
    step = {"any": [candidate("chat", name) for name in ("one", "two", "three")]}
    routes = {"m": route(step, affinity="header:X-Session")}
    stage = open_stage(routes=routes)
    built = snapshot_of(configuration(stage.upstream.url, routes, {})).routes["m"]
    for mark in map(str, range(10)):
        kept, _ = chain(built, Request("", "m", {}), Operation.GENERATE, mark)
        assert served(stage, "m", {"x-session": mark}) == kept[0].target


@pytest.mark.parametrize("more", [{}, {"affinity": "key"}])
def test_s04_reasoning_goes_to_who_thought_it_whatever_the_draw(
    open_stage: OpenStage, claude: Claude, more: dict[str, str]
):
    step = {"any": [candidate(provider, "demo+reasoning") for provider in ("anthropic", "messages", "other-messages")]}
    stage = open_stage(routes={"m": route(step, **more)})
    for _ in range(6):
        answer = claude(stage).messages.create(model="m", max_tokens=500, messages=MESSAGES)
        owner = stage.requests[-1].credentials
        turn: Any = [
            *MESSAGES,
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": "And now?"},
        ]
        for _ in range(4):
            claude(stage).messages.create(model="m", max_tokens=500, messages=turn)
            assert stage.requests[-1].credentials == owner
            assert stage.requests[-1].body["messages"][1]["content"][0]["type"] == "thinking"


def test_s04_when_the_owner_is_gone_others_are_asked_without_it(open_stage: OpenStage, claude: Claude):
    stage = open_stage(
        routes={"m": route(candidate("messages", "first"), candidate("other-messages", "demo+reasoning"))}
    )
    stage.upstream.behave("first", "503", times=1)
    answer = claude(stage).messages.create(model="m", max_tokens=500, messages=MESSAGES)
    turn: Any = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": "And now?"}]
    claude(stage).messages.create(model="m", max_tokens=500, messages=turn)
    stage.upstream.behave("demo+reasoning", "503", times=1)
    claude(stage).messages.create(model="m", max_tokens=500, messages=turn)
    assert stage.asked == ["first", "demo+reasoning", "demo+reasoning", "demo+reasoning", "first"]
    kinds = [[block["type"] for block in each.body["messages"][1]["content"]] for each in stage.requests[2:]]
    assert kinds == [["thinking", "text"], ["thinking", "text"], ["text"]]


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"model": "gone", "messages": MESSAGES}, KEY),
        ({"model": "m", "messages": MESSAGES, "n": 3}, KEY),
        ({"model": "m", "messages": "Hi"}, KEY),
        ({"model": "m", "messages": MESSAGES}, "sg-nonsense"),
        ({"model": "m", "messages": MESSAGES}, keys.compose("testkey1", "x" * 32)),
    ],
)
def test_a_refusal_is_explained_in_the_apis_words(
    open_stage: OpenStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], key: str
):
    routes = {"m": route(candidate("messages"), candidate("responses"))}
    stage = open_stage(routes=routes)
    answer = stage.raw("POST", "/v1/chat/completions", body, key=key)
    written = configuration(stage.upstream.url, routes, {})
    (tmp_path / "segue.yaml").write_text(written.text)
    (tmp_path / "body.json").write_text(json.dumps(body))
    monkeypatch.setenv("SEGUE_SECRET", written.environment["SEGUE_SECRET"])
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    arguments = ["explain", "--json", "-c", str(tmp_path / "segue.yaml"), "--body", str(tmp_path / "body.json")]
    shown = CliRunner().invoke(application(arguments), [*arguments, "--key", key], catch_exceptions=False)
    refused = json.loads(shown.stdout)["refused"]
    assert (refused["status"], refused["message"]) == (answer.status, answer.json["error"]["message"])
    assert refused["param"] == answer.json["error"]["param"]
