import random

import pytest

from proxy.canonical.accumulate import fold
from proxy.canonical.events import (
    TERMINAL,
    BlockKind,
    Citation,
    Cited,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Progress,
    Signed,
    StopReason,
)
from proxy.canonical.usage import Usage
from proxy.vocabularies.messages.vocabulary import MESSAGES
from tests.vocabularies.messages.stage import CORPUS, SEAL, events, peer

REASONS = {
    "text": Finished(StopReason.END),
    "tools": Finished(StopReason.TOOL_CALLS),
    "max_tokens": Finished(StopReason.LENGTH),
    "window": Finished(StopReason.LENGTH),
    "stop_sequence": Finished(StopReason.STOP_SEQUENCE, ", three"),
    "refusal": Finished(StopReason.REFUSAL),
    "pause": Finished(StopReason.PAUSE),
    "no_message_stop": Finished(StopReason.END),
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_cut_of_the_bytes_means_the_same(name: str):
    whole = events(CORPUS[name])
    for size in (1, 2, 3, 7, 64, 1000):
        assert events(CORPUS[name], size) == whole
    assert events(CORPUS[name].replace(b"\n", b"\r\n"), 5) == whole


@pytest.mark.parametrize("name", CORPUS)
def test_every_truncation_ends_once(name: str):
    for length in range(0, len(CORPUS[name]), 11):
        told = events(CORPUS[name][:length] or b"\n")
        assert [type(event) in TERMINAL for event in told].count(True) == 1
        assert type(told[-1]) in TERMINAL


def test_corruption_never_raises_and_ends_once():
    rng = random.Random(20261121)
    for _ in range(200):
        wire = bytearray(rng.choice(list(CORPUS.values())))
        for _ in range(rng.randint(1, 12)):
            at = rng.randrange(len(wire))
            wire[at : at + rng.randint(0, 3)] = bytes(rng.randrange(256) for _ in range(rng.randint(0, 4)))
        told = events(bytes(wire), rng.choice((1, 13, 4096)))
        assert [type(event) in TERMINAL for event in told].count(True) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        b'{"type":"content_block_delta","index":99999999999999999999,"delta":{"type":"text_delta","text":"x"}}',
        b'{"type":"content_block_delta","index":0,"delta":null}',
        b'{"type":"content_block_delta","index":"0","delta":{"type":"text_delta","text":"x"}}',
        b'{"type":"content_block_start","index":0,"content_block":[]}',
        b'{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":1,"name":null,"input":3}}',
        b'{"type":"message_start","message":{"usage":{"input_tokens":"many","output_tokens":-1}}}',
        b'{"type":"message_delta","delta":{"stop_reason":7},"usage":[1]}',
        b'{"type":7}',
        b"[1,2",
    ],
)
def test_garbage_is_skipped_or_ends_the_stream(garbage: bytes):
    told = events(b"data: " + garbage + b"\n\n")
    assert isinstance(told[-1], Failed)


@pytest.mark.parametrize("name", REASONS)
def test_stop_reasons(name: str):
    assert events(CORPUS[name])[-1] == REASONS[name]


def test_text_arrives_whole():
    assert fold(events(CORPUS["text"])).text() == "Grüße, “world” 🌍!\n"


def test_the_signature_is_tagged_with_its_origin():
    block = fold(events(CORPUS["thinking"])).blocks[0]
    assert block.kind is BlockKind.REASONING
    assert block.text == "Let me see:\n27 * 453 = 12231"
    assert block.material is not None
    material = SEAL.open(block.material)
    assert material is not None
    assert (material.form, material.payload) == (
        "signature",
        "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds+/=",
    )


def test_s02_a_thinking_block_of_a_signature_only_is_kept():
    block = fold(events(CORPUS["signature_only"])).blocks[0]
    assert (block.kind, block.text) == (BlockKind.REASONING, "")
    assert block.material == SEAL.close("signature", "EqQBomitted==")


def test_redacted_thinking_is_reasoning_without_words():
    block = fold(events(CORPUS["redacted"])).blocks[0]
    assert block.material is not None
    assert SEAL.open(block.material) == (
        SEAL.origin,
        "redacted",
        "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8",
    )


