"""What a provider's frames mean, however they are cut and however broken they are."""

import random
from typing import Any

import pytest

from proxy.canonical.accumulate import fold
from proxy.canonical.events import (
    TERMINAL,
    BlockKind,
    Closed,
    Delta,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Progress,
    StopReason,
)
from proxy.canonical.usage import Usage
from proxy.vocabularies.responses.vocabulary import RESPONSES
from tests.vocabularies.responses.corpus import SEAL, STREAMS, WHOLE, decoded, events_of, frames, head, peer, wire

CREATED = {"type": "response.created", "response": {"id": "resp_1"}}


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_every_cut_gives_the_same_events(name: str):
    whole = events_of(STREAMS[name])
    for size in (1, 2, 3, 7, 64, 1000):
        assert [event for step in decoded(STREAMS[name], size) for event in step.events] == whole
    with_crlf = STREAMS[name].replace(b"\n", b"\r\n")
    assert [event for step in decoded(with_crlf, 5) for event in step.events] == whole


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_corruption_never_raises_and_ends_once(name: str):
    chance = random.Random(name)
    for _ in range(30):
        broken = bytearray(STREAMS[name])
        for _ in range(chance.randint(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        steps = decoded(bytes(broken[: chance.randint(1, len(broken))]), chance.randint(1, 4000))
        ends = [event for step in steps for event in step.events if isinstance(event, TERMINAL)]
        assert len(ends) == 1
        assert steps[-1].events[-1] is ends[0]
        RESPONSES.encoder(head()).relay(steps)


@pytest.mark.parametrize("value", [None, 7, -1, 10**30, "x", [], [1], {}, {"type": 3}, True, 1.5])
def test_any_value_anywhere_is_survived(value: object):
    for payload in frames(STREAMS["reasoning"] + STREAMS["citations"] + STREAMS["parallel_tools"]):
        for broken in _replaced(payload, value):
            steps = decoded(wire(CREATED, broken, broken))
            assert isinstance(steps[-1].events[-1], TERMINAL)
            RESPONSES.encoder(head()).relay(steps)


def _replaced(payload: Any, value: object) -> list[dict[str, Any]]:
    """Copies of the payload with one member, at any depth, replaced; the type of the event stays."""
    out = []
    for name, member in payload.items():
        if name != "type":
            out.append({**payload, name: value})
        if isinstance(member, dict):
            out += [{**payload, name: inner} for inner in _replaced(member, value)][:40]
    return out


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_is_its_streams_twin(name: str):
    streamed = fold(events_of(STREAMS[name]))
    whole = fold(RESPONSES.read_document(frames(STREAMS[name])[-1]["response"], peer()))
    assert [(b.kind, b.text, b.call_id, b.name, b.material) for b in whole.blocks.values()] == [
        (b.kind, b.text, b.call_id, b.name, b.material) for b in streamed.blocks.values()
    ]
    assert whole.usage == streamed.usage
    assert whole.end == streamed.end


def test_summary_parts_are_one_block_with_its_material():
    answer = fold(events_of(STREAMS["reasoning"]))
    thoughts = answer.blocks[0]
    assert thoughts.kind is BlockKind.REASONING
    assert thoughts.text == "**Planning**\n\nThen answer"
    material = SEAL.open(thoughts.material or "")
    assert material is not None
    assert (material.form, material.payload) == ("encrypted", "gAAAAABo8cDeFake==")


def test_encrypted_reasoning_without_words_still_has_a_block():
    block = fold(events_of(STREAMS["reasoning_encrypted_only"])).blocks[0]
    assert (block.kind, block.text, block.closed) == (BlockKind.REASONING, "", True)
    assert block.material is not None


def test_raw_reasoning_is_kept_apart():
    assert fold(events_of(STREAMS["reasoning_raw"])).blocks[0].kind is BlockKind.RAW_REASONING


def test_parallel_calls_keep_their_ids_and_arguments():
    answer = fold(events_of(STREAMS["parallel_tools"]))
    calls = [(b.call_id, b.name, b.text) for b in answer.blocks.values() if b.kind is BlockKind.TOOL_CALL]
    assert calls == [
        ("call_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8", "get_weather", '{"city":"Köln"}'),
        ("toolu_01short", "get_time", "{}"),
    ]
    assert answer.end == Finished(StopReason.TOOL_CALLS)


def test_custom_calls_are_free_text():
    block = fold(events_of(STREAMS["custom_tool"])).blocks[0]
    assert (block.kind, block.text) == (BlockKind.CUSTOM_CALL, "*** Begin\n*** End")


def test_citations_are_read_once_each():
    block = next(b for b in fold(events_of(STREAMS["citations"])).blocks.values() if b.kind is BlockKind.TEXT)
    assert [(c.source, c.url, c.title) for c in block.citations] == [
        ("web", "https://example.org/rain", "Rain"),
        ("file", None, "a.pdf"),
    ]


def test_hosted_tools_show_their_progress():
    events = events_of(STREAMS["citations"])
    assert [event.phase for event in events if isinstance(event, Progress)] == ["start", "done"]
    assert Foreign("response.web_search_call.searching", content=True) in events


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("text", StopReason.END),
        ("refusal", StopReason.REFUSAL),
        ("custom_tool", StopReason.TOOL_CALLS),
        ("incomplete_length", StopReason.LENGTH),
        ("incomplete_filter", StopReason.CONTENT_FILTER),
    ],
)
def test_stop_reasons(name: str, reason: StopReason):
    assert events_of(STREAMS[name])[-1] == Finished(reason)


