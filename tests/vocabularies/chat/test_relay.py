"""Same vocabulary on both sides: every byte as it came, after undoing contract §4's list."""

import json

import pytest

from proxy.canonical.events import Failed
from proxy.conformance.lint import lint, lint_document
from proxy.errors import StreamBroken
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.decoder import SseDecoder
from tests.vocabularies.chat.stage import CORPUS, events, head, payloads, peer, steps

GOOD = [name for name in CORPUS if not isinstance(events(CORPUS[name])[-1], Failed)]
# Provider facts the checker objects to and the relay may not touch: streamed custom calls, the empty first chunk of
# azure with a time of its own, content as a list, a role in every chunk.
NOT_LINTED = ("openai-custom-tool", "azure-text", "mistral-thinking", "legacy-function-call")
OUR_ID = "chatcmpl-"


def relayed(name, *, usage=True, size=0, eager=False):
    encoder = CHAT.encoder(head(usage=usage))
    opening = encoder.opening() if eager else b""
    wire = CORPUS[name]
    decoder = SseDecoder(CHAT.reader(peer()))
    size = size or len(wire)
    out = [encoder.relay(decoder.feed(wire[at : at + size])) for at in range(0, len(wire), size)]
    return opening + b"".join(out) + encoder.relay(decoder.finish())


def _frames(stream):
    return [line[6:] for line in stream.decode().split("\n") if line.startswith("data: ")]


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("usage", [True, False])
def test_every_cut_relays_the_same(name, usage):
    whole = relayed(name, usage=usage)
    assert whole.endswith(b"data: [DONE]\n\n")
    for size in (1, 5, 100, 700):
        assert relayed(name, usage=usage, size=size) == whole


@pytest.mark.parametrize("eager", [True, False])
@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("name", [name for name in GOOD if name not in NOT_LINTED])
def test_relayed_streams_are_conformant(name, usage, eager):
    stream = relayed(name, usage=usage, eager=eager)
    assert lint(stream, "chat").violations == []
    said = payloads(stream)
    assert "segue" in said[-2]
    assert [bool(payload.get("usage")) for payload in said[:-1]].count(True) <= int(usage)
    assert {payload["model"] for payload in said[:-1]} == {"mine"}
    assert all(payload["id"].startswith(OUR_ID) for payload in said[:-1])


@pytest.mark.parametrize("name", ["openai-text", "openai-refusal", "openai-parallel-tools", "openai-two-choices"])
def test_bytes_are_unchanged_but_for_the_list(name):
    """The provider's chunks are all there, in order, each byte for byte once id, model and account are put back."""
    ours = head().request.model
    back = []
    for frame in _frames(relayed(name)):
        parsed = json.loads(frame) if frame != "[DONE]" else {}
        if "segue" in parsed:
            account = frame.index(',"segue":')
            frame = frame[:account] + "}"
        if parsed:
            frame = frame.replace(f'"id":"{parsed["id"]}"', '"id":"chatcmpl-Up1"', 1)
            frame = frame.replace(f'"model":"{ours}"', '"model":"gpt-up-2026"', 1)
        back.append(frame)
    assert back == _frames(CORPUS[name])


def test_usage_is_stripped_unless_asked_and_null_elsewhere():
    for name in ("usage-in-every-chunk", "deepseek-reasoning", "mistral-thinking", "openrouter-reasoning"):
        unasked, asked = payloads(relayed(name, usage=False)), payloads(relayed(name))
        assert all(not payload.get("usage") for payload in unasked[:-1])
        assert all(payload["choices"] for payload in unasked[:-1])
        *before, last = asked[:-1]
        assert all(not payload.get("usage") for payload in before)
        assert last["choices"] == []
        assert last["usage"]["total_tokens"] > 0
    assert payloads(relayed("openrouter-reasoning"))[-2]["usage"]["cost"] == 0.001


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("ollama-tools-all-index-0", [0, 1]),
        ("tools-no-index-no-id", [0, 1, 2]),
        ("tools-name-repeated", [0, 0, 1]),
        ("tools-fresh-id-each-chunk", [0, 0, 0]),
    ],
)
def test_tool_calls_are_numbered_by_us_R11(name, indexes):
    stream = relayed(name)
    fragments = [
        fragment
        for payload in payloads(stream)[:-1]
        for choice in payload["choices"]
        for fragment in choice["delta"].get("tool_calls") or ()
    ]
    assert [fragment["index"] for fragment in fragments] == indexes
    seen = set()
    for fragment in fragments:
        is_first = fragment["index"] not in seen
        seen.add(fragment["index"])
        assert ("id" in fragment) == is_first
        assert isinstance(fragment["function"].get("arguments", ""), str)


