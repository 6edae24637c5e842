"""Canonical events as this wire's stream and document, judged by the conformance checker."""

import json
from typing import Any

import pytest

from proxy.canonical.account import AttemptRecord, Exhausted, Hop, Warning
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    Finished,
    Opened,
    Progress,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint
from proxy.errors import AllRateLimited, StreamBroken, StreamTimedOut
from proxy.vocabularies.responses.vocabulary import RESPONSES
from tests.vocabularies.responses.corpus import STREAMS, WHOLE, events_of, frames, head

TEXT = [Opened(0, BlockKind.TEXT), Delta(0, "Hel"), Delta(0, 'lo "you"\n'), Closed(0)]
USAGE = UsageReported(Usage(input_tokens=10, output_tokens=4, cache_read_tokens=3, reasoning_tokens=1), final=True)
HOP = Hop("gpt@a", "claude@b", "rate_limit", 1, 120, status=429)
GONE = Exhausted(("gpt@a",), "rate_limited", (AttemptRecord("gpt@a", "failed", "rate_limit", status=429),))


def stream(*events: Event, notices: str = "comments", **body: Any) -> bytes:
    return RESPONSES.encoder(head(notices, **body)).encode([Started(), *events])


def kinds(body: bytes) -> list[str]:
    return [payload["type"].removeprefix("response.") for payload in frames(body)]


@pytest.mark.parametrize("name", WHOLE)
def test_every_recorded_stream_is_written_conformantly(name: str):
    body = RESPONSES.encoder(head()).encode([e for e in events_of(STREAMS[name]) if not isinstance(e, Failed)])
    assert str(lint(body, "responses")).endswith("conforms")


def test_text_has_the_full_sequence():
    body = stream(*TEXT, USAGE, Finished(StopReason.END))
    assert kinds(body) == [
        *(
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
        ),
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    assert [payload["sequence_number"] for payload in frames(body)] == list(range(10))
    assert lint(body, "responses").text == 'Hello "you"\n'


def test_every_kind_of_block_in_one_stream():
    body = stream(
        *(Opened(0, BlockKind.REASONING), Delta(0, "hm"), Signed(0, "sg1.x"), Closed(0)),
        *(Opened(1, BlockKind.RAW_REASONING), Delta(1, "raw"), Closed(1)),
        *(
            Opened(2, BlockKind.TEXT),
            Delta(2, "see"),
            Cited(2, Citation(url="https://a.example", start=0, end=3)),
            Closed(2),
        ),
        *(Opened(3, BlockKind.REFUSAL), Delta(3, "but no"), Closed(3)),
        *(Opened(4, BlockKind.TOOL_CALL, "toolu_1", "look"), Delta(4, '{"a":'), Delta(4, "1}"), Closed(4)),
        *(Opened(5, BlockKind.CUSTOM_CALL, "c5", "patch"), Delta(5, "***"), Closed(5)),
        *(Opened(6, BlockKind.HOSTED, "", "web_search_call"), Progress("start", "web_search_call"), Closed(6)),
        *(USAGE, Finished(StopReason.TOOL_CALLS)),
    )
    report = lint(body, "responses")
    assert str(report).endswith("conforms")
    assert (report.text, report.reasoning) == ("see", "hmraw")
    assert [(call.name, call.arguments) for call in report.tool_calls] == [("look", '{"a":1}'), ("patch", "***")]
    output = frames(body)[-1]["response"]["output"]
    assert [item["type"] for item in output] == [
        "reasoning",
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    assert output[0]["encrypted_content"] == "sg1.x"
    assert output[1] == {**output[1], "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]}
    assert [part["type"] for part in output[2]["content"]] == ["output_text", "refusal"]
    assert output[2]["content"][0]["annotations"][0]["url"] == "https://a.example"


def test_redacted_reasoning_is_an_item_without_words():
    signed = [Opened(0, BlockKind.REASONING), Signed(0, "sg1.x"), Closed(0)]
    body = stream(*signed, *[_moved(event) for event in TEXT], USAGE, Finished(StopReason.END))
    assert str(lint(body, "responses")).endswith("conforms")
    assert frames(body)[-1]["response"]["output"][0]["summary"] == []


def _moved(event: Any) -> Any:
    """The event in block 1."""
    return type(event)(1, *[getattr(event, name) for name in event.__struct_fields__[1:]])


def test_r02_summary_index_is_written_even_when_it_is_zero():
    body = stream(Opened(0, BlockKind.REASONING), Delta(0, "hm"), Closed(0), USAGE, Finished(StopReason.END))
    assert [p["summary_index"] for p in frames(body) if "reasoning_summary" in p["type"]] == [0, 0, 0, 0]


def test_r08_an_added_message_has_content():
    added = next(p for p in frames(stream(*TEXT)) if p["type"] == "response.output_item.added")
    assert added["item"]["content"] == []


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        (StopReason.LENGTH, "incomplete", {"reason": "max_output_tokens"}),
        (StopReason.CONTENT_FILTER, "incomplete", {"reason": "content_filter"}),
        *((reason, "completed", None) for reason in ("end", "pause", "refusal", "stop_sequence", "tool_calls")),
    ],
)
def test_stop_reasons(reason: str, status: str, details: object):
    body = stream(*TEXT, USAGE, Finished(StopReason(reason)))
    response = frames(body)[-1]["response"]
    assert (response["status"], response["incomplete_details"]) == (status, details)
    assert response["output"][-1]["status"] == status
    assert str(lint(body, "responses")).endswith("conforms")


def test_usage_has_both_details():
    response = frames(stream(*TEXT, USAGE, Finished(StopReason.END)))[-1]["response"]
    assert response["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 14,
    }


def test_settings_are_echoed_and_completed():
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    sent = {
        "instructions": "Be brief.",
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "max_output_tokens": 99,
        "store": True,
    }
    body = stream(*TEXT, USAGE, Finished(StopReason.END), **sent, tools=[tool], text={"verbosity": "low"})
    response = frames(body)[-1]["response"]
    assert {name: response[name] for name in sent} == {**sent, "store": False}
    assert response["tools"] == [{"description": None, "strict": True, **tool}]
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert (response["top_p"], response["truncation"], response["tool_choice"]) == (1.0, "disabled", "auto")
    assert response["model"] == "smart"


def test_the_finished_object_says_who_served():
    served = head()
    served.account.warnings.append(Warning("top_k", "dropped"))
    body = RESPONSES.encoder(served).encode([*TEXT, USAGE, Finished(StopReason.END)])
    member = frames(body)[-1]["response"]["segue"]
    assert member["served_by"] == "gpt@primary"
    assert member["warnings"] == [{"param": "top_k", "action": "dropped"}]


def test_notices_wait_for_the_opening():
    for notices, shown in (("events", 1), ("comments", 0), ("none", 0)):
        encoder = RESPONSES.encoder(head(notices))
        assert encoder.notice(HOP) == b""
        body = encoder.encode([*TEXT, USAGE, Finished(StopReason.END)])
        names = kinds(body)
        assert names[:2] == ["created", "in_progress"]
        assert (names[2] == "segue:fallback_start") == bool(shown)
        assert (b': segue {"event":"fallback_start"' in body) == (notices == "comments")
        assert str(lint(body, "responses")).endswith("conforms")


def test_an_exhausted_chain_after_an_eager_opening():
    encoder = RESPONSES.encoder(head("events"))
    body = encoder.opening() + encoder.opening() + encoder.notice(HOP) + encoder.notice(GONE)
    body += encoder.fail(AllRateLimited("Every model is busy."))
    assert kinds(body) == ["created", "in_progress", "segue:fallback_start", "segue:fallback_exhausted", "failed"]
    response = frames(body)[-1]["response"]
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "Every model is busy."}
    assert response["segue"]["error"] == {"code": "rate_limited"}
    assert str(lint(body, "responses")).endswith("conforms")


