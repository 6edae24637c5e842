"""Good streams conform, are recognised without being told, and are understood as a client would."""

import pytest

from proxy.conformance.lint import lint, lint_document
from tests.conformance import samples_others as others
from tests.conformance import samples_responses as responses
from tests.conformance.wire import render

SAMPLES = [
    *(("responses", sample) for sample in responses.GOOD.values()),
    *(("chat", sample) for sample in others.GOOD_CHAT.values()),
    *(("messages", sample) for sample in others.GOOD_MESSAGES.values()),
    *(("domain", sample) for sample in others.GOOD_DOMAIN.values()),
]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(("vocabulary", "sample"), SAMPLES, ids=lambda value: getattr(value, "__name__", value))
def test_a_good_stream_conforms(vocabulary, sample, newline):
    report = lint(render(sample(), newline))
    assert str(report).splitlines()[1:] == []
    assert report.ok
    assert report.vocabulary == vocabulary
    assert lint(render(sample(), newline), vocabulary) == report


@pytest.mark.parametrize(("vocabulary", "sample"), SAMPLES, ids=lambda value: getattr(value, "__name__", value))
def test_a_cancelled_stream_may_stop_at_any_byte(vocabulary, sample):
    wire = render(sample())
    for cut in range(0, len(wire), 29):
        assert lint(wire[:cut], vocabulary, cancelled=True).violations == []


@pytest.mark.parametrize(("vocabulary", "sample"), SAMPLES, ids=lambda value: getattr(value, "__name__", value))
def test_every_truncation_of_a_served_stream_is_noticed(vocabulary, sample):
    wire = render(sample())
    end = len(wire) - len(b"data: [DONE]\n\n") if vocabulary == "responses" and b"[DONE]" in wire else len(wire)
    for cut in range(0, end, 29):
        assert not lint(wire[:cut], vocabulary).ok


@pytest.mark.parametrize(
    ("sample", "text", "terminal"),
    [
        (responses.text, "Grüße, world", "response.completed"),
        (responses.failed, "Hello", "response.failed"),
        (responses.void_item, "Hello", "response.completed"),
        (responses.void_item_told, "Hello", "response.completed"),
        (responses.void_reasoning, "Hello", "response.completed"),
        (responses.void_message, "Hello", "response.completed"),
        (others.chat_restart, "Hello", "[DONE]"),
        (others.chat_restart_of_two, "cd", "[DONE]"),
        (others.text_completion_restart, "Once upon", "[DONE]"),
        (others.messages_restart, "Hello", "message_stop"),
        (others.messages_restart_between, "Hello", "message_stop"),
        (others.chat_text, "Grüße, world", "[DONE]"),
        (others.chat_broken, "Hel", "error"),
        (others.text_completion, "Once upon", "[DONE]"),
        (others.messages_text, "Grüße, world", "message_stop"),
        (others.domain_text, "Grüße, world", "done"),
        (others.domain_restart, "Hello", "done"),
        (others.domain_exhausted, "", "error"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_report_says_what_a_client_read(sample, text, terminal):
    report = lint(render(sample()))
    assert (report.text, report.terminal) == (text, terminal)


@pytest.mark.parametrize("sample", [responses.tools, others.chat_tools], ids=["responses", "chat"])
def test_parallel_tool_calls_are_told_apart(sample):
    calls = [(call.id, call.name, call.arguments) for call in lint(render(sample())).tool_calls]
    first, second = responses.CALLS
    assert calls == [(first, "weather", '{"city":"Oslo"}'), (second, "weather", '{"city":"Rome"}')]


def test_a_tool_block_without_json_is_an_empty_call():
    calls = lint(render(others.messages_tools())).tool_calls
    assert [call.arguments for call in calls] == ['{"city":"Oslo"}', "{}"]


def test_usage_is_the_last_word_of_the_stream():
    assert lint(render(responses.text())).usage == responses.USAGE
    assert lint(render(others.chat_text())).usage == others.CHAT_USAGE
    usage = lint(render(others.messages_text())).usage
    assert usage is not None
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (12, 4, 7)


@pytest.mark.parametrize(
    "sample",
    [
        responses.fallback_in_comments, others.chat_fallback, others.chat_fallback_events, others.messages_fallback,
        others.domain_restart,
    ],
)  # fmt: skip
def test_notices_are_collected_in_every_form(sample):
    (notice,) = lint(render(sample())).notices
    assert (notice["from_model"], notice["to_model"]) == ("gpt@first", "gpt@second")


def test_a_providers_own_stream_owes_nothing_to_our_own_rules():
    events = responses.text()
    for event in events:
        if "response" in event.payload:
            event.payload["response"].pop("segue", None)
            event.payload["response"]["id"] = "theirs"
    assert {violation.rule for violation in lint(render(events)).violations} == {
        "responses.id-alphabet",
        "responses.segue-member",
    }
    assert lint(render(events), ours=False).ok


def test_a_violation_names_its_frame_and_line():
    events = responses.text()
    events[3].payload["sequence_number"] = 99
    events[4].payload["sequence_number"] = 100
    violation = lint(render(events)).violations[0]
    assert (violation.frame, violation.line) == (4, 10)
    assert str(violation).startswith("line 10, frame 4: responses.sequence-number: sequence_number is 99, expected 3")


def test_an_unknown_vocabulary_is_refused():
    with pytest.raises(ValueError, match="unknown vocabulary 'morse'"):
        lint(b"data: {}\n\n", "morse")
    with pytest.raises(ValueError, match="not streamed"):
        lint_document({}, "domain")
