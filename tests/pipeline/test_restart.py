"""Stories of answers that break and begin anew: whoever knows what that means reads the new answer and nothing else,
and nobody is ever told so who did not ask."""

from typing import Any

import pytest

from tests.e2e.harness import Answer, OpenStage
from tests.pipeline.asking import TEXT, TOOL, VOCABULARIES, ask, breaker, notices, speaks, text
from tests.pipeline.breaking import account, attempts, breaking, ends_well, first, kept
from tests.vocabularies import facts

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
OTHERS = pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
UPSTREAMS = pytest.mark.parametrize("upstream", ["responses", "chat", "messages"])
ASKED = {"segue-midstream": "restart"}


def marks(answer: Answer) -> list[dict[str, Any]]:
    """The hops that say that everything before them is void."""
    return [notice for notice in notices(answer) if notice.get("discard")]


@EACH
@UPSTREAMS
@pytest.mark.parametrize("heir", ["responses", "chat", "messages"])
def test_an_answer_begins_anew(open_stage: OpenStage, vocabulary: str, upstream: str, heir: str):
    stage = breaking(open_stage, first(upstream, "long-9+cut-5"), (heir, "second"), midstream="restart")
    answer = ask(stage, vocabulary, headers=ASKED)
    assert kept(vocabulary, answer) == TEXT
    assert text(vocabulary, answer) == "word0 word1 word2 word3 word4 " + TEXT
    assert ends_well(vocabulary, answer)
    [mark] = marks(answer)
    assert (mark["from_model"], mark["to_model"]) == (f"{upstream}/first+long-9+cut-5", f"{heir}/second")
    assert (mark["reason"], mark["detail"]) == ("network_error", "truncated")
    stage.settle()
    assert breaker(stage, f"{upstream}/first+long-9+cut-5") == "open"
    assert stage.metric("segue_midstream_total", policy="restart", outcome="restart") == 1
    assert stage.metric("segue_requests_total", outcome="ok") == 1


@pytest.mark.parametrize("how", ["cut-2", "stall-2", "malformed-2", "error-2", "tools+cut-3", "reasoning+cut-2"])
def test_the_domain_vocabulary_needs_not_be_asked(open_stage: OpenStage, how: str):
    """Its clients know what `discard: true` means, and execute no tools themselves."""
    stage = breaking(open_stage, first("chat", how), ("messages", "second"), midstream="restart")
    answer = ask(stage, "domain", tools=[TOOL["responses"]] if "tools" in how else [])
    assert kept("domain", answer) == TEXT
    assert len(marks(answer)) == 1
    events = [payload["_event"] for payload in facts.payloads(answer.content)]
    assert events.count("stream_started") == 1
    assert events[-1] == "done"


@OTHERS
@pytest.mark.parametrize("heir", ["second+prefill", "second"])
def test_nobody_is_restarted_who_did_not_ask(open_stage: OpenStage, vocabulary: str, heir: str):
    """Such a route goes on with the answer if it may, and fails if it may not."""
    able = heir.endswith("prefill")
    provider = "chat" if able else "responses"
    stage = breaking(open_stage, first("messages", "cut-2"), (provider, heir), midstream="restart")
    answer = ask(stage, vocabulary)
    assert marks(answer) == []
    assert TEXT.startswith(text(vocabulary, answer))
    assert (text(vocabulary, answer) == TEXT) == ends_well(vocabulary, answer) == able


@OTHERS
def test_a_tool_call_is_never_taken_back(open_stage: OpenStage, vocabulary: str):
    """Clients execute it."""
    stage = breaking(open_stage, first(vocabulary, "tools+cut-2"), (vocabulary, "second"), midstream="restart")
    answer = ask(stage, vocabulary, headers=ASKED, tools=[TOOL[vocabulary]])
    assert marks(answer) == []
    assert not ends_well(vocabulary, answer)
    assert len(stage.asked) == 1


