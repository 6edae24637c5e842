"""Requests from clients of other vocabularies, and every cell of the column."""

import pytest

from proxy.canonical.account import Warning
from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.parameters import NAMES, Action, unmet
from proxy.wire.quirks import Quirks
from tests.vocabularies.chat.stage import peer

USER = {"role": "user", "content": "hi"}


def read(**members):
    return CHAT.read_request({"model": "m", "messages": [USER], **members})


def other(**members):
    defaults = {"vocabulary": "elsewhere", "model": "m", "body": {}, "turns": (Turn("user", (Text("hi"),)),)}
    return Request(**(defaults | members))


def written(request, quirks=None, **of_peer):
    return CHAT.write_request(request, peer(quirks or Quirks(), **of_peer))


def test_turns_become_messages():
    request = other(
        turns=(
            Turn("system", (Text("a"), Text("b"))),
            Turn("user", (Text("look"), Image(media_type="image/png", content="iVB"), Audio("wav", "UklG"))),
            Turn("assistant", (Thinking("hm", "sg1.x"),)),
            Turn("assistant", (Text("calling"),)),
            Turn("assistant", (ToolCall("toolu_1", "f", ""),)),
            Turn("assistant", (ToolCall("toolu_2", "q", "select", custom=True),)),
            Turn("tool", (ToolResult("toolu_1", (Text("1"), Image(url="https://e.example/x.png"))),)),
            Turn("tool", (ToolResult("toolu_2", (Text("2"),)),)),
            Turn("user", (Text("go on"),)),
        )
    )
    body, warnings = written(request)
    assert body["messages"] == [
        {"role": "developer", "content": "a\n\nb"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVB"}},
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": "calling",
            "tool_calls": [
                {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "toolu_2", "type": "custom", "custom": {"name": "q", "input": "select"}},
            ],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "1"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "2"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://e.example/x.png"}}]},
        {"role": "user", "content": "go on"},
    ]
    assert warnings == [Warning("tool_result", "changed")]


def test_reasoning_goes_back_where_it_is_taken():
    tagged = peer().seal.close("detail", '{"type":"reasoning.encrypted","data":"b3A"}')
    request = other(turns=(Turn("assistant", (Thinking("hm", tagged), Text("x"))),))
    [message] = written(request, Quirks(accepts_reasoning_history=True)).body["messages"]
    assert message == {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "b3A"}],
    }


def test_tools_and_choice_are_written():
    tools = (
        Tool("f", "d", {"type": "object"}, strict=True),
        Tool("q", custom=True),
        OpaqueTool("x", "namespace", {}, True),
    )
    body, warnings = written(other(tools=tools, tool_choice=ToolChoice("tool", name="q")))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True},
        },
        {"type": "custom", "custom": {"name": "q"}},
    ]
    assert body["tool_choice"] == {"type": "custom", "custom": {"name": "q"}}
    assert warnings == [Warning("tools[2]", "dropped")]
    body, _ = written(other(tools=tools, tool_choice=ToolChoice("allowed", names=("f",), required=True)))
    assert [tool["type"] for tool in body["tools"]] == ["function"]
    assert body["tool_choice"] == "required"
    grammar = Tool("q", custom=True, format={"type": "grammar", "syntax": "regex", "definition": "a"})
    body, _ = written(other(tools=(grammar,)))
    assert body["tools"][0]["custom"]["format"] == {
        "type": "grammar",
        "grammar": {"syntax": "regex", "definition": "a"},
    }


@pytest.mark.parametrize(
    ("reasoning", "effort", "warned"),
    [
        (Reasoning(effort="low"), "low", False),
        (Reasoning(effort="max"), "xhigh", True),
        (Reasoning(effort="minimal"), "minimal", False),
        (Reasoning(budget=1024), "low", True),
        (Reasoning(budget=10_000), "medium", True),
        (Reasoning(budget=64_000), "high", True),
        (Reasoning(adaptive=True), None, False),
        (Reasoning(disabled=True), "none", True),
        (Reasoning(summary="auto"), None, False),
    ],
)
def test_reasoning_effort(reasoning, effort, warned):
    body, warnings = written(other(reasoning=reasoning))
    assert body.get("reasoning_effort") == effort
    assert bool(warnings) is warned


def test_reasoning_effort_stays_within_what_the_model_takes():
    older, newest = Quirks(efforts=("minimal", "low", "medium", "high")), Quirks(efforts=("none", "xhigh", "max"))
    for reasoning, quirks, effort in (
        (Reasoning(disabled=True), older, "minimal"),
        (Reasoning(effort="max"), older, "high"),
        (Reasoning(effort="max"), newest, "max"),
        (Reasoning(budget=64_000), newest, "max"),
    ):
        assert written(other(reasoning=reasoning), quirks)[0]["reasoning_effort"] == effort


