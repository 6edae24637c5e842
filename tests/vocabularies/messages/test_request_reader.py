from typing import Any

import pytest

from proxy.canonical.request import (
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.errors import InvalidRequest
from proxy.vocabularies.messages.vocabulary import MESSAGES
from tests.vocabularies.messages.stage import body

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBOR"}
CACHE = {"type": "ephemeral"}


def content(*blocks: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return body(messages=[{"role": role, "content": list(blocks)}])


def test_a_whole_conversation():
    request = MESSAGES.read_request(
        body(
            system=[{"type": "text", "text": "Be brief.", "cache_control": CACHE}],
            messages=[
                {"role": "user", "content": "Weather?"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
                        {"type": "redacted_thinking", "data": "red"},
                        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "And?"},
                        {
                            "type": "tool_result",
                            "tool_use_id": "call_1",
                            "is_error": True,
                            "content": [{"type": "image", "source": PNG}],
                        },
                    ],
                },
            ],
            stream=True,
        )
    )
    assert request.turns == (
        Turn("system", (Text("Be brief.", CACHE),)),
        Turn("user", (Text("Weather?"),)),
        Turn(
            "assistant",
            (Thinking("Hm.", "sig"), Thinking("", "red", redacted=True), ToolCall("call_1", "f", '{"a":1}')),
        ),
        Turn("tool", (ToolResult("call_1", (Image(media_type="image/png", content="iVBOR"),), failed=True),)),
        Turn("user", (Text("And?"),)),
    )
    assert request.stream
    assert (request.model, request.parameters) == ("route", {"max_output_tokens": 4096})


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
            Image("https://a.example/x.png"),
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, Image(file_id="file_1")),
        (
            {"type": "document", "title": "T", "source": {**PNG, "media_type": "application/pdf"}},
            Document(media_type="application/pdf", content="iVBOR", name="T"),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            Document(media_type="text/plain", text="x"),
        ),
        (
            {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}]},
            Document(media_type="text/plain", text="T (S)\nx", name="T"),
        ),
    ],
)
def test_files(block: dict[str, Any], part: object):
    assert MESSAGES.read_request(content(block)).turns[0].parts == (part,)


@pytest.mark.parametrize("kind", ["tool_reference", "code_execution_tool_result", "something_of_2027"])
def test_r09_an_unknown_block_is_carried_not_refused(kind: str):
    block = {"type": kind, "anything": {"at": "all"}}
    assert MESSAGES.read_request(content(block)).turns[0].parts == (OpaquePart("messages", kind, block),)


def test_an_unknown_source_is_carried_too():
    block = {"type": "image", "source": {"type": "hologram"}}
    assert MESSAGES.read_request(content(block)).turns[0].parts == (OpaquePart("messages", "image", block),)


def test_tools_by_their_three_classes():
    schema = {"type": "object"}
    function = {"name": "f", "input_schema": schema, "description": "d", "strict": True, "cache_control": CACHE}
    search, shell = {"type": "web_search_20260318", "name": "web_search"}, {"type": "bash_20250124", "name": "bash"}
    request = MESSAGES.read_request(body(tools=[function, {**function, "type": "custom"}, search, shell]))
    plain = Tool("f", "d", schema, True, cache=CACHE)
    assert request.tools == (
        plain,
        plain,
        OpaqueTool("messages", "web_search_20260318", search, droppable=True),
        OpaqueTool("messages", "bash_20250124", shell),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "tool", "name": "f"}, ToolChoice("tool", name="f")),
        ({"type": "oracle"}, ToolChoice("opaque", type="oracle")),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: ToolChoice):
    request = MESSAGES.read_request(body(tool_choice={**choice, "disable_parallel_tool_use": True}))
    assert request.tool_choice == expected
    assert request.parameters["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(budget=2048)),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, Reasoning(adaptive=True, summary="auto")),
        ({"thinking": {"type": "disabled"}}, Reasoning(disabled=True)),
        ({"thinking": {"type": "between_tools"}}, Reasoning(disabled=True)),
        ({"output_config": {"effort": "xhigh"}}, Reasoning(effort="xhigh")),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            Reasoning(effort="low", adaptive=True),
        ),
        ({}, None),
    ],
)
def test_reasoning(members: dict[str, Any], expected: Reasoning | None):
    assert MESSAGES.read_request(body(**members)).reasoning == expected


def test_settings_under_their_canonical_names():
    request = MESSAGES.read_request(
        body(
            temperature=0.3, top_p=0.9, top_k=5, stop_sequences=["x"], metadata={"user_id": "u"},
            service_tier="standard_only", speed="fast", inference_geo=None,
            output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}, "task_budget": {}},
        )
    )  # fmt: skip
    assert request.parameters == {
        "max_output_tokens": 4096, "temperature": 0.3, "top_p": 0.9, "top_k": 5, "stop": ["x"],
        "safety_identifier": "u", "service_tier": "default",
    }  # fmt: skip
    assert request.output == OutputFormat("json_schema", schema={"type": "object"}, strict=True)
    assert request.unknown == ("speed", "output_config.task_budget")


def test_a_long_user_id_is_named_by_its_hash():
    [short] = {len(MESSAGES.read_request(body(metadata={"user_id": "u" * 200})).parameters["safety_identifier"])}
    assert short == 64


@pytest.mark.parametrize(
    ("broken", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": 7}}]}]},
            "messages[0].content[0].source.url",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": "x"}]}
                ]
            },
            "messages[0].content[0].input",
        ),
        ({"system": [{"type": "text"}]}, "system[0].text"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled", "budget_tokens": 12}}, "thinking.budget_tokens"),
        ({"stop_sequences": [1]}, "stop_sequences"),
        ({"temperature": 3}, "temperature"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(broken: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as refused:
        MESSAGES.read_request(body(**broken))
    assert refused.value.param == param