@EACH
def test_a_second_break_is_a_second_restart(open_stage: OpenStage, vocabulary: str):
    provider = speaks(vocabulary)
    stage = breaking(
        open_stage,
        first(provider, "long-9+cut-3"),
        first("chat", "long-8+cut-4"),
        first("messages", "503"),
        (provider, "last"),
        midstream="restart",
    )
    answer = ask(stage, vocabulary, headers=ASKED)
    assert kept(vocabulary, answer) == TEXT
    assert len(marks(answer)) == 2
    hops = [hop["to_model"] for hop in notices(answer)]
    assert hops == ["chat/first+long-8+cut-4", "messages/first+503", f"{provider}/last"]
    if vocabulary != "domain":
        assert [each[1] for each in attempts(vocabulary, answer)] == ["failed", "failed", "failed", "served"]
        assert account(vocabulary, answer)["served_by"] == f"{provider}/last"


@EACH
def test_nothing_is_void_before_there_is_something_better(open_stage: OpenStage, vocabulary: str):
    stage = breaking(
        open_stage, first("chat", "long-9+cut-5"), ("chat", "a+503"), ("messages", "b+503"), midstream="restart"
    )
    answer = ask(stage, vocabulary, headers=ASKED)
    assert marks(answer) == []
    assert kept(vocabulary, answer) == "word0 word1 word2 word3 word4 "
    assert not ends_well(vocabulary, answer)
    told = [notice["event"] for notice in notices(answer)]
    assert told == ["fallback_start", "fallback_start", "fallback_exhausted"]
    assert b"broke off" in answer.content


@EACH
def test_silence_is_nothing_better(open_stage: OpenStage, vocabulary: str):
    """Also where the route takes an answer without a word for one: that would leave the client nothing at all."""
    stage = breaking(
        open_stage,
        first("chat", "long-9+cut-5"),
        ("messages", "a+empty-answer"),
        ("chat", "b+empty-answer"),
        midstream="restart",
    )
    answer = ask(stage, vocabulary, headers=ASKED)
    assert marks(answer) == []
    assert kept(vocabulary, answer) == "word0 word1 word2 word3 word4 "
    assert not ends_well(vocabulary, answer)


@EACH
def test_a_restart_counts_only_the_answer_that_stands(open_stage: OpenStage, vocabulary: str):
    stage = breaking(open_stage, first("messages", "long-30+cut-20"), ("chat", "second"), midstream="restart")
    more = {"stream_options": {"include_usage": True}} if vocabulary == "chat" else {}
    answer = ask(stage, vocabulary, headers=ASKED, **more)
    _, output = stage.tokens_of("second")
    last = facts.payloads(answer.content)
    told = {
        "responses": lambda: last[-1]["response"]["usage"]["output_tokens"],
        "chat": lambda: last[-1]["usage"]["completion_tokens"],
        "messages": lambda: last[-2]["usage"]["output_tokens"],
        "domain": lambda: last[-1]["usage"]["output_tokens"],
    }
    assert told[vocabulary]() == output
    stage.settle()
    assert stage.metric("segue_tokens_total", kind="output") == output


def test_the_finished_response_holds_the_void_item_empty(open_stage: OpenStage):
    stage = breaking(open_stage, first("chat", "long-9+cut-5"), ("chat", "second"), midstream="restart")
    answer = ask(stage, "responses", headers=ASKED)
    void, whole = facts.payloads(answer.content)[-1]["response"]["output"]
    assert (void["status"], void["content"]) == ("incomplete", [])
    assert (whole["status"], whole["content"][0]["text"]) == ("completed", TEXT)
    done = [each for each in facts.payloads(answer.content) if each["_event"] == "response.output_item.done"]
    assert [(each["output_index"], each["item"]["status"]) for each in done] == [(0, "incomplete"), (1, "completed")]


def test_a_void_item_that_comes_back_is_not_passed_on(open_stage: OpenStage):
    stage = breaking(open_stage, first("chat", "long-9+cut-5"), ("chat", "second"), midstream="restart")
    answer = ask(stage, "responses", headers=ASKED)
    said = facts.payloads(answer.content)[-1]["response"]["output"]
    again = [{"role": "user", "content": "Hi there"}, *said, {"role": "user", "content": "And now?"}]
    ask(stage, "responses", input=again)
    sent = stage.requests[-1].body["messages"]
    assert [(message["role"], message["content"]) for message in sent[1:]] == [
        ("assistant", TEXT),
        ("user", "And now?"),
    ]