def test_usage_is_the_wires_own_arithmetic():
    assert fold(events_of(STREAMS["reasoning"])).usage == Usage(30, 120, 0, 0, 96, 150)
    assert fold(events_of(STREAMS["usage_partial"])).usage == Usage(7, 1, 2, None, None, 8)


def test_reported_failures():
    assert events_of(STREAMS["failed"])[-1] == Failed(
        FaultKind.REPORTED, "Rate limit reached for gpt-5.5", code="rate_limit_exceeded"
    )
    assert events_of(STREAMS["error_event"])[-1] == Failed(
        FaultKind.REPORTED, "The server had an error", code="server_error"
    )


@pytest.mark.parametrize(
    "payload",
    [
        b'{"error":{"message":"busy","code":503,"type":"overloaded"}}',
        b'{"type":"error","error":{"message":"busy","code":503,"type":"overloaded"}}',
    ],
)
def test_r13_an_error_object_in_any_frame_is_a_failure(payload: bytes):
    events = events_of(b"data: %b\n\n" % payload)
    assert events[-1] == Failed(FaultKind.REPORTED, "busy", code="503", type="overloaded", status=503)


def test_a_cut_stream_is_truncated():
    cut = STREAMS["text"][: STREAMS["text"].index(b"event: response.completed")]
    end = events_of(cut)[-1]
    assert isinstance(end, Failed)
    assert end.kind is FaultKind.TRUNCATED


def test_an_unknown_event_is_foreign():
    assert Foreign("response.novelty.added") in events_of(wire(CREATED, {"type": "response.novelty.added", "x": 1}))


def test_r05_text_without_announcement_opens_its_block():
    events = events_of(wire({"type": "response.output_text.delta", "delta": "Hi", "item_id": "msg_1"}))
    assert Opened(0, BlockKind.TEXT) in events
    assert Delta(0, "Hi") in events


def test_r10_words_only_the_finished_item_has_are_not_lost():
    done = [payload for payload in frames(STREAMS["text"]) if payload["type"].endswith(("item.done", "completed"))]
    assert fold(events_of(wire(*done))).text() == fold(events_of(STREAMS["text"])).text()


def test_an_item_without_an_end_is_closed_at_the_end():
    kept = [p for p in frames(STREAMS["text"]) if not p["type"].endswith((".done",))]
    events = events_of(wire(*kept))
    assert Closed(0) in events
    assert events[-1] == Finished(StopReason.END)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"object": "list"}, FaultKind.MALFORMED),
        ({}, FaultKind.MALFORMED),
        ({"object": "response", "status": "completed", "output": [3]}, FaultKind.MALFORMED),
        ({"object": "response", "status": "queued", "output": []}, FaultKind.MALFORMED),
        ({"error": {"message": "no"}}, FaultKind.REPORTED),
        ({"object": "response", "status": "failed", "output": [], "error": {"message": "no"}}, FaultKind.REPORTED),
    ],
)
def test_a_body_that_is_no_answer(body: dict[str, Any], kind: FaultKind):
    end = RESPONSES.read_document(body, peer())[-1]
    assert isinstance(end, Failed)
    assert end.kind is kind
