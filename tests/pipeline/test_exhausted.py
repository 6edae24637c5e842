"""Stories of chains that end: which status, how long to wait, what is masked, what the caller did (contract §6, §7)."""

from typing import NamedTuple

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, breaker, candidate, error, names, notices, speaks, text
from tests.vocabularies import facts

STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)


class Cell(NamedTuple):
    """Status and word of one cell of contract §6."""

    status: int
    word: str


LIMITED = dict(zip(VOCABULARIES, (Cell(429, "rate_limit_exceeded"),) * 2, strict=False)) | {
    "messages": Cell(429, "rate_limit_error"),
    "domain": Cell(429, "rate_limited"),
}
UNAVAILABLE = {"responses": 503, "chat": 503, "messages": 529, "domain": 503}
LATE = {"messages": "timeout_error", "domain": "provider_timeout"}
FAILED = {"responses": "server_error", "chat": "server_error", "messages": "api_error", "domain": "provider_error"}


@EACH
@STREAMED
def test_all_rate_limited_names_the_smallest_wait(open_stage: OpenStage, vocabulary: str, stream: bool):
    provider = speaks(vocabulary)
    stage = open_stage((provider, "a+429-retry-after-7"), (provider, "b+429-retry-after-3"))
    answer = ask(stage, vocabulary, stream)
    assert (answer.status, error(vocabulary, answer)[0]) == LIMITED[vocabulary]
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("3", "3000")
    assert "x-should-retry" not in answer.headers
    assert stage.metric("segue_chains_exhausted_total") == 1


