"""Stories of contract §7: the first candidate fails before any content; the client reads the second one's answer."""

from itertools import pairwise
from typing import NamedTuple

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, breaker, candidate, notices, speaks, text
from tests.vocabularies import facts

_HASTE = {"headers_seconds": 0.25, "first_token_seconds": 0.25}


class Story(NamedTuple):
    """What the first candidate does, what `fallback_start` says of it, and whether its breaker heard of a failure."""

    modifier: str
    reason: str
    detail: str | None
    is_failure: bool


_SAME_EVERYWHERE = [
    Story("429", "rate_limit", None, False),
    Story("401", "auth_error", None, False),
    Story("402", "auth_error", "billing", False),
    Story("billing", "auth_error", "billing", False),
    Story("403", "model_error", "model_unavailable", False),
    Story("404-model", "model_error", "model_unavailable", False),
    Story("413", "model_error", "too_large", False),
    Story("409", "model_error", "unsupported", False),
    Story("498", "model_error", "unsupported", False),
    Story("408", "server_error", None, True),
    Story("425", "server_error", None, True),
    Story("500", "server_error", None, True),
    Story("503", "server_error", None, True),
    Story("504", "server_error", None, True),
    Story("520", "server_error", None, True),
    Story("529", "server_error", None, True),
    Story("html-502", "server_error", None, True),
    Story("html-200", "server_error", "html", True),
    Story("redirect", "server_error", None, True),
    Story("hang", "network_error", None, True),
    Story("hang-body", "network_error", None, True),
    Story("reset", "network_error", "reset", True),
    Story("shapeless-200", "model_error", "malformed", True),
]
STREAMED = [
    *_SAME_EVERYWHERE,
    Story("slow-first-5000", "network_error", "ttft_timeout", True),
    Story("error-200", "server_error", None, True),
    Story("error-0-429", "rate_limit", None, False),
    Story("error-0-billing", "auth_error", "billing", False),
    Story("error-0-529", "server_error", None, True),
    Story("empty", "model_error", "empty_response", True),
    Story("cut-0", "network_error", "truncated", True),
    Story("eof-0", "network_error", "truncated", True),
    Story("malformed2-0", "model_error", "malformed", True),
]
WHOLE = [
    *_SAME_EVERYWHERE,
    Story("error-200", "server_error", None, True),
    Story("empty", "model_error", "malformed", True),
    Story("cut-1", "network_error", "truncated", True),
    Story("eof-1", "model_error", "malformed", True),
    Story("malformed-1", "model_error", "malformed", True),
]


def opened(open_stage: OpenStage, provider: str, story: Story) -> Stage:
    first = candidate(provider, f"first+{story.modifier}", timeouts=_HASTE)
    # A non-streaming answer may take the whole of its slice of the deadline.
    total = {"timeouts": {"total_seconds": 1.2}} if story.modifier.startswith("hang") else {}
    return open_stage(routes={Stage.model: {"candidates": [first, (provider, "second")], **total}})


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("story", STREAMED, ids=lambda story: story.modifier)
def test_the_next_candidate_streams_the_answer(open_stage: OpenStage, vocabulary: str, story: Story):
    provider = speaks(vocabulary)
    first, second = f"{provider}/first+{story.modifier}", f"{provider}/second"
    stage = opened(open_stage, provider, story)
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert text(vocabulary, answer) == TEXT
    [hop] = notices(answer)
    assert (hop["event"], hop["from_model"], hop["to_model"]) == ("fallback_start", first, second)
    assert (hop["reason"], hop["attempt"], hop["discard"]) == (story.reason, 1, False)
    assert story.detail in (None, hop.get("detail"))
    assert answer.headers["segue-served-by"] == second
    assert answer.headers["segue-attempts"] == "2"
    assert answer.headers["segue-fallback-reason"] == story.reason
    assert stage.asked == [f"first+{story.modifier}", "second"]
    stage.settle()
    assert stage.metric("segue_fallbacks_total", from_target=first, to_target=second, reason=story.reason) == 1
    assert stage.metric("segue_requests_total", outcome="ok") == 1
    assert breaker(stage, first) == ("open" if story.is_failure else "closed")
    assert breaker(stage, second) == "closed"


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
@pytest.mark.parametrize("story", WHOLE, ids=lambda story: story.modifier)
def test_the_next_candidate_gives_the_whole_answer(open_stage: OpenStage, vocabulary: str, story: Story):
    first, second = f"{vocabulary}/first+{story.modifier}", f"{vocabulary}/second"
    stage = opened(open_stage, vocabulary, story)
    answer = ask(stage, vocabulary, stream=False)
    assert answer.status == 200
    assert facts.of_document(vocabulary, answer.json).spoken == TEXT
    attempts = answer.json["segue"]["attempts"]
    assert [(each["model"], each["outcome"]) for each in attempts] == [(first, "failed"), (second, "served")]
    assert attempts[0]["reason"] == story.reason
    assert story.detail in (None, attempts[0].get("detail"))
    assert answer.json["segue"]["served_by"] == answer.headers["segue-served-by"] == second
    assert stage.asked == [f"first+{story.modifier}", "second"]
    assert breaker(stage, first) == ("open" if story.is_failure else "closed")


