"""Stories of answers that break and go on by somebody else: the client of every vocabulary reads one whole answer, and
a program that merely joins deltas ends with the right words."""

from typing import Any

import pytest

from tests.e2e.harness import OpenStage
from tests.pipeline.asking import TEXT, TOOL, VOCABULARIES, ask, breaker, candidate, error, notices, speaks, text
from tests.pipeline.breaking import account, attempts, breaking, ends_well, first
from tests.vocabularies import facts

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
UPSTREAMS = pytest.mark.parametrize("upstream", ["responses", "chat", "messages"])
HEIRS = pytest.mark.parametrize("heir", ["chat", "messages"])
BREAKS = {
    "cut-2": "truncated",
    "eof-2": "truncated",
    "stall-2": "stream_stalled",
    "malformed-2": "malformed",
    "error-2": "",
    "error-2-429": "",
}


@EACH
@UPSTREAMS
@HEIRS
def test_f02_a_cut_answer_goes_on(open_stage: OpenStage, vocabulary: str, upstream: str, heir: str):
    stage = breaking(open_stage, first(upstream, "cut-2"), (heir, "second+prefill"))
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert text(vocabulary, answer) == TEXT
    assert ends_well(vocabulary, answer)
    assert stage.asked == ["first+cut-2", "second+prefill"]


