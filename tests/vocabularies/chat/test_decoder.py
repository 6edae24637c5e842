"""The reader: every provider's way of saying it means the same."""

import json
import random

import msgspec
import pytest

from proxy.canonical.events import (
    TERMINAL,
    BlockKind,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Skipped,
    StopReason,
)
from proxy.canonical.usage import Usage
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.codec import UpstreamError
from proxy.wire.decoder import SseDecoder
from proxy.wire.quirks import Quirks
from tests.vocabularies.chat.stage import CORPUS, answer, events, merged, peer

FAILING = {
    "openrouter-error": (FaultKind.REPORTED, 502),
    "openrouter-error-in-choice": (FaultKind.REPORTED, 429),
    "choices-empty-with-error": (FaultKind.REPORTED, 429),
    "truncated": (FaultKind.TRUNCATED, None),
}
REASONS = {
    "openai-length": StopReason.LENGTH,
    "openai-parallel-tools": StopReason.TOOL_CALLS,
    "openai-custom-tool": StopReason.TOOL_CALLS,
    "ollama-tools-all-index-0": StopReason.TOOL_CALLS,
    "tools-no-index-no-id": StopReason.TOOL_CALLS,
    "tools-name-repeated": StopReason.TOOL_CALLS,
    "tools-fresh-id-each-chunk": StopReason.TOOL_CALLS,
    "legacy-function-call": StopReason.TOOL_CALLS,
}
CALLS = {
    "openai-parallel-tools": [("get_weather", '{"city":"Bonn"}'), ("get_time", "{}")],
    "openai-custom-tool": [("run_sql", "select 1")],
    "ollama-tools-all-index-0": [("add", '{"a":1}'), ("add", '{"b":2}')],
    "tools-no-index-no-id": [("add", '{"a":1}'), ("mul", '{"b":2}'), ("add", '{"a":3}')],
    "tools-name-repeated": [("add", '{"a":1}'), ("add", "{}")],
    "tools-fresh-id-each-chunk": [("add", '{"a":1}')],
    "legacy-function-call": [("add", '{"a":1}')],
}


@pytest.mark.parametrize("name", CORPUS)
def test_every_stream_ends_once_and_keeps_the_grammar(name):
    said = events(CORPUS[name])
    assert [type(event) in TERMINAL for event in said].count(True) == 1
    assert isinstance(said[-1], TERMINAL)
    assert not any(isinstance(event, Skipped) for event in said)
    if name in FAILING:
        assert isinstance(said[-1], Failed)
        assert (said[-1].kind, said[-1].status) == FAILING[name]
    else:
        assert said[-1] == Finished(REASONS.get(name, StopReason.END))


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", CORPUS)
def test_every_cut_says_the_same(name, newline):
    wire = CORPUS[name].replace(b"\n", newline)
    whole = events(wire)
    for size in (1, 2, 3, 7, 64, 1000):
        assert events(wire, size=size) == whole
    for cut in range(0, len(wire), 5):
        decoder = SseDecoder(CHAT.reader(peer()))
        halves = decoder.feed(wire[:cut]) + decoder.feed(wire[cut:]) + decoder.finish()
        assert [event for step in halves for event in step.events] == whole


@pytest.mark.parametrize("name", CORPUS)
def test_every_truncation_ends_once(name):
    wire = CORPUS[name]
    for cut in range(0, len(wire), 11):
        said = events(wire[:cut])
        assert [type(event) in TERMINAL for event in said].count(True) == 1


def test_corruption_never_raises_and_ends_once():
    chance = random.Random(7)
    for _ in range(400):
        wire = bytearray(CORPUS[chance.choice(list(CORPUS))])
        for _ in range(chance.randint(1, 6)):
            wire[chance.randrange(len(wire))] = chance.randrange(256)
        said = events(bytes(wire))
        assert [type(event) in TERMINAL for event in said].count(True) == 1
        assert isinstance(said[-1], TERMINAL)


GARBAGE = (None, 7, -1, 10**30, 1.5, "x", "", True, [], {}, [None], [[]], {"a": None}, [{"index": 10**30}], "\\ud800")


def _places(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        yield from _places(member, (*path, key))


def _replaced(value, path, garbage):
    if not path:
        return garbage
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], garbage)
    return copy


@pytest.mark.parametrize("name", ["openai-parallel-tools", "openrouter-reasoning", "openai-citations", "openai-text"])
def test_wrong_values_anywhere_never_raise(name):
    frames = [line[6:] for line in CORPUS[name].decode().split("\n") if line.startswith("data: {")]
    for frame in frames:
        parsed = json.loads(frame)
        for path in _places(parsed):
            for garbage in GARBAGE:
                wire = f"data: {json.dumps(_replaced(parsed, path, garbage))}\n\n".encode()
                said = events(wire + b"data: [DONE]\n\n")
                assert isinstance(said[-1], TERMINAL)
                if isinstance(body := _replaced(parsed, path, garbage), dict):
                    assert isinstance(CHAT.read_document(body, peer())[-1], TERMINAL)


@pytest.mark.parametrize("name", CALLS)
def test_tool_calls_R11(name):
    blocks = answer(name).blocks.values()
    calls = [block for block in blocks if block.kind in (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)]
    assert [(call.name, call.text) for call in calls] == CALLS[name]
    assert all(call.call_id for call in calls)
    assert len({call.call_id for call in calls}) == len(calls)


