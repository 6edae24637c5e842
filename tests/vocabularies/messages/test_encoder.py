import json
from typing import Any

import pytest

from proxy.canonical.account import AttemptRecord, Exhausted, Hop
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint, lint_document
from proxy.errors import StreamBroken
from tests.vocabularies.messages.stage import CORPUS, ELSEWHERE, WHOLE, encoded, encoder, events

HOP = Hop("gpt@a", "claude@first", "rate_limit", 1, 12)


def frames(wire: bytes) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split(b"\n") for block in wire.split(b"\n\n") if block and not block.startswith(b":")]
    return [(event[7:].decode(), json.loads(data[6:])) for event, data in blocks]


def said(*blocks: Event, usage: Usage | None = None, reason: StopReason = StopReason.END) -> list[Event]:
    return [Started(), *blocks, UsageReported(usage or Usage(9, 5), final=True), Finished(reason)]


def text(block: int, words: str) -> list[Event]:
    return [Opened(block, BlockKind.TEXT), Delta(block, words), Closed(block)]


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_encoded_conforms(name: str):
    verdict = lint(encoded(events(CORPUS[name])), "messages")
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("name", WHOLE)
def test_the_document_conforms_and_says_the_same(name: str):
    told = events(CORPUS[name])
    document = encoder().document(told)
    assert lint_document(document, "messages") == []
    words = "".join(block["text"] for block in document["content"] if block["type"] == "text")
    assert words == lint(encoded(told), "messages").text


def test_input_excludes_the_cache_and_is_never_below_zero():
    usage = frames(encoded(said(*text(0, "a"), usage=Usage(100, 5, 70, 20, 3))))[-2][1]["usage"]
    assert usage == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 70,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 3},
    }
    odd = frames(encoded(said(*text(0, "a"), usage=Usage(10, 5, 70))))[-2][1]["usage"]
    assert odd["input_tokens"] == 0


def test_message_start_carries_the_input_known_then():
    wire = encoder().encode([Started(Usage(input_tokens=42))])
    assert frames(wire)[0][1]["message"]["usage"]["input_tokens"] == 42


def test_f10_a_thinking_block_without_material_gets_no_signature():
    thought: list[Event] = [Opened(0, BlockKind.REASONING), Delta(0, "Hm."), Closed(0), *text(1, "Hi")]
    wire = encoded(said(*thought))
    assert lint(wire, "messages").reasoning == "Hm."
    assert b"signature_delta" not in wire


def test_s01_thinking_in_many_deltas_is_one_block_with_one_signature_at_its_end():
    material = ELSEWHERE.close("encrypted", "gAAA")
    thought = [Delta(0, word) for word in ("a", "b", "c")]
    told = said(Opened(0, BlockKind.REASONING), Signed(0, "early"), *thought, Signed(0, material), Closed(0))
    wire = encoded(told)
    starts = [payload["content_block"] for name, payload in frames(wire) if name == "content_block_start"]
    assert [block["type"] for block in starts] == ["thinking"]
    deltas = [payload["delta"] for name, payload in frames(wire) if name == "content_block_delta"]
    assert deltas[-1] == {"type": "signature_delta", "signature": material}
    assert [delta["type"] for delta in deltas].count("signature_delta") == 1


def test_s02_material_without_words_survives():
    foreign = ELSEWHERE.close("encrypted", "gAAA")
    signed = ELSEWHERE.close("signature", "sig")
    wire = encoded(
        said(
            Opened(0, BlockKind.REASONING), Signed(0, foreign), Closed(0),
            Opened(1, BlockKind.REASONING), Signed(1, signed), Closed(1),
            Opened(2, BlockKind.REASONING), Closed(2),
            *text(3, "Hi"),
        )
    )  # fmt: skip
    verdict = lint(wire, "messages")
    assert verdict.ok, str(verdict)
    starts = [payload["content_block"] for name, payload in frames(wire) if name == "content_block_start"]
    assert starts[0] == {"type": "redacted_thinking", "data": foreign}
    assert [block["type"] for block in starts] == ["redacted_thinking", "thinking", "text"]