@EACH
def test_a_long_wait_is_not_to_be_retried(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+429-retry-after-60"))
    answer = ask(stage, vocabulary)
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("60", "false")


@EACH
@STREAMED
def test_all_breakers_open(open_stage: OpenStage, vocabulary: str, stream: bool):
    provider = speaks(vocabulary)
    stage = open_stage(candidate(provider, "a+503"), candidate(provider, "b+503"))  # type: ignore[arg-type]
    answer = ask(stage, vocabulary, stream)
    assert (answer.status, error(vocabulary, answer)[0]) == (502, FAILED[vocabulary])
    assert answer.headers["x-should-retry"] == "false"
    assert breaker(stage, f"{provider}/a+503") == breaker(stage, f"{provider}/b+503") == "open"
    answer = ask(stage, vocabulary, stream)
    assert answer.status == UNAVAILABLE[vocabulary]
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert stage.asked == ["a+503", "b+503"]


@EACH
def test_all_late(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    haste = {"headers_seconds": 0.2, "first_token_seconds": 0.2}
    stage = open_stage(
        candidate(provider, "a+hang", timeouts=haste),  # type: ignore[arg-type]
        candidate(provider, "b+slow-first-5000", timeouts=haste),  # type: ignore[arg-type]
    )
    answer = ask(stage, vocabulary)
    assert answer.status == 504
    assert LATE.get(vocabulary) in (None, error(vocabulary, answer)[0])


@EACH
def test_the_callers_deadline_holds_for_the_whole_chain(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+hang"))
    assert ask(stage, vocabulary, headers={"segue-timeout-ms": "300"}).status == 504
    wrong = ask(stage, vocabulary, headers={"segue-timeout-ms": "soon"})
    assert wrong.status == 400
    assert "segue-timeout-ms" in error(vocabulary, wrong)[1]


@EACH
@STREAMED
@pytest.mark.parametrize("modifier", ["401", "404-model", "billing", "shapeless-200"])
def test_the_operators_affairs_are_masked(open_stage: OpenStage, vocabulary: str, stream: bool, modifier: str):
    stage = open_stage((speaks(vocabulary), f"a+{modifier}"))
    answer = ask(stage, vocabulary, stream)
    word, message = error(vocabulary, answer)
    assert (answer.status, word) == (502, FAILED[vocabulary])
    assert "sk-" not in message
    assert "a+" not in message
    assert "billing" not in message.lower()


@EACH
def test_a_body_too_large_for_the_last_keeps_its_status(open_stage: OpenStage, vocabulary: str):
    stage = open_stage((speaks(vocabulary), "a+503"), (speaks(vocabulary), "b+413"))
    assert ask(stage, vocabulary).status == 413


@EACH
@STREAMED
@pytest.mark.parametrize("status", [400, 422])
def test_the_callers_own_mistake_comes_back(open_stage: OpenStage, vocabulary: str, stream: bool, status: int):
    stage = open_stage(("chat", f"first+{status}"), ("chat", "second"))
    answer = ask(stage, vocabulary, stream)
    assert answer.status == status
    assert answer.headers["x-should-retry"] == "false"
    assert stage.asked == [f"first+{status}"]
    if status == 400:
        assert "'demo'" in error(vocabulary, answer)[1]
        if vocabulary in ("responses", "chat"):
            assert answer.json["error"]["param"] == "demo"
            assert answer.json["error"]["code"] == "unknown_parameter"
    assert stage.metric("segue_requests_total", outcome="refused") == 1


@EACH
def test_an_overflow_goes_only_where_there_is_more_room(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = open_stage(
        {"provider": provider, "model": "a+context-overflow", "context_window": 8_000},  # type: ignore[arg-type]
        {"provider": provider, "model": "b", "context_window": 4_000},  # type: ignore[arg-type]
        {"provider": provider, "model": "c", "context_window": 100_000},  # type: ignore[arg-type]
    )
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    [hop] = notices(answer)
    assert (hop["to_model"], hop["reason"]) == (f"{provider}/c", "context_overflow")
    assert stage.asked == ["a+context-overflow", "c"]


@EACH
@STREAMED
def test_an_overflow_everywhere_is_the_callers_to_mend(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = open_stage((speaks(vocabulary), "a+context-overflow"))
    answer = ask(stage, vocabulary, stream)
    word, message = error(vocabulary, answer)
    assert answer.status == (422 if vocabulary == "domain" else 400)
    if vocabulary in ("responses", "chat"):
        assert word == "context_length_exceeded"
    if vocabulary == "messages":
        assert message.startswith("prompt is too long")


@EACH
def test_a_content_filter_ends_the_chain_unless_the_route_goes_on(open_stage: OpenStage, vocabulary: str):
    pairs = [("chat", "a+content-filter"), ("chat", "b")]
    stage = open_stage(routes={Stage.model: pairs, "goes-on": {"candidates": pairs, "on_content_filter": "next"}})
    assert ask(stage, vocabulary).status == 400
    assert stage.asked == ["a+content-filter"]
    answer = ask(stage, vocabulary, model="goes-on")
    assert text(vocabulary, answer) == TEXT
    assert [(hop["reason"], hop["detail"]) for hop in notices(answer)] == [("model_error", "content_filter")]


@EACH
@STREAMED
def test_f08_fallbacks_can_be_declined(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = open_stage((speaks(vocabulary), "a+503"), (speaks(vocabulary), "b"))
    answer = ask(stage, vocabulary, stream, headers={"segue-fallbacks": "off"})
    assert answer.status == 502
    assert stage.asked == ["a+503"] * 2, "only the first, though once more"


@EACH
def test_once_headers_are_out_the_stream_says_so(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    route = {"candidates": [(provider, "a+503"), (provider, "b+503")], "announce": "eager"}
    stage = open_stage(routes={Stage.model: route})
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert [notice["event"] for notice in notices(answer)] == ["fallback_start", "fallback_exhausted"]
    assert notices(answer)[1]["models_tried"] == [f"{provider}/a+503", f"{provider}/b+503"]
    assert [each["reason"] for each in notices(answer)[1]["attempts"]] == ["server_error"] * 4
    assert names(vocabulary, answer)[-1] in ("response.failed", "error")
    assert b"[DONE]" not in answer.content
    if vocabulary == "domain":
        assert facts.payloads(answer.content)[-1]["code"] == "provider_error"
    assert stage.metric("segue_requests_total", outcome="failed") == 1
