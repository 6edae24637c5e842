"""Stories of what a client is told and when: announcing, silence, notices, names and ids, reasoning that comes back."""

import http.client
import json
import time
from typing import Any

import msgspec
import pytest

from proxy.demo.content import SEAL
from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import (
    PATHS,
    SAID,
    TEXT,
    TOOL,
    VOCABULARIES,
    ask,
    body,
    candidate,
    names,
    notices,
    speaks,
    text,
)
from tests.vocabularies import facts

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
WIRES = pytest.mark.parametrize("upstream", ["responses", "chat", "messages"])
OPENING = {
    "responses": ["response.created", "response.in_progress"],
    "chat": ["chunk"],
    "messages": ["message_start"],
    "domain": ["stream_started"],
}


def arrivals(stage: Stage, vocabulary: str) -> list[tuple[float, bytes]]:
    """Each read of a stream and when it came, in seconds since the request was sent; the first entry is the headers."""
    host, _, port = stage.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=stage.patience)
    headers = {"authorization": f"Bearer {stage.key}"}
    if vocabulary == "domain":
        headers["segue-vocabulary"] = "domain"
    began = time.monotonic()
    try:
        connection.request("POST", PATHS[vocabulary], json.dumps(body(vocabulary)), headers)
        response = connection.getresponse()
        found = [(time.monotonic() - began, b"")]
        while content := response.read1(65536):
            found.append((time.monotonic() - began, content))
    finally:
        connection.close()
    return found


def impatient(open_stage: OpenStage, announce: str, silence: float, *candidates: Any) -> Stage:
    """A stage that fills silence after `silence` seconds; configuration files promise at least 5."""
    stage = open_stage(
        routes={Stage.model: {"candidates": list(candidates), "announce": announce}},
        server={"silence_before_headers_seconds": silence},
    )
    snapshot = stage.app._snapshot
    stage.app._snapshot = msgspec.structs.replace(
        snapshot, server=msgspec.structs.replace(snapshot.server, ping_interval=silence)
    )
    return stage


@EACH
def test_held_sends_nothing_before_the_first_content(open_stage: OpenStage, vocabulary: str):
    stage = impatient(open_stage, "held", 5.0, (speaks(vocabulary), "first+slow-headers-250"))
    (headers_at, _), (content_at, content), *_ = arrivals(stage, vocabulary)
    assert headers_at >= 0.2
    assert content_at - headers_at < 0.2
    assert content


