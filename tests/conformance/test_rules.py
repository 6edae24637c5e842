"""Every rule catches what breaks it, and nothing else does."""

import itertools
from collections import Counter

import pytest

from proxy.conformance.lint import RULES, lint, lint_document, lint_error
from tests.conformance import samples_others as others
from tests.conformance import samples_responses as responses
from tests.conformance.mutations import ABSENT, MUTATIONS
from tests.conformance.wire import render

_NOT_OF_STREAMS = {"error.body"}


def _ids(mutations):
    seen = Counter()
    for mutation in mutations:
        seen[mutation.rule] += 1
        yield f"{mutation.rule}-{seen[mutation.rule]}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=_ids(MUTATIONS))
def test_a_broken_stream_is_caught_by_exactly_its_rule(mutation):
    report = lint(mutation.wire)
    assert {violation.rule for violation in report.violations} == {mutation.rule}, str(report)
    assert all(violation.message.endswith(f"Remedy: {RULES[mutation.rule]}.") for violation in report.violations)


def test_every_rule_has_a_stream_that_breaks_it():
    assert {mutation.rule for mutation in MUTATIONS} == set(RULES) - _NOT_OF_STREAMS


COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "gpt",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Oslo"}, "finish_reason": "stop"}],
    "usage": others.CHAT_USAGE,
}
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Oslo"}],
    "usage": {"input_tokens": 12, "output_tokens": 7},
}  # fmt: skip
RESPONSE = responses.response("completed", [responses.message(0, "completed", responses.text_part("Oslo"))])


def _changed(body, changes):
    return {key: value for key, value in {**body, **changes}.items() if value is not ABSENT}


@pytest.mark.parametrize(
    ("vocabulary", "body", "changes", "rules"),
    [
        ("responses", RESPONSE, {}, set()),
        ("responses", RESPONSE, {"completed_at": ABSENT}, {"responses.object"}),
        ("responses", RESPONSE, {"status": "in_progress"}, {"responses.status"}),
        ("responses", RESPONSE, {"output": [{"type": "message", "id": "msg_0"}]}, {"responses.item-fields"}),
        ("chat", COMPLETION, {}, set()),
        ("chat", COMPLETION, {"id": "gen-1"}, {"chat.id-alphabet"}),
        ("chat", COMPLETION, {"usage": ABSENT}, {"chat.usage"}),
        ("chat", COMPLETION, {"choices": [{"index": 0}]}, {"chat.fields"}),
        ("messages", MESSAGE, {}, set()),
        ("messages", MESSAGE, {"stop_reason": "tool_use"}, {"messages.stop-reason"}),
        ("messages", MESSAGE, {"content": [{"type": "text"}]}, {"messages.fields"}),
        ("messages", MESSAGE, {"usage": {}}, {"messages.usage"}),
    ],
)
def test_an_answer_that_was_not_streamed_keeps_the_same_rules(vocabulary, body, changes, rules):
    assert {violation.rule for violation in lint_document(_changed(body, changes), vocabulary)} == rules


def _openai(**changes):
    fields = {"message": "No such model.", "type": "invalid_request_error", "param": None, "code": "model_not_found"}
    return {"error": _changed(fields, changes)}


def _anthropic(**changes):
    body = {"type": "error", "error": {"type": "not_found_error", "message": "No such model."}, "request_id": "r-1"}
    return _changed(body, changes)


def _problem(**changes):
    return _changed({"type": "about:blank", "title": "Not found", "status": 400, "code": "invalid_request"}, changes)


@pytest.mark.parametrize(
    ("vocabulary", "body", "rules"),
    [
        ("responses", _openai(), set()),
        ("chat", _openai(), set()),
        ("chat", _openai(code=ABSENT), {"error.body"}),
        ("chat", {"detail": "no"}, {"error.body"}),
        ("chat", _openai(message="see https://api.example.com"), {"error.scrubbed"}),
        ("messages", _anthropic(), set()),
        ("messages", _anthropic(request_id=ABSENT), {"error.body"}),
        ("messages", _anthropic(error={"type": "server_error", "message": "x"}), {"error.body"}),
        ("domain", _problem(), set()),
        ("domain", _problem(code=ABSENT), {"error.body"}),
        ("domain", _problem(code="quota_exceeded"), {"error.body"}),
        ("domain", _problem(code="quota_exceeded", quota_scope="tokens"), set()),
    ],
)
def test_error_bodies_have_the_shape_of_their_vocabulary(vocabulary, body, rules):
    assert {violation.rule for violation in lint_error(body, vocabulary)} == rules


def test_an_error_body_of_an_unknown_vocabulary_is_refused():
    with pytest.raises(ValueError, match="unknown vocabulary"):
        lint_error({}, "morse")


def _paths(value, path=()):
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from _paths(member, (*path, key))


_SAMPLES = {**responses.GOOD, **others.GOOD_CHAT, **others.GOOD_MESSAGES, **others.GOOD_DOMAIN}


@pytest.mark.parametrize("sample", _SAMPLES.values(), ids=_SAMPLES)
def test_no_value_in_any_place_makes_the_checker_stumble(sample):
    strange = itertools.cycle([None, 1, "x", [], {}, [1], -1.5, True, [{"type": []}]])
    for at, event in enumerate(sample()):
        for *way, last in _paths(event.payload):
            events = sample()
            place = events[at].payload
            for key in way:
                place = place[key]
            place[last] = next(strange)
            assert lint(render(events)).frames > 0