def test_a_failure_keeps_what_was_said():
    encoder = RESPONSES.encoder(head())
    body = encoder.encode([Started(), *TEXT[:2]]) + encoder.fail(StreamTimedOut("Too slow.", detail="stream_stalled"))
    response = frames(body)[-1]["response"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert response["segue"]["error"] == {"code": "provider_timeout", "detail": "stream_stalled"}
    assert response["output"][0]["content"][0]["text"] == "Hel"
    assert str(lint(body, "responses")).endswith("conforms")


def test_nothing_follows_the_end():
    encoder = RESPONSES.encoder(head("events"))
    encoder.encode([*TEXT, USAGE, Finished(StopReason.END)])
    assert encoder.encode(TEXT) == b""
    assert encoder.fail(StreamBroken("late")) == b""
    assert encoder.notice(HOP) == b""


def test_silence_is_a_comment():
    assert RESPONSES.encoder(head()).ping() == b": ping\n\n"


def test_ids_are_ours_and_the_same_every_time():
    calls = [
        Opened(0, BlockKind.TOOL_CALL, "toolu_1", "look"),
        Delta(0, "{}"),
        Closed(0),
        USAGE,
        Finished(StopReason.END),
    ]
    first, second = (frames(stream(*calls)) for _ in range(2))
    assert first == second
    assert first[-1]["response"]["output"][0]["call_id"].startswith("call_")


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_is_its_streams_last_word(name: str):
    events = [event for event in events_of(STREAMS[name]) if not isinstance(event, Failed)]
    document = RESPONSES.encoder(head()).document(events)
    assert document == frames(RESPONSES.encoder(head()).encode(events))[-1]["response"]
    assert json.dumps(document)


def test_a_document_puts_overlapping_blocks_in_turn():
    document = RESPONSES.encoder(head()).document(
        [
            *(Started(), Opened(0, BlockKind.TOOL_CALL, "a", "x"), Opened(1, BlockKind.TOOL_CALL, "b", "y")),
            *(Delta(1, "{}"), Delta(0, '{"k":1}'), Closed(1), Closed(0), Finished(StopReason.TOOL_CALLS)),
        ]
    )
    assert [(item["name"], item["arguments"]) for item in document["output"]] == [("x", '{"k":1}'), ("y", "{}")]
