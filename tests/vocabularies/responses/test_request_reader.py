"""A client's request in canonical words, and every complaint naming its field."""

from typing import Any

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
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.errors import InvalidRequest, InvalidType, MissingParameter, UnsupportedParameter
from proxy.vocabularies.responses.vocabulary import RESPONSES


def read(**body: Any) -> Request:
    return RESPONSES.read_request({"model": "smart", "input": "hi", **body})


def message(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


def part_of(part: dict[str, Any]) -> Any:
    return read(input=[message(part)]).turns[0].parts[0]


def test_a_string_is_a_user_turn():
    request = read()
    assert request.turns == (Turn("user", (Text("hi"),)),)
    assert (request.vocabulary, request.model, request.stream, request.unknown) == ("responses", "smart", False, ())


def test_instructions_come_first():
    assert read(instructions="Be brief.").turns[0] == Turn("system", (Text("Be brief."),))


def test_a_conversation_becomes_turns():
    request = read(
        input=[
            {"role": "developer", "content": "Be brief."},
            message({"type": "input_text", "text": "Weather?"}),
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "hm"}],
                "encrypted_content": "E",
            },
            message({"type": "output_text", "text": "Looking.", "annotations": []}, role="assistant"),
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "***"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
            {"type": "message", "status": "incomplete", "role": "assistant", "content": []},
            message({"type": "refusal", "refusal": "no"}, role="assistant"),
        ]
    )
    assert request.turns == (
        Turn("system", (Text("Be brief."),)),
        Turn("user", (Text("Weather?"),)),
        Turn(
            "assistant",
            (
                Thinking("hm", "E"),
                Text("Looking."),
                ToolCall("c1", "look", "{}"),
                ToolCall("c2", "patch", "***", custom=True),
            ),
        ),
        Turn("tool", (ToolResult("c1", (Text("rain"),)), ToolResult("c2", (Text("ok"),), custom=True))),
        Turn("assistant", (Refusal("no"),)),
    )


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"},
            Image(media_type="image/png", content="iVBO", detail="low"),
        ),
        ({"type": "input_image", "image_url": "https://a.example/b.png"}, Image(url="https://a.example/b.png")),
        ({"type": "input_image", "file_id": "file-1"}, Image(file_id="file-1")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            Document(media_type="application/pdf", content="JVBE", name="a.pdf"),
        ),
        ({"type": "input_file", "file_url": "https://a.example/a.pdf"}, Document(url="https://a.example/a.pdf")),
        ({"type": "input_file", "file_id": "file-2"}, Document(file_id="file-2")),
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": "UklG"}}, Audio("wav", "UklG")),
        (
            {"type": "input_hologram", "x": 1},
            OpaquePart("responses", "input_hologram", {"type": "input_hologram", "x": 1}),
        ),
    ],
)
def test_content_parts(part: dict[str, Any], expected: object):
    assert part_of(part) == expected


def test_r09_unknown_items_pass_through_opaque():
    search = {"type": "tool_search_call", "arguments": {"q": "x"}}
    found = {"type": "tool_search_output", "tools": []}
    turns = read(input=[search, found, {"role": "user", "content": "go"}]).turns
    assert turns[0] == Turn("assistant", (OpaquePart("responses", "tool_search_call", search),))
    assert turns[1] == Turn("tool", (OpaquePart("responses", "tool_search_output", found),))


def test_compaction_is_bound_to_its_material():
    item = {"type": "compaction", "encrypted_content": "sg1.x"}
    part = read(input=[item]).turns[0].parts[0]
    assert part == OpaquePart("responses", "compaction", item, droppable=False, material="sg1.x")