def test_origin_tags_replace_opaque_reasoning():
    stream = relayed("openrouter-reasoning")
    assert b"c2lnbmF0dXJl" not in stream.replace(b'\\"c2lnbmF0dXJl\\"', b"")
    found = [
        entry.get("signature") or entry.get("data")
        for payload in payloads(stream)[:-1]
        for choice in payload["choices"]
        for entry in choice["delta"].get("reasoning_details", ())
    ]
    assert [text.startswith("sg1.") for text in found if text] == [True, True]


def test_a_provider_without_roles_or_done_gets_both():
    stream = relayed("no-role-no-done")
    first, *_, last = payloads(stream)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert last == "[DONE]"


def test_keys_in_another_order_and_spaced_are_found():
    stream = relayed("azure-text")
    assert {payload["model"] for payload in payloads(stream)[:-1]} == {"mine"}
    assert b"gpt-az" not in stream
    spaced = relayed("usage-in-every-chunk")
    assert b'"model": "mine"' in spaced
    assert b"gpt-up" not in spaced


def test_text_that_looks_like_the_identity_stays():
    said = '"id":"chatcmpl-Up1","model":"gpt-up-2026"'
    wire = CORPUS["openai-text"].replace(b'"content":"\\n"', b'"content":%b' % json.dumps(said).encode())
    encoder = CHAT.encoder(head())
    assert said in [
        choice["delta"].get("content") for p in payloads(encoder.relay(steps(wire)))[:-1] for choice in p["choices"]
    ]


@pytest.mark.parametrize("name", ["truncated", "openrouter-error", "openrouter-error-in-choice"])
def test_failures_are_ours_to_tell(name):
    encoder = CHAT.encoder(head())
    stream = encoder.relay(steps(CORPUS[name])) + encoder.fail(StreamBroken("It broke."))
    assert lint(stream, "chat").violations == []
    assert [payload["error"]["message"] for payload in payloads(stream) if "error" in payload] == ["It broke."]
    assert b"[DONE]" not in stream


def test_multi_line_payloads_stay_one_frame():
    wire = b'data: {"id":"u","model":"m","choices":[{"index":0,\ndata: "delta":{"role":"assistant","content":"a"},'
    wire += b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    stream = CHAT.encoder(head()).relay(steps(wire))
    assert [event.text for event in events(stream) if hasattr(event, "text")] == ["a"]


def test_documents_keep_their_members():
    body = {
        "id": "up",
        "object": "chat.completion",
        "created": 7,
        "model": "up-model",
        "provider": "somebody",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "reasoning": "hm",
                    "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3A", "index": 0}],
                    "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
                        {"id": "t2", "type": "function", "function": {"name": "add", "arguments": "{}"}},
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost": 4},
    }
    said = CHAT.read_document(body, peer())
    answered = CHAT.encoder(head()).relay_document(body, said)
    assert lint_document(answered, "chat") == []
    message = answered["choices"][0]["message"]
    assert message["reasoning_details"][0]["data"].startswith("sg1.")
    assert len({call["id"] for call in message["tool_calls"]}) == 2
    assert (answered["provider"], answered["usage"], answered["created"]) == ("somebody", body["usage"], 7)
    assert body["choices"][0]["message"]["tool_calls"][0]["id"] == "t1"
