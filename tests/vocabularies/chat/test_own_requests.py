"""Requests from clients of this vocabulary: passed on with few patches."""

from proxy.canonical.account import Warning
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.quirks import Quirks
from tests.vocabularies.chat.stage import peer

USER = {"role": "user", "content": "hi"}


def read(**members):
    return CHAT.read_request({"model": "m", "messages": [USER], **members})


def written(request, quirks=None, **of_peer):
    return CHAT.write_request(request, peer(quirks or Quirks(), **of_peer))


def test_own_requests_pass_with_few_patches():
    request = read(
        frobnicate=1, stream=True, stream_options={"include_obfuscation": False}, max_tokens=3, segue={"x": 1}
    )
    body, warnings = written(request)
    assert body == {
        "model": "up-model",
        "messages": [USER],
        "frobnicate": 1,
        "stream": True,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
        "max_completion_tokens": 3,
    }
    assert warnings == []
    assert body["messages"] is request.body["messages"]
    assert request.body["model"] == "m"


def test_effort_stays_within_what_the_model_takes():
    quirks = Quirks(efforts=("low", "medium", "high"))
    body, warnings = written(read(reasoning_effort="none"), quirks)
    assert body["reasoning_effort"] == "low"
    assert warnings == [Warning("reasoning_effort", "changed")]
    assert written(read(reasoning_effort="high"), quirks)[1] == []
    assert written(read(reasoning_effort="max"))[0]["reasoning_effort"] == "max"


def test_own_requests_follow_the_quirks():
    call = {"id": "call_" + "a" * 24, "type": "function", "function": {"name": "f", "arguments": "{}"}}
    quirks = Quirks(
        drop_parameters=frozenset({"seed", "max_tool_calls"}),
        call_id_length=9,
        call_id_alphabet="abc123",
        stream_usage="always",
        max_tokens_parameter="max_tokens",
        system_role="system",
        accepts_strict_tools=False,
        structured_output="json_object",
        required_tool_choice="any",
        temperature_maximum=1.0,
        stop_maximum=1,
    )
    request = CHAT.read_request(
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "d"},
                {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "r"},
                {"role": "tool", "tool_call_id": call["id"], "content": "x"},
            ],
            "stream": True,
            "seed": 1,
            "max_completion_tokens": 9,
            "temperature": 1.7,
            "stop": ["a", "b"],
            "tool_choice": "required",
            "tools": [{"type": "function", "function": {"name": "f", "strict": True}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        }
    )
    body, warnings = written(request, quirks)
    instruction, system, assistant, tool = body["messages"]
    assert '{"type":"object"}' in instruction["content"]
    assert system["role"] == "system"
    assert "reasoning_content" not in assistant
    assert assistant["tool_calls"][0]["id"] == tool["tool_call_id"]
    assert len(tool["tool_call_id"]) == 9
    assert body["max_tokens"] == 9
    assert body["tool_choice"] == "any"
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert body["response_format"] == {"type": "json_object"}
    assert (body["temperature"], body["stop"]) == (1.0, ["a"])
    assert "stream_options" not in body
    assert {(warning.param, warning.action) for warning in warnings} == {
        ("seed", "dropped"),
        ("temperature", "changed"),
        ("stop", "changed"),
        ("tools[0].function.strict", "dropped"),
        ("response_format", "changed"),
    }


def _history(*details, text="deep"):
    message = {"role": "assistant", "content": "x", "reasoning_content": text, "reasoning_details": list(details)}
    return CHAT.read_request({"model": "m", "messages": [message, USER]})


def test_opaque_reasoning_returns_to_its_origin_only_S04_S05():
    quirks = Quirks(accepts_reasoning_history=True, reasoning_field="reasoning")
    payload = '{"type":"reasoning.text","signature":"c2ln","format":"f","index":0}'
    tagged = peer().seal.close("detail", payload)
    for entry in (
        {"type": "reasoning.encrypted", "data": tagged, "index": 0, "start": 0, "end": 4},
        {"type": "reasoning.text", "text": "deep", "signature": tagged},
    ):
        request = _history(entry)
        [message, _] = written(request, quirks).body["messages"]
        assert message["reasoning"] == "deep"
        assert message["reasoning_details"] == [
            {"type": "reasoning.text", "signature": "c2ln", "format": "f", "index": 0, "text": "deep"}
        ]
        [message, _] = written(request, quirks, origin="elsewhere").body["messages"]
        assert "reasoning_details" not in message
        [message, _] = written(request).body["messages"]
        assert message == {"role": "assistant", "content": "x"}
    forged = {"type": "reasoning.encrypted", "data": tagged[:-1] + "x"}
    assert "reasoning_details" not in written(_history(forged), quirks).body["messages"][0]
    untagged = {"type": "reasoning.encrypted", "data": "raw", "index": 0}
    assert written(_history(untagged), quirks).body["messages"][0]["reasoning_details"] == [untagged]
    assert "reasoning_details" not in written(_history(untagged), quirks, takes_untagged=False).body["messages"][0]