@EACH
@pytest.mark.parametrize("how", BREAKS)
def test_f01_whatever_breaks_it(open_stage: OpenStage, vocabulary: str, how: str):
    """Closed without an end, silent, one frame of broken JSON, an error event."""
    provider = speaks(vocabulary)
    stage = breaking(open_stage, first(provider, how), ("chat", "second+prefill"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    [hop] = [notice for notice in notices(answer) if notice["event"] == "fallback_start"]
    assert (hop["from_model"], hop["to_model"]) == (f"{provider}/first+{how}", "chat/second+prefill")
    assert hop["discard"] is False
    assert hop.get("detail", "") in (BREAKS[how], "error_event")
    stage.settle()
    assert breaker(stage, f"{provider}/first+{how}") == ("closed" if how == "error-2-429" else "open")
    assert breaker(stage, "chat/second+prefill") == "closed"
    assert stage.metric("segue_midstream_total", policy="continue", outcome="continue") == 1
    assert stage.metric("segue_requests_total", outcome="ok") == 1
    assert stage.metric("segue_attempts_total", outcome="failed") == 1
    assert stage.metric("segue_attempts_total", outcome="served") == 1


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
def test_the_account_is_truthful(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("messages", "second+prefill"))
    answer = ask(stage, vocabulary)
    assert attempts(vocabulary, answer) == [
        ("chat/first+cut-2", "failed", "network_error", "truncated"),
        ("messages/second+prefill", "served"),
    ]
    assert account(vocabulary, answer)["served_by"] == "messages/second+prefill"
    assert answer.headers["segue-served-by"] == "chat/first+cut-2"


@EACH
@HEIRS
def test_f09_a_successor_is_told_what_the_client_was_told(open_stage: OpenStage, vocabulary: str, heir: str):
    stage = breaking(open_stage, first("responses", "cut-4"), (heir, "second+prefill"))
    answer = ask(stage, vocabulary)
    heard = answer._replace(content=answer.content.partition(b"fallback_start")[0])
    said = text(vocabulary, heard).rstrip()
    assert said
    assert stage.requests[1].body["messages"][-1] == {"role": "assistant", "content": said}


@EACH
def test_who_cannot_go_on_is_not_asked_to(open_stage: OpenStage, vocabulary: str):
    stage = breaking(
        open_stage, first("chat", "cut-2"), ("responses", "unable"), ("other-chat", "unable"), ("chat", "last+prefill")
    )
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT
    assert stage.asked == ["first+cut-2", "last+prefill"]


@EACH
def test_a_successor_that_breaks_is_succeeded(open_stage: OpenStage, vocabulary: str):
    stage = breaking(
        open_stage,
        first("responses", "cut-2"),
        ("chat", "second+prefill+cut-1"),
        ("messages", "third+prefill+cut-1"),
        ("chat", "fourth+prefill"),
    )
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert ends_well(vocabulary, answer)
    assert len(stage.asked) == 4
    if vocabulary != "domain":
        assert [each[1] for each in attempts(vocabulary, answer)] == ["failed", "failed", "failed", "served"]
    assert stage.metric("segue_midstream_total", outcome="continue") == 3


@EACH
def test_a_successor_that_fails_before_content_is_passed(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("messages", "second+prefill+503"), ("chat", "third+prefill"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    hops = [(hop["from_model"], hop["to_model"]) for hop in notices(answer)]
    assert hops == [
        ("chat/first+cut-2", "messages/second+prefill+503"),
        ("messages/second+prefill+503", "chat/third+prefill"),
    ]


@EACH
@HEIRS
def test_f07_a_refused_prefill_hides_nothing(open_stage: OpenStage, vocabulary: str, heir: str):
    """The client is told what broke its answer; that the successor takes no prefill says nothing of its health."""
    stage = breaking(open_stage, first("chat", "cut-2"), candidate(heir, "second"))
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert TEXT.startswith(text(vocabulary, answer))
    assert not ends_well(vocabulary, answer)
    assert stage.asked == ["first+cut-2", "second"]
    last = facts.payloads(answer.content)[-1]
    assert b"broke off" in answer.content
    assert b"prefill" not in str(last).encode()
    stage.settle()
    assert breaker(stage, f"{heir}/second") == "closed"
    assert stage.metric("segue_midstream_total", policy="continue", outcome="fail") == 1
    assert stage.metric("segue_requests_total", outcome="broken") == 1


@EACH
def test_f07_after_a_refused_prefill_the_next_one_is_asked(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("messages", "second"), ("chat", "third+prefill"))
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT
    assert stage.asked == ["first+cut-2", "second", "third+prefill"]


@EACH
@pytest.mark.parametrize("heirs", [[], [("responses", "unable")], [("chat", "second+prefill+503")]], ids=str)
def test_where_nobody_goes_on_the_break_is_told(open_stage: OpenStage, vocabulary: str, heirs: list[Any]):
    stage = breaking(open_stage, first("chat", "cut-2"), *heirs)
    answer = ask(stage, vocabulary)
    assert not ends_well(vocabulary, answer)
    assert TEXT.startswith(text(vocabulary, answer))
    assert b"broke off" in answer.content
    stage.settle()
    assert stage.metric("segue_midstream_total", policy="continue", outcome="fail") == 1


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
def test_nothing_is_gone_on_with_once_a_tool_is_called(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first(vocabulary, "tools+cut-2"), ("chat", "second+prefill+tools"))
    answer = ask(stage, vocabulary, tools=[TOOL[vocabulary]])
    assert not ends_well(vocabulary, answer)
    assert len(stage.asked) == 1


STRUCTURED: dict[str, dict[str, Any]] = {
    "responses": {"text": {"format": {"type": "json_object"}}},
    "chat": {"response_format": {"type": "json_object"}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
}
THINKING: dict[str, dict[str, Any]] = {
    "responses": {"reasoning": {"effort": "low"}},
    "chat": {"reasoning_effort": "low"},
    "messages": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
}


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
@pytest.mark.parametrize("more", [STRUCTURED, THINKING], ids=["structured", "thinking"])
def test_nor_where_the_answer_has_a_form_or_is_thought_about(open_stage: OpenStage, vocabulary: str, more: Any):
    stage = breaking(open_stage, first(vocabulary, "cut-2"), ("chat", "second+prefill"))
    answer = ask(stage, vocabulary, **more[vocabulary])
    assert not ends_well(vocabulary, answer)
    assert len(stage.asked) == 1


@EACH
def test_thoughts_before_the_text_do_not_matter(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first(speaks(vocabulary), "reasoning+cut-5"), ("chat", "second+prefill+reasoning"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert ends_well(vocabulary, answer)


@EACH
def test_an_answer_that_was_complete_ends(open_stage: OpenStage, vocabulary: str):
    """It broke after its last word: the successor has nothing to add."""
    stage = breaking(open_stage, first("chat", "cut-5"), ("messages", "second+prefill"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert ends_well(vocabulary, answer)


@EACH
def test_a_large_question_is_asked_again_whole(open_stage: OpenStage, vocabulary: str):
    large = "Hi there " * 4000
    turns = [{"role": "user", "content": large}]
    asked: dict[str, Any] = {"input": large}
    if speaks(vocabulary) != "responses":
        asked = {"messages": turns, "max_tokens": 50_000}
    heirs = ("chat", "a+prefill+cut-1"), ("messages", "b+prefill")
    stage = breaking(open_stage, first(speaks(vocabulary), "cut-2"), *heirs)
    answer = ask(stage, vocabulary, **asked)
    is_whole = text(vocabulary, answer) == "You said: " + large  # apart, because nobody wants to read the difference
    assert is_whole
    assert ends_well(vocabulary, answer)


@EACH
def test_mistral_may_say_it_all_again(open_stage: OpenStage, vocabulary: str):
    """An echo of what was to be gone on with reaches nobody."""
    echoing = {"chat": {"quirks": {"prefill": "prefix", "prefill_echoed": True}}}
    stage = breaking(open_stage, first("messages", "cut-3"), ("chat", "second+prefill-echo"), providers=echoing)
    assert text(vocabulary, ask(stage, vocabulary)) == TEXT
    assert stage.requests[1].body["messages"][-1]["prefix"] is True


def test_a_prefill_can_have_an_address_of_its_own(open_stage: OpenStage):
    elsewhere = {"chat": {"quirks": {"prefill": "prefix", "prefill_path": "/beta/chat/completions"}}}
    stage = breaking(open_stage, first("messages", "cut-3"), ("chat", "second+prefill"), providers=elsewhere)
    assert text("chat", ask(stage, "chat")) == TEXT
    assert stage.requests[1].path == "/v1/beta/chat/completions"
    assert text("chat", ask(stage, "chat")) == TEXT  # the breaker is open, so this is no continuation
    assert stage.requests[2].path == "/v1/chat/completions"
    assert "prefix" not in stage.requests[2].body["messages"][-1]


@pytest.mark.parametrize("vocabulary", ["chat", "messages"])
def test_the_output_limit_counts_what_was_sent(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("responses", "long-30+cut-20"), ("chat", "second+prefill+long-30"))
    answer = ask(stage, vocabulary, max_tokens=100)
    said = "".join(f"word{number} " for number in range(30))
    assert text(vocabulary, answer) == said
    sent = len("".join(f"word{number} " for number in range(20)))
    assert stage.requests[1].body["max_tokens"] == 100 - -(-sent // 4)


def test_without_room_for_more_nobody_is_asked(open_stage: OpenStage):
    stage = breaking(open_stage, first("responses", "long-30+cut-20"), ("chat", "second+prefill+long-30"))
    answer = ask(stage, "chat", max_tokens=30)
    assert not ends_well("chat", answer)
    assert len(stage.asked) == 1


def test_usage_is_the_first_input_and_all_output(open_stage: OpenStage):
    stage = breaking(open_stage, first("messages", "long-30+cut-20"), ("chat", "second+prefill+long-30"))
    answer = ask(stage, "chat", stream_options={"include_usage": True})
    usage = facts.payloads(answer.content)[-1]["usage"]
    sent = len("".join(f"word{number} " for number in range(20)))
    told_input, _ = stage.tokens_of("first+long-30+cut-20")
    _, told_output = stage.tokens_of("second+prefill+long-30")
    assert usage["completion_tokens"] == -(-sent // 4) + told_output
    assert usage["prompt_tokens"] in (told_input, usage["total_tokens"] - usage["completion_tokens"])
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    stage.settle()
    assert stage.metric("segue_tokens_total", kind="output") == usage["completion_tokens"]


@EACH
def test_citations_keep_their_places(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("responses", "cut-3"), ("messages", "second+prefill+citations"))
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert b"example.com/source/1" in answer.content


@EACH
@pytest.mark.parametrize("word", ["fail", "FAIL"])
def test_a_request_may_want_less_than_its_route(open_stage: OpenStage, vocabulary: str, word: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("chat", "second+prefill"))
    answer = ask(stage, vocabulary, headers={"segue-midstream": word})
    assert not ends_well(vocabulary, answer)
    assert len(stage.asked) == 1


@EACH
def test_a_request_may_want_more_than_its_route(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("chat", "second+prefill"), midstream="fail")
    assert text(vocabulary, ask(stage, vocabulary, headers={"segue-midstream": "continue"})) == TEXT


@EACH
@pytest.mark.parametrize("stream", [True, False])
def test_a_word_that_does_not_exist_is_refused_by_name(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = breaking(open_stage, ("chat", "demo"))
    refused = ask(stage, vocabulary, stream, headers={"segue-midstream": "retry"})
    assert refused.status == 400
    told = error(vocabulary, refused)[1]
    assert "segue-midstream" in told
    assert "'retry'" in told
    assert "fail, continue, restart" in told
    assert stage.asked == []


@EACH
def test_f08_without_fallbacks_nobody_goes_on(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("chat", "cut-2"), ("chat", "second+prefill"))
    answer = ask(stage, vocabulary, headers={"segue-fallbacks": "off"})
    assert not ends_well(vocabulary, answer)
    assert len(stage.asked) == 1


@pytest.mark.parametrize("midstream", ["continue", "restart"])
def test_completions(open_stage: OpenStage, midstream: str):
    """The predecessor of Chat Completions: more chunks; and a chunk that takes back those before it."""
    stage = breaking(open_stage, first("messages", "cut-2"), ("chat", "second+prefill"), midstream=midstream)
    asked = {"model": stage.model, "prompt": "Hi there", "stream": True}
    answer = stage.raw("POST", "/v1/completions", asked, {"segue-midstream": midstream})
    payloads = facts.payloads(answer.content)
    marks = [at for at, each in enumerate(payloads) if "fallback_start" in each.get("segue", {})]
    assert len(marks) == (midstream == "restart")
    assert "".join(each["choices"][0]["text"] for each in payloads[sum(marks) :]) == TEXT
    assert answer.content.endswith(b"data: [DONE]\n\n")
