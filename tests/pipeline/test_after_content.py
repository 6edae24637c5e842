"""Stories of answers that break after content went out: what was sent stays, one proper failure follows, nobody else is
asked, and the breaker hears of it once."""

from typing import NamedTuple

import pytest

from tests.e2e.harness import OpenStage
from tests.pipeline.asking import TEXT, TOOL, VOCABULARIES, ask, breaker, candidate, names, speaks, text
from tests.vocabularies import facts


class Break(NamedTuple):
    modifier: str
    cause: str
    code: str  # the domain's


BREAKS = [
    Break("cut-2", "truncated", "stream_interrupted"),
    Break("eof-2", "truncated", "stream_interrupted"),
    Break("stall-2", "stalled", "provider_timeout"),
    Break("malformed-2", "malformed", "stream_interrupted"),
    Break("error-2", "server_error", "provider_error"),
    Break("error-2-429", "rate_limited", "rate_limited"),
]
_IDLE = {"idle_seconds": 0.3}
# Each client's own wire behind it, and another one.
WIRES = [
    (vocabulary, wire)
    for vocabulary, other in zip(VOCABULARIES, ("chat", "messages", "responses", "chat"), strict=True)
    for wire in (speaks(vocabulary), other)
]


@pytest.mark.parametrize(("vocabulary", "upstream"), WIRES)
@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.modifier)
def test_a_broken_stream_fails_in_the_clients_words(
    open_stage: OpenStage, vocabulary: str, upstream: str, broken: Break
):
    first = f"first+{broken.modifier}"
    stage = open_stage(candidate(upstream, first, timeouts=_IDLE), (upstream, "second"))  # type: ignore[arg-type]
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    said = text(vocabulary, answer)
    assert said
    assert TEXT.startswith(said)
    assert said != TEXT
    ends_as_promised(vocabulary, answer.content, broken)
    assert stage.asked == [first]
    stage.settle()
    target = f"{upstream}/{first}"
    assert stage.metric("segue_streams_truncated_total", target=target, cause=broken.cause) == 1
    assert stage.metric("segue_requests_total", outcome="broken") == 1
    assert breaker(stage, target) == ("closed" if broken.cause == "rate_limited" else "open")


def ends_as_promised(vocabulary: str, content: bytes, broken: Break) -> None:
    """The failure each client knows (contract §2 to §4), and nothing after it."""
    last = facts.payloads(content)[-1]
    match vocabulary:
        case "responses":
            limited = broken.cause == "rate_limited"
            assert last["type"] == "response.failed"
            assert last["response"]["status"] == "failed"
            assert last["response"]["error"]["code"] == ("rate_limit_exceeded" if limited else "server_error")
        case "chat":
            assert last["error"]["message"]
            assert b"[DONE]" not in content
        case "messages":
            assert last["_event"] == last["type"] == "error"
        case "domain":
            assert last["_event"] == "error"
            assert last["code"] in (broken.code, "stream_interrupted", "provider_error")


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_failure_is_counted_once(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    settings = {"breaker": {"consecutive_failures": 2}}
    stage = open_stage(candidate(provider, "first+cut-2", **settings), (provider, "second"))  # type: ignore[arg-type]
    ask(stage, vocabulary)
    assert breaker(stage, f"{provider}/first+cut-2") == "closed"
    ask(stage, vocabulary)
    assert breaker(stage, f"{provider}/first+cut-2") == "open"
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_the_messages_of_a_failure_are_scrubbed(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = open_stage((provider, "first+error-2"))
    answer = ask(stage, vocabulary)
    theirs = answer.content.replace(answer.headers["x-request-id"].encode(), b"")
    assert b"req_" not in theirs
    assert b"http://" not in theirs
    assert b"sk-" not in theirs


def test_a_failed_response_shows_what_was_said(open_stage: OpenStage):
    stage = open_stage(("chat", "first+cut-2"))
    answer = ask(stage, "responses")
    final = facts.payloads(answer.content)[-1]["response"]
    said = "".join(part["text"] for item in final["output"] for part in item["content"])
    assert said == text("responses", answer)
    assert final["segue"]["served_by"] == "chat/first+cut-2"
    numbers = [payload["sequence_number"] for payload in facts.payloads(answer.content)]
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_nothing_of_a_tool_call_that_broke_is_passed_off_as_whole(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "first+tools+cut-2"))
    answer = ask(stage, vocabulary, tools=[TOOL[speaks(vocabulary)]])
    assert names(vocabulary, answer)[-1] in ("response.failed", "error")
    assert b'"finish_reason":"tool_calls"' not in answer.content
