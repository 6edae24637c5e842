"""Frames of this vocabulary passed on: what is rewritten, what keeps its bytes, and what is mended."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from proxy.canonical.account import Hop
from proxy.canonical.events import Failed, FaultKind, Finished
from proxy.conformance.lint import lint
from proxy.errors import StreamBroken
from proxy.relay.sequencer import Sequencer
from proxy.vocabularies.responses.vocabulary import RESPONSES
from tests.vocabularies.responses.corpus import SEAL, STREAMS, WHOLE, decoded, frames, head, peer, wire

DELTA = re.compile(rb"^data: (.*\.delta\".*)$", re.MULTILINE)
HOP = Hop("gpt@a", "gpt@b", "rate_limit", 1, 120)
OURS = re.compile(r"\b(?:resp|msg|rs|fc|ctc)_[0-9A-Za-z]{18,}\b")


def relayed(stream: bytes, notices: str = "comments", size: int = 0, **body: Any) -> bytes:
    return RESPONSES.encoder(head(notices, **body)).relay(decoded(stream, size))


def without(stream: bytes, *kinds: str) -> bytes:
    return wire(*[p for p in frames(stream) if p["type"].removeprefix("response.") not in kinds])


@pytest.mark.parametrize("name", WHOLE)
def test_every_recorded_stream_is_relayed_conformantly(name: str):
    report = lint(relayed(STREAMS[name]), "responses")
    told = lint(STREAMS[name], "responses", ours=False)
    assert str(report).endswith("conforms")
    assert (report.text, report.reasoning) == (told.text, told.reasoning)
    assert [(c.name, c.arguments) for c in report.tool_calls] == [(c.name, c.arguments) for c in told.tool_calls]


@pytest.mark.parametrize("name", WHOLE)
def test_deltas_keep_every_other_byte(name: str):
    theirs, ours = STREAMS[name], relayed(STREAMS[name])
    names = {p["item_id"]: q["item_id"] for p, q in zip(frames(theirs), frames(ours), strict=True) if "item_id" in p}
    expected = DELTA.findall(theirs)
    for their_id, our_id in names.items():
        expected = [frame.replace(their_id.encode(), our_id.encode()) for frame in expected]
    assert DELTA.findall(ours) == expected


def test_spaced_json_keeps_its_bytes_too():
    spaced = wire(*frames(STREAMS["text"]))
    (their_id,) = {p["item_id"] for p in frames(spaced) if "item_id" in p}
    (our_id,) = {p["item_id"] for p in frames(relayed(spaced)) if "item_id" in p}
    first, *rest = [frame.replace(their_id.encode(), our_id.encode()) for frame in DELTA.findall(spaced)]
    assert DELTA.findall(relayed(spaced))[1:] == rest
    assert json.loads(DELTA.findall(relayed(spaced))[0]) == json.loads(first)


@pytest.mark.parametrize("name", WHOLE)
def test_only_the_listed_members_change(name: str):
    echoed = set(head().request.body) | {"presence_penalty", "frequency_penalty"}
    for theirs, ours in zip(frames(STREAMS[name]), frames(relayed(STREAMS[name])), strict=True):
        assert list(theirs) == list(ours)
        for key in theirs:
            if key == "response":
                _same_response(theirs[key], ours[key], echoed)
            elif key == "item":
                _same_item(theirs[key], ours[key])
            elif key != "item_id":
                assert theirs[key] == ours[key]


def _same_response(theirs: dict[str, Any], ours: dict[str, Any], echoed: set[str]) -> None:
    changed = {"id", "model", "output", "segue"} | echoed
    assert [name for name in ours if name not in changed and name != "usage" and ours[name] != theirs.get(name)] == []
    for given, relayed_item in zip(theirs["output"], ours["output"], strict=True):
        _same_item(given, relayed_item)
    if theirs["usage"] is not None:
        assert (
            theirs["usage"].items()
            <= {**ours["usage"], "input_tokens_details": theirs["usage"]["input_tokens_details"]}.items()
        )


def _same_item(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    rewritten = {"id", "call_id", "encrypted_content"}
    assert {k: v for k, v in theirs.items() if k not in rewritten} == {
        k: v for k, v in ours.items() if k not in rewritten
    }


def test_ids_are_ours_in_every_place():
    for name in WHOLE:
        for payload in frames(relayed(STREAMS[name])):
            text = json.dumps(payload)
            assert "68f1c0de" not in text.replace("ws_68f1c0de0", "")
            assert "response" not in payload or OURS.fullmatch(payload["response"]["id"])


def test_call_ids_that_are_ours_in_form_stay_and_others_are_mapped():
    output = frames(relayed(STREAMS["parallel_tools"]))[-1]["response"]["output"]
    assert output[1]["call_id"] == "call_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"
    assert re.fullmatch(r"call_[0-9A-Za-z]{24}", output[2]["call_id"])


@pytest.mark.parametrize(("name", "payload"), [("reasoning", "gAAAAABo8cDeFake=="), ("compaction", "gAAAAcompacted")])
def test_encrypted_content_gets_its_origin_tag(name: str, payload: str):
    told = frames(relayed(STREAMS[name]))
    done = next(p["item"] for p in told if p["type"] == "response.output_item.done")
    material = SEAL.open(done["encrypted_content"])
    assert material is not None
    assert (material.form, material.payload) == ("encrypted", payload)
    assert told[-1]["response"]["output"][0] == done
    added = next(p["item"] for p in told if p["type"] == "response.output_item.added")
    assert "encrypted_content" not in added


def test_the_clients_settings_are_echoed_not_those_we_sent():
    response = frames(relayed(STREAMS["text"], max_output_tokens=77, instructions="Hm", store=True))[0]["response"]
    assert (response["model"], response["max_output_tokens"], response["instructions"]) == ("smart", 77, "Hm")
    assert (response["store"], response["top_p"]) == (False, 0.98)


def test_missing_usage_details_are_filled():
    usage = frames(relayed(STREAMS["usage_partial"]))[-1]["response"]["usage"]
    assert usage["input_tokens_details"] == {"cached_tokens": 2, "cache_write_tokens": 0}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}


def test_an_eager_opening_is_not_repeated():
    encoder = RESPONSES.encoder(head("events"))
    body = encoder.opening() + encoder.notice(HOP) + encoder.relay(decoded(STREAMS["text"]))
    kinds = [p["type"] for p in frames(body)]
    assert kinds.count("response.created") == kinds.count("response.in_progress") == 1
    assert kinds[2] == "segue:fallback_start"
    assert str(lint(body, "responses")).endswith("conforms")


def test_notices_follow_the_upstreams_opening():
    encoder = RESPONSES.encoder(head("events"))
    assert encoder.notice(HOP) == b""
    body = encoder.relay(decoded(STREAMS["text"]))
    assert [p["type"] for p in frames(body)][:3] == ["response.created", "response.in_progress", "segue:fallback_start"]
    assert str(lint(body, "responses")).endswith("conforms")


@pytest.mark.parametrize("size", [1, 50, 333])
def test_the_cuts_do_not_show(size: int):
    for name in WHOLE:
        assert relayed(STREAMS[name], size=size) == relayed(STREAMS[name])


@pytest.mark.parametrize("name", WHOLE)
def test_a_failure_anywhere_ends_the_relayed_stream_well(name: str):
    steps = decoded(STREAMS[name])
    for kept in range(len(steps) - 1):
        encoder = RESPONSES.encoder(head())
        body = encoder.relay(steps[:kept]) + encoder.fail(StreamBroken("It broke."))
        report = lint(body, "responses")
        assert str(report).endswith("conforms")
        assert report.terminal == "response.failed"


def test_upstream_failures_are_not_relayed():
    for name in ("failed", "error_event"):
        assert [p["type"] for p in frames(relayed(STREAMS[name]))] == ["response.created", "response.in_progress"]


def test_a_done_marker_and_no_event_lines_change_nothing():
    bare = re.sub(rb"event: .*\n", b"", STREAMS["text"]) + b"data: [DONE]\n\n"
    assert relayed(bare) == relayed(STREAMS["text"])


LOST = ["output_item.added", "content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
LOST += ["output_item.done", "created", "in_progress", "reasoning_summary_part.added", "reasoning_summary_text.done"]
LOST += ["function_call_arguments.delta", "function_call_arguments.done", "reasoning_summary_part.done"]


MENDABLE = ["text", "reasoning", "parallel_tools", "reasoning_encrypted_only"]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("name", MENDABLE)
def test_r04_r05_r10_missing_lifecycle_events_are_written(name: str, lost: str):
    report = lint(relayed(without(STREAMS[name], lost)), "responses")
    assert str(report).endswith("conforms")
    assert report.text == lint(STREAMS[name], "responses", ours=False).text


def test_calls_without_announcement_are_written_whole():
    report = lint(relayed(without(STREAMS["parallel_tools"], "output_item.added")), "responses")
    assert str(report).endswith("conforms")
    assert [(c.name, c.arguments) for c in report.tool_calls] == [
        ("get_weather", '{"city":"Köln"}'),
        ("get_time", "{}"),
    ]


def test_r05_a_stream_that_starts_with_a_delta():
    deltas = [p for p in frames(STREAMS["text"]) if p["type"] in ("response.output_text.delta", "response.completed")]
    report = lint(relayed(wire(*deltas)), "responses")
    assert str(report).endswith("conforms")
    assert report.text == lint(STREAMS["text"], "responses", ours=False).text


def test_r01_deltas_naming_an_unknown_item_name_the_open_one():
    strange = [{**p, "item_id": "msg_other"} if "delta" in p else p for p in frames(STREAMS["text"])]
    assert str(lint(relayed(wire(*strange)), "responses")).endswith("conforms")


def test_r02_r03_overlapping_items_are_put_one_after_the_other():
    told = frames(STREAMS["parallel_tools"])
    body = [p for p in told if "output_index" in p]
    first, second, third = ([p for p in body if p["output_index"] == index] for index in range(3))
    woven = [first[0], second[0], third[0], *first[1:4], *third[1:3], *second[1:], *third[3:], *first[4:]]
    report = lint(relayed(wire(*told[:2], *woven, told[-1])), "responses")
    assert str(report).endswith("conforms")
    assert report.text == "Let me look."
    assert [(c.name, c.arguments) for c in report.tool_calls] == [
        ("get_weather", '{"city":"Köln"}'),
        ("get_time", "{}"),
    ]


def test_r02_a_missing_summary_index_is_written():
    told = [{k: v for k, v in p.items() if k != "summary_index"} for p in frames(STREAMS["reasoning"])]
    one = [
        p for p in told if p.get("part", {}).get("text") != "Then answer" and p.get("delta") not in ("Then ", "answer")
    ]
    written = frames(relayed(wire(*one)))
    assert all("summary_index" in p for p in written if "reasoning_summary" in p["type"])


def test_r06_completed_before_created_still_opens():
    body = relayed(wire(frames(STREAMS["text"])[-1]))
    assert [p["type"] for p in frames(body)][:2] == ["response.created", "response.in_progress"]
    assert str(lint(body, "responses")).endswith("conforms")


def test_r07_summary_deltas_without_an_item_get_one():
    told = frames(STREAMS["reasoning"])
    deltas = [{k: v for k, v in p.items() if k != "item_id"} for p in told if "summary_text.delta" in p["type"]][:2]
    report = lint(relayed(wire(*told[:2], *deltas, told[-1])), "responses")
    assert str(report).endswith("conforms")
    assert report.reasoning == "**Planning**Then answer"  # the second part is told by the finished object only


def test_r08_an_added_message_without_content_gets_it():
    told = frames(STREAMS["text"])
    del told[2]["item"]["content"]
    assert frames(relayed(wire(*told)))[2]["item"]["content"] == []


@pytest.mark.parametrize("name", ["compaction", "citations", "reasoning", "parallel_tools"])
def test_an_item_whose_end_is_lost_ends_as_the_finished_object_says(name: str):
    ours = frames(relayed(without(STREAMS[name], "output_item.done")))
    done = [p["item"] for p in ours if p["type"] == "response.output_item.done"]
    assert done == ours[-1]["response"]["output"]
    assert done == frames(relayed(STREAMS[name]))[-1]["response"]["output"]


def test_an_index_that_does_not_start_at_zero_is_renumbered():
    shifted = [
        {**p, "output_index": p["output_index"] + 4} if "output_index" in p else p for p in frames(STREAMS["text"])
    ]
    report = lint(relayed(wire(*shifted)), "responses")
    assert str(report).endswith("conforms")
    assert report.text == lint(STREAMS["text"], "responses", ours=False).text


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_is_relayed_like_its_stream(name: str):
    body = frames(STREAMS[name])[-1]["response"]
    document = RESPONSES.encoder(head()).relay_document(body, RESPONSES.read_document(body, peer()))
    assert document == frames(relayed(STREAMS[name]))[-1]["response"]


def call(index: int, name: str, arguments: str) -> list[dict[str, Any]]:
    """A call's events: announced, said, ended."""
    item = {"type": "function_call", "id": f"fc_{name}", "call_id": f"call_{name}", "name": name}
    place = {"output_index": index, "item_id": item["id"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {**item, "arguments": ""}},
        {"type": "response.function_call_arguments.delta", **place, "delta": arguments},
        {"type": "response.output_item.done", "output_index": index, "item": {**item, "arguments": arguments}},
    ]