def test_structured_output_is_weakened_with_a_warning():
    output = OutputFormat("json_schema", "s", {"type": "object"}, strict=True)
    body, warnings = written(other(output=output))
    schema = {"name": "s", "schema": {"type": "object"}, "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert warnings == []
    for strongest in ("json_object", "none"):
        body, warnings = written(other(output=output), Quirks(structured_output=strongest))
        assert body.get("response_format") == ({"type": "json_object"} if strongest == "json_object" else None)
        assert "JSON schema" in body["messages"][0]["content"]
        assert warnings == [Warning("response_format", "changed")]


# canonical name -> value, the members written, whether a warning comes with it; None for the members = ineligible
CELLS = {
    "max_output_tokens": (5, {"max_completion_tokens": 5}, False),
    "temperature": (0.5, {"temperature": 0.5}, False),
    "top_p": (0.5, {"top_p": 0.5}, False),
    "top_k": (5, {}, True),
    "stop": (["a"], {"stop": ["a"]}, False),
    "seed": (1, {"seed": 1}, False),
    "n": (2, {"n": 2}, False),
    "logprobs": (True, {}, True),
    "top_logprobs": (3, {}, True),
    "logit_bias": ({"1": 2}, {"logit_bias": {"1": 2}}, False),
    "presence_penalty": (1, {"presence_penalty": 1}, False),
    "frequency_penalty": (1, {"frequency_penalty": 1}, False),
    "modalities": (["text"], {"modalities": ["text"]}, False),
    "audio": ({"voice": "a"}, {"audio": {"voice": "a"}}, False),
    "prediction": ({"type": "content"}, {"prediction": {"type": "content"}}, False),
    "parallel_tool_calls": (False, {"parallel_tool_calls": False}, False),
    "max_tool_calls": (2, {}, True),
    "service_tier": ("standard_only", {"service_tier": "default"}, False),
    "prompt_cache_key": ("k", {"prompt_cache_key": "k"}, False),
    "prompt_cache_retention": ("24h", {"prompt_cache_retention": "24h"}, False),
    "safety_identifier": ("s", {"safety_identifier": "s"}, False),
    "user": ("u", {"user": "u"}, False),
    "metadata": ({"a": "b"}, {}, True),
    "include": (["message.output_text.logprobs"], {}, True),
    "truncation": ("auto", {}, True),
    "verbosity": ("low", {"verbosity": "low"}, False),
    "store": (True, {}, False),
    "web_search_options": ({}, {"web_search_options": {}}, False),
    "prompt": ({"id": "p"}, None, False),
    "context_management": ([{"type": "compaction"}], {}, True),
    "container": ("c", None, False),
    "mcp_servers": ([{"url": "u"}], None, False),
    "system": None,
    "tools": None,
    "strict": None,
    "tool_choice": None,
    "output_format": None,
    "reasoning": None,
    "cache_control": None,
    "stream_options": None,
}


def test_the_expectations_cover_the_column():
    assert CELLS.keys() == CHAT.column.keys() == NAMES


@pytest.mark.parametrize("name", [name for name, cell in CELLS.items() if cell is not None])
def test_every_cell(name):
    value, members, warned = CELLS[name]
    request = other(parameters={name: value}, tools=(Tool("f"),), tool_choice=ToolChoice("auto"))
    body, warnings = written(request)
    plain = written(other(tools=(Tool("f"),), tool_choice=ToolChoice("auto"))).body
    if members is None:
        assert [objection.param for objection in CHAT.objections(request, peer())] == [name]
        return
    assert CHAT.objections(request, peer()) == []
    assert {key: body[key] for key in body.keys() - plain.keys()} == members
    assert warnings == ([Warning(name, "dropped")] if warned else [])


def test_neutral_values_ask_for_nothing():
    neutral = {
        "logprobs": False,
        "top_logprobs": 0,
        "include": ["reasoning.encrypted_content"],
        "truncation": "disabled",
        "store": False,
        "mcp_servers": [],
    }
    assert written(other(parameters=neutral)).warnings == []
    assert unmet(neutral, CHAT.column) == []
    assert CHAT.column["cache_control"].action is Action.DROP


def test_unknown_members_of_other_vocabularies_are_dropped_with_a_warning():
    assert written(other(unknown=("frobnicate",))).warnings == [Warning("frobnicate", "dropped")]


def test_objections_name_the_place():
    request = other(
        body={"input": []},
        tools=(OpaqueTool("x", "computer", {}), OpaqueTool("x", "namespace", {}, droppable=True)),
        turns=(
            Turn("user", (Image(file_id="f"), Document(url="https://e.example/a.pdf"))),
            Turn("assistant", (OpaquePart("x", "compaction", {}, material="sg1.x"),)),
        ),
        tool_choice=ToolChoice("opaque", type="computer"),
    )
    assert [objection.param for objection in CHAT.objections(request, peer())] == [
        "tool_choice",
        "tools[0].type",
        "input[0].file_id",
        "input[0].file_url",
        "input[1].type",
    ]
    forced = read(tool_choice="required", tools=[{"type": "function", "function": {"name": "f"}}])
    assert [o.param for o in CHAT.objections(forced, peer(Quirks(required_tool_choice=None)))] == ["tool_choice"]
    assert CHAT.objections(forced, peer()) == []