def test_tools_and_what_may_be_left_out():
    tools = [
        {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": True},
        {"type": "custom", "name": "patch", "format": {"type": "text"}},
        {"type": "namespace", "name": "agents", "tools": []},
        {"type": "web_search", "external_web_access": True},
        {"type": "mcp", "server_label": "x"},
    ]
    read_tools = read(tools=tools).tools
    assert read_tools[:2] == (
        Tool("look", "d", {"type": "object"}, strict=True),
        Tool("patch", custom=True, format={"type": "text"}),
    )
    assert [tool.droppable for tool in read_tools if isinstance(tool, OpaqueTool)] == [True, True, False]
    chosen = read(tools=tools, tool_choice={"type": "web_search"}).tools[3]
    assert isinstance(chosen, OpaqueTool)
    assert not chosen.droppable


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", name="f")),
        ({"type": "custom", "name": "c"}, ToolChoice("tool", name="c")),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("allowed", names=("f",), required=True),
        ),
        ({"type": "file_search"}, ToolChoice("opaque", type="file_search")),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "x"}]},
            ToolChoice("opaque", type="allowed_tools"),
        ),
    ],
)
def test_tool_choice(given: Any, expected: ToolChoice):
    assert read(tool_choice=given).tool_choice == expected


def test_format_reasoning_and_settings():
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    request = read(
        text={"format": form, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        temperature=0.3,
        store=True,
        include=["reasoning.encrypted_content"],
        metadata=None,
        client_metadata={"a": 1},
        stream=True,
    )
    assert request.output == OutputFormat("json_schema", "n", {"type": "object"}, strict=True)
    assert request.reasoning == Reasoning(effort="high", summary="auto")
    assert request.parameters == {
        "temperature": 0.3,
        "store": True,
        "include": ["reasoning.encrypted_content"],
        "verbosity": "low",
    }
    assert request.unknown == ("client_metadata",)
    assert request.stream


@pytest.mark.parametrize(
    ("body", "error", "param"),
    [
        ({"model": None}, MissingParameter, "model"),
        ({"input": None}, MissingParameter, "input"),
        ({"input": 5}, InvalidType, "input"),
        ({"input": ["x"]}, InvalidType, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, UnsupportedParameter, "input[0]"),
        ({"input": [{"id": "x"}]}, UnsupportedParameter, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, InvalidRequest, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, InvalidType, "input[0].content"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
            MissingParameter,
            "input[0].content[0].text",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "file:x"}]}]},
            InvalidRequest,
            "input[0].content[0].image_url",
        ),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, InvalidRequest, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, MissingParameter, "input[0].call_id"),
        ({"previous_response_id": "resp_1"}, UnsupportedParameter, "previous_response_id"),
        ({"background": True}, UnsupportedParameter, "background"),
        ({"conversation": "c"}, UnsupportedParameter, "conversation"),
        ({"temperature": "hot"}, InvalidType, "temperature"),
        ({"temperature": 3}, InvalidRequest, "temperature"),
        ({"max_output_tokens": 0}, InvalidRequest, "max_output_tokens"),
        ({"reasoning": "high"}, InvalidType, "reasoning"),
        ({"text": {"format": {"type": "xml"}}}, InvalidRequest, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, MissingParameter, "text.format.schema"),
        ({"tools": [{"name": "x"}]}, InvalidType, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, MissingParameter, "tools[0].name"),
        ({"tool_choice": "maybe"}, InvalidRequest, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, MissingParameter, "tool_choice.name"),
        ({"stream": "yes"}, InvalidType, "stream"),
        ({"metadata": []}, InvalidType, "metadata"),
        ({"truncation": "middle"}, InvalidRequest, "truncation"),
    ],
)
def test_r14_complaints_name_the_field(body: dict[str, Any], error: type[InvalidRequest], param: str):
    with pytest.raises(error) as raised:
        read(**body)
    assert raised.value.param == param
    assert raised.value.status == 400


def test_what_is_off_is_accepted():
    assert read(background=False, previous_response_id=None, store=True).parameters == {"store": True}


def test_message_phase_is_tolerated():
    item = {"type": "message", "role": "assistant", "phase": "commentary", "content": "hm"}
    assert read(input=[item]).turns == (Turn("assistant", (Text("hm"),)),)
