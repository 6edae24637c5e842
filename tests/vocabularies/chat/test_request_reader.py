"""What is read of a request, and which field a complaint names."""

import pytest

from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from proxy.errors import InvalidRequest, InvalidType, MissingParameter
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.parameters import NAMES

USER = {"role": "user", "content": "hi"}
PNG = "data:image/png;base64,iVBORw0KGgo="


def read(**members):
    return CHAT.read_request({"model": "m", "messages": [USER], **members})


def said(*messages):
    return CHAT.read_request({"model": "m", "messages": list(messages)}).turns


def test_every_part_of_a_message_is_read():
    [turn] = said(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://e.example/a.png"}},
                {"type": "input_audio", "input_audio": {"format": "wav", "data": "UklG"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
                {"type": "video_url", "video_url": {"url": "x"}},
            ],
        }
    )
    assert turn.parts == (
        Text("look", {"type": "ephemeral"}),
        Image(media_type="image/png", content="iVBORw0KGgo=", detail="low"),
        Image(url="https://e.example/a.png"),
        Audio("wav", "UklG"),
        Document(media_type="application/pdf", content="JVBE", name="a.pdf"),
        OpaquePart("chat", "video_url", {"type": "video_url", "video_url": {"url": "x"}}),
    )


def test_a_conversation_with_tools_is_read():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    turns = said(
        {"role": "developer", "content": "be brief"},
        USER,
        {"role": "assistant", "content": None, "refusal": "no", "tool_calls": [call, custom]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "2"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "1"},
    )
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "tool", "tool"]
    assert turns[2].parts == (
        Refusal("no"),
        ToolCall("c1", "add", '{"a":1}'),
        ToolCall("c2", "sql", "select 1", custom=True),
    )
    assert turns[3].parts == (ToolResult("c1", (Text("2"),)),)


def test_legacy_functions_are_read_as_tools():
    request = CHAT.read_request(
        {
            "model": "m",
            "functions": [{"name": "add", "parameters": {"type": "object"}}],
            "function_call": {"name": "add"},
            "messages": [
                {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}},
                {"role": "function", "name": "add", "content": "3"},
            ],
        }
    )
    [call], [result] = (turn.parts for turn in request.turns)
    assert call.id == result.call_id
    assert request.tools == (Tool("add", parameters={"type": "object"}),)
    assert request.tool_choice == ToolChoice("tool", name="add")


def test_settings_are_read_under_canonical_names():
    request = read(
        max_tokens=5,
        max_completion_tokens=6,
        stop="x",
        temperature=0.5,
        n=2,
        logprobs=True,
        reasoning_effort="high",
        verbosity="low",
        user="u",
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        stream=True,
        frobnicate=1,
    )
    assert request.parameters == {
        "max_output_tokens": 6,
        "stop": ["x"],
        "temperature": 0.5,
        "n": 2,
        "logprobs": True,
        "verbosity": "low",
        "user": "u",
    }
    assert request.parameters.keys() <= NAMES
    assert request.reasoning == Reasoning(effort="high")
    assert request.output == OutputFormat("json_schema", "s", {"type": "object"})
    assert request.unknown == ("frobnicate",)
    assert (request.stream, request.stream_usage) == (True, False)
    assert read(stream_options={"include_usage": True}).stream_usage


@pytest.mark.parametrize(
    ("choice", "read_as"),
    [
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", name="f")),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("tool", name="f")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ToolChoice("allowed", names=("f",), required=True),
        ),
        ({"type": "web_search"}, ToolChoice("opaque", type="web_search")),
    ],
)
def test_tool_choices(choice, read_as):
    assert read(tool_choice=choice).tool_choice == read_as


def test_tools_of_unknown_types_are_kept():
    search = {"type": "web_search_preview"}
    assert read(tools=[search]).tools == (OpaqueTool("chat", "web_search_preview", search, droppable=True),)
    chosen = read(tools=[search], tool_choice={"type": "web_search_preview"})
    assert chosen.tools[0].droppable is False
    assert read(tools=[{"type": "browser"}]).tools[0].droppable is False


def test_custom_tools_have_a_flat_grammar():
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}}
    [tool] = read(tools=[{"type": "custom", "custom": {"name": "q", "format": grammar}}]).tools
    assert tool == Tool("q", custom=True, format={"type": "grammar", "syntax": "lark", "definition": "start: A"})


@pytest.mark.parametrize(
    ("members", "error", "param"),
    [
        ({"model": None}, MissingParameter, "model"),
        ({"model": 5}, InvalidType, "model"),
        ({"messages": None}, MissingParameter, "messages"),
        ({"messages": []}, InvalidRequest, "messages"),
        ({"messages": ["hi"]}, InvalidType, "messages[0]"),
        ({"messages": [{"role": "king", "content": "x"}]}, InvalidRequest, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, MissingParameter, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, InvalidType, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, InvalidType, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            MissingParameter,
            "messages[0].content[0].text",
        ),
        (
            {"messages": [USER, USER, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            InvalidRequest,
            "messages[2].content[0].image_url.url",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, MissingParameter, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]}]},
            MissingParameter,
            "messages[0].tool_calls[0].function.name",
        ),
        ({"temperature": 3}, InvalidRequest, "temperature"),
        ({"temperature": "hot"}, InvalidType, "temperature"),
        ({"n": 0}, InvalidRequest, "n"),
        ({"max_tokens": 1.5}, InvalidType, "max_tokens"),
        ({"stop": ["a", 1]}, InvalidType, "stop[1]"),
        ({"tools": [{"type": "function"}]}, MissingParameter, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, MissingParameter, "tools[0].function.name"),
        ({"tool_choice": "sometimes"}, InvalidRequest, "tool_choice"),
        ({"response_format": {"type": "xml"}}, InvalidRequest, "response_format.type"),
        ({"reasoning_effort": "huge"}, InvalidRequest, "reasoning_effort"),
        ({"stream": "yes"}, InvalidType, "stream"),
    ],
)
def test_complaints_name_the_field(members, error, param):
    with pytest.raises(error) as raised:
        CHAT.read_request({"model": "m", "messages": [USER]} | members)
    assert raised.value.param == param


def test_reasoning_in_the_history_finds_its_material_again():
    [turn] = said(
        {
            "role": "assistant",
            "content": "x",
            "reasoning_content": "onetwo",
            "reasoning_details": [
                {"type": "reasoning.encrypted", "data": "sg1.a", "index": 0, "start": 0, "end": 3},
                {"type": "reasoning.encrypted", "data": "sg1.b", "index": 1, "start": 3, "end": 3},
                {"type": "reasoning.encrypted", "data": "sg1.c", "index": 2, "start": 3, "end": 6},
            ],
        }
    )
    assert turn.parts[:3] == (Thinking("one", "sg1.a"), Thinking("", "sg1.b"), Thinking("two", "sg1.c"))
    [plain] = said({"role": "assistant", "content": "x", "reasoning": "hm"})
    assert plain.parts[0] == Thinking("hm")