@pytest.mark.parametrize("downstream", VOCABULARIES)
@pytest.mark.parametrize("upstream", ["responses", "chat", "messages"])
@pytest.mark.parametrize("failing", ["responses", "chat", "messages"])
def test_a_chain_may_change_wires(open_stage: OpenStage, downstream: str, upstream: str, failing: str):
    stage = open_stage((failing, "first+error-200"), (upstream, "second"))
    answer = ask(stage, downstream)
    assert text(downstream, answer) == TEXT
    assert [hop["to_model"] for hop in notices(answer)] == [f"{upstream}/second"]
    assert [exchange.path.rpartition("/v1")[2] for exchange in stage.requests] == [
        {"responses": "/responses", "chat": "/chat/completions", "messages": "/messages"}[name]
        for name in (failing, failing, upstream)
    ], "what failed is tried once more"


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_dead_address_is_left(open_stage: OpenStage, vocabulary: str):
    dead = {"type": "compatible", "base_url": "http://127.0.0.1:9/v1", "vocabulary": "chat", "api_key": "sk-fake-dead"}
    stage = open_stage(("dead", "first"), ("chat", "second"), providers={"dead": dead})
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert [hop["detail"] for hop in notices(answer)] == ["connect"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("modifier", ["malformed-0", "comments", "crlf", "one-byte", "split-utf8"])
def test_oddities_do_not_cost_the_attempt(open_stage: OpenStage, vocabulary: str, modifier: str):
    stage = open_stage((speaks(vocabulary), f"first+{modifier}"), ("chat", "second"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer).endswith(TEXT)
    assert notices(answer) == []
    assert stage.asked == [f"first+{modifier}"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_hop_is_told_in_order(open_stage: OpenStage, vocabulary: str):
    wires = ("chat", "messages", "responses", "chat")
    models = ("a+503", "b+429", "c+error-200", "d")
    stage = open_stage(*zip(wires, models, strict=True))
    answer = ask(stage, vocabulary)
    targets = [f"{wire}/{model}" for wire, model in zip(wires, models, strict=True)]
    hops = notices(answer)
    assert [(hop["from_model"], hop["to_model"]) for hop in hops] == list(pairwise(targets))
    assert [hop["reason"] for hop in hops] == ["server_error", "rate_limit", "server_error"]
    assert [hop["attempt"] for hop in hops] == [2, 3, 5]
    assert [hop["elapsed_ms"] for hop in hops] == sorted(hop["elapsed_ms"] for hop in hops)
    assert answer.headers["segue-attempts"] == "6"
    assert stage.asked == ["a+503", "a+503", "b+429", "c+error-200", "c+error-200", "d"]


def test_an_open_breaker_is_a_hop_of_its_own(open_stage: OpenStage):
    stage = open_stage(candidate("chat", "first+503"), ("chat", "second"))  # type: ignore[arg-type]
    ask(stage, "chat")
    [hop] = notices(ask(stage, "chat"))
    assert (hop["reason"], hop["detail"]) == ("circuit_breaker", "breaker_open")
    assert stage.asked == ["first+503", "second", "second"]
    assert stage.metric("segue_attempts_total", target="chat/first+503", outcome="skipped") == 1


def test_a_rate_limited_candidate_is_left_alone_until_its_time(open_stage: OpenStage):
    stage = open_stage(("chat", "first+429-retry-after-60"), ("chat", "second"))
    ask(stage, "chat")
    [hop] = notices(ask(stage, "chat"))
    assert (hop["reason"], hop["detail"]) == ("rate_limit", "cooling_down")
    assert stage.asked == ["first+429-retry-after-60", "second", "second"]
    assert breaker(stage, "chat/first+429-retry-after-60") == "closed"