def test_r11_parallel_calls_stay_apart_and_empty_input_is_an_object():
    calls = [block for block in fold(events(CORPUS["tools"])).blocks.values() if block.kind is BlockKind.TOOL_CALL]
    assert [(call.call_id, call.name, call.text) for call in calls] == [
        ("toolu_01T1x1fJ34qAmk2tNTrN7Up6", "get_weather", '{"city": "Oslo"}'),
        ("toolu_01Ax9", "get_time", '{"zone":"CET"}'),
        ("toolu_01Bz", "ping", "{}"),
    ]


def test_input_given_at_the_start_counts_unless_deltas_come():
    block = b'{"type":"tool_use","id":"t","name":"f","input":{"a":1}}'
    wire = (
        b'data: {"type":"content_block_start","index":0,"content_block":' + block + b"}\n\n"
        b'data: {"type":"content_block_stop","index":0}\n\ndata: {"type":"message_stop"}\n\n'
    )
    told = events(wire)
    assert fold(told).blocks[0].text == '{"a":1}'
    assert told[-1] == Finished(StopReason.TOOL_CALLS)


def test_a_server_tool_commits_and_tells_its_progress():
    told = events(CORPUS["web_search"])
    assert Opened(0, BlockKind.HOSTED, name="server_tool_use") in told
    assert [event for event in told if isinstance(event, Progress)] == [
        Progress("start", "web_search"),
        Progress("done", "web_search"),
    ]
    cited = Citation("https://example.org/shannon", "Claude Shannon", "Claude Shannon was born")
    assert Cited(2, cited) in told


def test_usage_adds_the_cache_up_and_keeps_what_later_frames_leave_out():
    assert fold(events(CORPUS["cache"])).usage == Usage(2052, 12, 1800, 248)
    assert fold(events(CORPUS["thinking"])).usage == Usage(25, 60, 0, 0, 41)


def test_r13_an_error_frame_is_a_failure_with_its_words():
    assert events(CORPUS["error"])[-1] == Failed(FaultKind.REPORTED, "Overloaded", type="overloaded_error")
    assert events(CORPUS["error_at_once"])[0] == Failed(
        FaultKind.REPORTED, "Number of requests has exceeded your rate limit", type="rate_limit_error"
    )
    assert events(CORPUS["truncated"])[-1] == Failed(FaultKind.TRUNCATED, "the stream closed before its end")


def test_an_unknown_event_is_foreign_and_harmless():
    wire = CORPUS["text"].replace(b"event: ping\ndata: ", b'event: hint\ndata: {"type":"hint"}\n\nevent: ping\ndata: ')
    assert Foreign("hint") in events(wire)
    assert events(wire)[-1] == Finished(StopReason.END)


def test_frames_without_event_lines_and_a_done_marker_are_understood():
    bare = b"\n".join(line for line in CORPUS["text"].split(b"\n") if not line.startswith(b"event:"))
    assert events(bare + b"data: [DONE]\n\n") == events(CORPUS["text"])


MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-upstream",
    "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "red=="},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": [1]}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 7},
}


def test_a_document_says_what_its_stream_would():
    told = MESSAGES.read_document(MESSAGE, peer())
    answer = fold(told)
    assert answer.text() == "Hello"
    assert answer.blocks[3].text == '{"a":[1]}'
    assert [event for event in told if isinstance(event, Signed)] == [
        Signed(0, SEAL.close("signature", "sig==")),
        Signed(1, SEAL.close("redacted", "red==")),
    ]
    assert answer.usage == Usage(15, 7, 10)
    assert told[-1] == Finished(StopReason.TOOL_CALLS)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "error", "error": {"type": "api_error", "message": "no"}}, FaultKind.REPORTED),
        ({"type": "message", "content": "text"}, FaultKind.MALFORMED),
        ({"type": "message", "content": [7]}, FaultKind.MALFORMED),
        ({"object": "chat.completion", "choices": []}, FaultKind.MALFORMED),
    ],
)
def test_a_document_that_is_none_fails(body: dict[str, object], kind: FaultKind):
    [failed] = MESSAGES.read_document(body, peer())
    assert isinstance(failed, Failed)
    assert failed.kind is kind