@pytest.mark.parametrize(
    ("reason", "kinds", "expected"),
    [
        (StopReason.END, [BlockKind.TEXT], "end_turn"),
        (StopReason.END, [BlockKind.TOOL_CALL], "tool_use"),
        (StopReason.TOOL_CALLS, [BlockKind.TEXT], "end_turn"),
        (StopReason.END, [BlockKind.REFUSAL], "refusal"),
        (StopReason.LENGTH, [BlockKind.TOOL_CALL], "max_tokens"),
        (StopReason.CONTENT_FILTER, [BlockKind.TEXT], "refusal"),
        (StopReason.PAUSE, [BlockKind.TEXT], "pause_turn"),
        (StopReason.STOP_SEQUENCE, [BlockKind.TEXT], "stop_sequence"),
    ],
)
def test_stop_reasons_agree_with_the_blocks(reason: StopReason, kinds: list[BlockKind], expected: str):
    blocks = [
        event
        for number, kind in enumerate(kinds)
        for event in (Opened(number, kind, "c", "f"), Delta(number, "{}"), Closed(number))
    ]
    wire = encoded(said(*blocks, reason=reason))
    assert frames(wire)[-2][1]["delta"]["stop_reason"] == expected
    assert lint(wire, "messages").ok


def test_citations_and_custom_calls_find_a_form():
    cited = Cited(0, Citation("https://example.org", "T", "S"))
    filed = Cited(0, Citation(None, "notes.txt", "S", "file", "file_1"))
    wire = encoded(
        said(
            Opened(0, BlockKind.TEXT), Delta(0, "x"), cited, filed, Closed(0),
            Opened(1, BlockKind.CUSTOM_CALL, "c", "patch"), Delta(1, "*** "), Delta(1, "End"), Closed(1),
        )
    )  # fmt: skip
    verdict = lint(wire, "messages")
    assert verdict.ok, str(verdict)
    assert json.loads(verdict.tool_calls[0].arguments) == {"input": "*** End"}


def test_a_failure_is_an_error_event_and_nothing_follows():
    writing = encoder()
    wire = writing.encode([Started(), Opened(0, BlockKind.TEXT), Delta(0, "Hel")]) + writing.fail(StreamBroken("gone"))
    assert frames(wire)[-1] == (
        "error",
        {"type": "error", "error": {"type": "api_error", "message": "gone"}, "request_id": "req-ours"},
    )
    assert lint(wire, "messages").ok
    assert writing.encode(text(1, "late")) == writing.fail(StreamBroken("again")) == writing.ping() == b""


def test_silence_is_filled_with_pings_once_the_message_has_begun():
    writing = encoder()
    assert writing.ping().startswith(b": ")
    assert lint(writing.opening() + writing.ping(), "messages", cancelled=True).ok
    assert writing.ping() == b'event: ping\ndata: {"type": "ping"}\n\n'
    assert writing.opening() == b""


@pytest.mark.parametrize(("mode", "told"), [("events", True), ("comments", True), ("none", False)])
def test_notices_follow_the_opening(mode: str, told: bool):
    writing = encoder(mode)
    assert writing.notice(HOP) == b""
    wire = writing.encode(said(*text(0, "Hi")))
    verdict = lint(wire, "messages")
    assert verdict.ok, str(verdict)
    assert len(verdict.notices) == told
    assert wire.startswith(b"event: message_start")


def test_an_exhausted_chain_is_told_before_the_error():
    writing = encoder("events")
    exhausted = Exhausted(("a",), "all failed", (AttemptRecord("a", "failed", "server_error"),))
    wire = writing.opening() + writing.notice(exhausted) + writing.fail(StreamBroken("all failed"))
    assert [name for name, _ in frames(wire)] == ["message_start", "segue:fallback_exhausted", "error"]
    assert lint(wire, "messages").ok