def answer(*events: dict[str, Any]) -> bytes:
    """A whole stream around `events`, whose finished object lists the ended items."""
    told = frames(STREAMS["text"])
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    completed = {**told[-1], "response": {**told[-1]["response"], "output": items}}
    return wire(*told[:2], *events, completed)


def encoded(stream: bytes) -> bytes:
    told = [event for step in decoded(stream) for event in step.events]
    return RESPONSES.encoder(head()).encode(Sequencer().sequence(told))


@pytest.mark.parametrize("write", [relayed, encoded])
@pytest.mark.parametrize("kept", [slice(0, 3), slice(2, 3)], ids=["announced", "only ended"])
@pytest.mark.parametrize("indexes", [(0, 0, 0), (0, 1, 0), (2, 2, 5)])
def test_an_output_index_used_again_is_another_item(
    indexes: tuple[int, ...], kept: slice, write: Callable[[bytes], bytes]
):
    names = ("first", "second", "third")
    calls = [call(index, name, f'{{"{name}":1}}')[kept] for index, name in zip(indexes, names, strict=True)]
    report = lint(write(answer(*(event for one in calls for event in one))), "responses")
    assert str(report).endswith("conforms")
    assert [(one.name, one.arguments) for one in report.tool_calls] == [(name, f'{{"{name}":1}}') for name in names]


def test_frames_that_wait_are_bounded():
    first, second = call(0, "first", "{}"), call(1, "second", "x" * 1024 * 1024)
    steps = decoded(wire(*frames(STREAMS["text"])[:2], *first[:2], second[0], *second[1:2] * 5, first[2]))
    failed = steps[-1].events[-1]
    assert isinstance(failed, Failed)
    assert failed.kind is FaultKind.MALFORMED
    assert "waiting" in failed.message


def test_what_no_longer_waits_does_not_count():
    pairs = [(call(2 * n, f"a{n}", "{}"), call(2 * n + 1, f"b{n}", "x" * 700_000)) for n in range(8)]
    calls = [event for a, b in pairs for event in (*a[:2], *b[:2], a[2], b[2])]
    told = frames(STREAMS["text"])
    steps = decoded(wire(*told[:2], *calls, {**told[-1], "response": {**told[-1]["response"], "output": []}}))
    assert isinstance(steps[-1].events[-1], Finished)