@EACH
def test_eager_opens_at_once_and_tells_hops_as_they_come(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    haste = {"headers_seconds": 0.3}
    stage = impatient(open_stage, "eager", 5.0, candidate(provider, "a+hang", timeouts=haste), (provider, "b"))
    (headers_at, _), *reads = arrivals(stage, vocabulary)
    assert headers_at < 0.25
    content = b"".join(read for _, read in reads)
    answer = stage.seen[0]
    assert answer.content == content
    kinds = named(vocabulary, content)
    assert kinds[: len(OPENING[vocabulary])] == OPENING[vocabulary]
    assert kinds.count(OPENING[vocabulary][0]) == 1 or vocabulary == "chat"
    assert b"fallback_start" in content


def named(vocabulary: str, content: bytes) -> list[str]:
    payloads = facts.payloads(content)
    return ["chunk" if vocabulary == "chat" else payload["_event"] for payload in payloads]


@EACH
def test_silence_is_filled(open_stage: OpenStage, vocabulary: str):
    stage = impatient(open_stage, "held", 0.1, (speaks(vocabulary), "first+slow-headers-450"))
    (headers_at, _), *reads = arrivals(stage, vocabulary)
    assert headers_at < 0.4
    content = b"".join(read for _, read in reads)
    early = b"".join(read for at, read in reads if at < 0.44)
    kinds = named(vocabulary, early)
    assert kinds[: len(OPENING[vocabulary])] == OPENING[vocabulary]
    assert "ping" in kinds if vocabulary in ("messages", "domain") else b"\n: " in b"\n" + early
    assert said(content) == TEXT


def said(content: bytes) -> str:
    class Streamed:
        def __init__(self) -> None:
            self.content = content

    return text("", Streamed())  # type: ignore[arg-type]


@EACH
def test_after_silence_a_failure_can_only_be_told_in_the_stream(open_stage: OpenStage, vocabulary: str):
    stage = impatient(open_stage, "held", 0.1, (speaks(vocabulary), "first+slow-headers-300+503"))
    content = b"".join(read for _, read in arrivals(stage, vocabulary))
    kinds = [p["_event"] or ("error" if "error" in p else "chunk") for p in facts.payloads(content)]
    assert kinds[: len(OPENING[vocabulary])] == OPENING[vocabulary]
    assert kinds[-1] in ("response.failed", "error")
    assert stage.seen[0].status == 200


@EACH
@pytest.mark.parametrize("mode", ["events", "comments", "none"])
def test_notices_come_in_the_form_that_was_asked_for(open_stage: OpenStage, vocabulary: str, mode: str):
    stage = open_stage((speaks(vocabulary), "a+503"), (speaks(vocabulary), "b"))
    answer = ask(stage, vocabulary, headers={"segue-fallback-events": mode})
    in_comments = [note["event"] for note in facts.comments(answer.content)]
    in_events = [note["event"] for note in notices(answer)][len(in_comments) :]
    told = {"events": ([], ["fallback_start"]), "comments": (["fallback_start"], []), "none": ([], [])}
    assert (in_comments, in_events) == told["events" if vocabulary == "domain" else mode]
    assert text(vocabulary, answer) == TEXT


@EACH
def test_an_unknown_form_is_refused(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a"))
    answer = ask(stage, vocabulary, headers={"segue-fallback-events": "loud"})
    assert answer.status == 400
    assert b"segue-fallback-events" in answer.content


@EACH
def test_notices_follow_the_opening(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+503"), (speaks(vocabulary), "b"))
    answer = ask(stage, vocabulary, headers={"segue-fallback-events": "events"})
    kinds = names(vocabulary, answer)
    opening = len(OPENING[vocabulary])
    assert kinds[:opening] == OPENING[vocabulary]
    assert vocabulary == "chat" or kinds[opening].endswith("fallback_start")


@EACH
@WIRES
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_names_and_ids_are_ours(open_stage: OpenStage, vocabulary: str, upstream: str, stream: bool):
    stage = open_stage((upstream, "first+tools"))
    answer = ask(stage, vocabulary, stream, tools=[TOOL[speaks(vocabulary)]])
    assert b"first+tools" not in answer.content.replace(f"{upstream}/first+tools".encode(), b"")
    if vocabulary == "domain":
        return
    read = facts.of_stream if stream else lambda name, content: facts.of_document(name, json.loads(content))
    found = read(vocabulary, answer.content)  # type: ignore[arg-type]
    assert [name for name, _ in found.calls] == ["weather", "weather"]
    assert all(call_id.startswith("call_") and len(call_id) == 29 for call_id in found.call_ids)
    assert Stage.model.encode() in answer.content
    assert answer.headers["segue-quota-decision"] == "allow"


@WIRES
def test_the_upstream_is_told_nothing_of_the_client(open_stage: OpenStage, upstream: str):
    stage = open_stage((upstream, "first"))
    headers = {
        "openai-organization": "org-secret",
        "cookie": "a=b",
        "x-stainless-lang": "python",
        "user-agent": "OpenAI/Python 3.52.0",
        "anthropic-beta": "unheard-of-2020-01-01",
    }
    ask(stage, "responses", headers=headers)
    [asked] = stage.requests
    sent = json.dumps(asked.headers) + asked.raw.decode()
    for secret in ("org-secret", "a=b", "stainless", "OpenAI/Python", "unheard-of", stage.key):
        assert secret not in sent
    assert f"sk-fake-{upstream}" in sent
    assert asked.body["model"] == "first"
    if upstream == "responses":
        assert asked.body["store"] is False


def reasoned(stage: Stage) -> dict[str, Any]:
    """The thinking block of an answer."""
    answer = ask(stage, "messages", False, thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=2000)
    found: dict[str, Any] = next(block for block in answer.json["content"] if block["type"] == "thinking")
    return found


def returned(stage: Stage, thinking: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The thinking blocks that reach the provider when a client sends one back."""
    turns = [
        {"role": "user", "content": SAID},
        {"role": "assistant", "content": [thinking, {"type": "text", "text": TEXT}]},
        {"role": "user", "content": "And now?"},
    ]
    ask(stage, "messages", messages=turns, **more)
    content = stage.requests[-1].body["messages"][1]["content"]
    return [block for block in content if block["type"] == "thinking"]


def test_reasoning_returns_to_its_origin_and_to_nobody_else(open_stage: OpenStage):
    routes = {
        Stage.model: [("messages", "first+reasoning")],
        "elsewhere": [("other-messages", "second")],
    }
    stage = open_stage(routes=routes)
    thinking = reasoned(stage)
    assert thinking["signature"].startswith("sg1.")
    assert [block["signature"] for block in returned(stage, thinking)] == [SEAL]
    forged = {**thinking, "signature": thinking["signature"][:-4] + "AAAA"}
    assert returned(stage, forged) == []
    assert returned(stage, thinking, model="elsewhere") == []
    assert stage.asked[-1] == "second"


def test_untagged_reasoning_goes_to_the_first_candidate_only(open_stage: OpenStage):
    stage = open_stage(("messages", "first+503"), ("other-messages", "second"))
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmF0dXJl"}
    returned(stage, thinking)
    first, again, second = stage.requests
    assert "c2lnbmF0dXJl" in first.raw.decode()
    assert again.raw == first.raw
    assert "c2lnbmF0dXJl" not in second.raw.decode()


@EACH
@WIRES
def test_the_finished_object_says_who_served(open_stage: OpenStage, vocabulary: str, upstream: str):
    stage = open_stage(("chat", "a+503"), (upstream, "b"))
    payloads = facts.payloads(ask(stage, vocabulary).content)
    last = [payload for payload in payloads if "segue" in payload or "segue" in payload.get("response", {})]
    if vocabulary == "domain":
        done = payloads[-1]
        assert done["selected_model"] == Stage.model
        assert done["effective_model"]
        assert done["quota_decision"] == "allow"
        return
    member = last[-1].get("segue") or last[-1]["response"]["segue"]
    assert member["served_by"] == f"{upstream}/b"
    assert [attempt["outcome"] for attempt in member["attempts"]] == ["failed", "failed", "served"]
    assert member["quota"] == {"decision": "allow", "warnings": []}