def test_whole_calls_under_one_id_keep_apart_by_index():
    fragments = [{"index": i, "id": "add", "function": {"name": "add", "arguments": "{}"}} for i in (0, 1)]
    wire = b'data: %b\n\ndata: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    said = events(wire % msgspec.json.encode({"choices": [{"delta": {"tool_calls": fragments}}]}))
    assert said[-1] == Finished(StopReason.TOOL_CALLS)
    assert sum(type(event).__name__ == "Opened" for event in said) == 2


def test_text_of_every_kind():
    assert answer("openai-text").text() == 'Grüße, "wörld" \U0001f30d\n'
    assert answer("openai-refusal").text(BlockKind.REFUSAL) == "I cannot."
    assert answer("deepseek-reasoning").text(BlockKind.REASONING) == "Let me think"
    assert answer("deepseek-reasoning").text() == "42"
    assert answer("mistral-thinking").text(BlockKind.REASONING) == "Well"
    assert answer("mistral-thinking").text() == "Done"
    assert answer("openai-two-choices").text(choice=1) == "two!"


def test_think_tags_stay_text():
    wire = b'data: {"choices":[{"delta":{"content":"<think>x</think>y"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    assert merged(events(wire))[2].text == "<think>x</think>y"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "thoughts"])
def test_reasoning_under_the_quirks_name(field):
    wire = b'data: {"choices":[{"delta":{"%b":"deep"}}]}\n\ndata: [DONE]\n\n' % field.encode()
    said = merged(events(wire, Quirks(reasoning_field=field)))
    assert (said[1].kind, said[2].text) == (BlockKind.REASONING, "deep")


def test_reasoning_material_is_sealed_one_per_block_S01_S02():
    thoughts = [block for block in answer("openrouter-reasoning").blocks.values() if block.kind is BlockKind.REASONING]
    assert [block.text for block in thoughts] == ["Hmm", ""]
    seal = peer().seal
    materials = [seal.open(block.material) for block in thoughts]
    assert [json.loads(material.payload) for material in materials] == [
        {"type": "reasoning.text", "signature": "c2lnbmF0dXJl", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
    ]
    assert peer(origin="elsewhere").seal.open(thoughts[0].material) is None


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("openai-text", Usage(12, 5, 4, None, 2, 17)),
        ("deepseek-reasoning", Usage(9, 7, 3, None, None, 16)),
        ("openrouter-reasoning", Usage(12, 5, 4, 6, 2, 17)),
        ("usage-in-every-chunk", Usage(3, 2, None, None, None, 5)),
        ("mistral-thinking", Usage(3, 2, None, None, None, 5)),
        ("openai-length", Usage()),
    ],
)
def test_usage(name, usage):
    assert answer(name).usage == usage


def test_usage_elsewhere():
    assert answer("groq-usage-elsewhere").usage == Usage()
    found = answer("groq-usage-elsewhere", Quirks(usage_path=("x_groq", "usage"))).usage
    assert found == Usage(3, 2, total_tokens=5)


def test_reasoning_outside_the_completion_count_belongs_to_the_output():
    body = {"choices": [{"message": {"content": "a"}}]}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}
    said = CHAT.read_document(body | {"usage": usage | {"completion_tokens_details": {"reasoning_tokens": 30}}}, peer())
    assert [event.usage for event in said if hasattr(event, "final")] == [Usage(10, 35, None, None, 30, 45)]


def test_citations():
    [cited] = next(iter(answer("openai-citations").blocks.values())).citations
    assert (cited.url, cited.title, cited.start, cited.end) == ("https://example.com/a", "A", 0, 13)
    [source] = next(iter(answer("perplexity-sources").blocks.values())).citations
    assert (source.url, source.title) == ("https://a.example", "A")
    assert answer("perplexity-sources").text() == "Sky blue"


def test_error_frames_are_read_before_anything_else_R13():
    [failed] = events(CORPUS["choices-empty-with-error"])
    assert (failed.message, failed.code, failed.status) == ("Rate limit", "429", 429)
    assert events(CORPUS["openrouter-error"])[-1].message == "Provider disconnected: upstream said 42"


def test_chunks_without_choices_are_no_answer_R12():
    assert events(b'data: {"id":"x","choices":[]}\n\ndata: [DONE]\n\n')[-1].kind is FaultKind.EMPTY


def test_unknown_frames_are_foreign():
    assert Foreign("heartbeat") in events(b'event: heartbeat\ndata: {"a":1}\n\n' + CORPUS["openai-text"])


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "no", "code": 503}}, FaultKind.REPORTED),
        ({"object": "error", "message": "no"}, FaultKind.REPORTED),
        ({"hello": 1}, FaultKind.MALFORMED),
        ({"choices": [{"index": "zero"}]}, FaultKind.MALFORMED),
        (
            {"choices": [{"message": {"content": "a"}, "error": {"code": 500}, "finish_reason": "error"}]},
            FaultKind.REPORTED,
        ),
    ],
)
def test_documents_that_are_no_answer(body, kind):
    assert CHAT.read_document(body, peer())[-1].kind is kind


def test_error_bodies():
    told = {"error": {"message": "m", "type": "t", "code": 429, "param": "p"}}
    assert CHAT.read_error(told) == UpstreamError("m", "429", "t", "p", 429)
    assert CHAT.read_error({"error": "plain"}).message == "plain"
    assert CHAT.read_error({"detail": "not found"}).message == "not found"
    assert not CHAT.read_error({"choices": []})
