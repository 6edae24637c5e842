"""Requests of other vocabularies as Responses bodies, and what they had to leave out."""

from typing import Any

import pytest

from proxy.canonical.account import Warning
from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    OutputFormat,
    Part,
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
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.quirks import Quirks
from tests.vocabularies.responses.corpus import OTHER, SEAL, peer


def translated(*turns: Turn, quirks: Quirks | None = None, **members: Any) -> tuple[dict[str, Any], list[Warning]]:
    request = Request("elsewhere", "smart", {}, turns=turns, **members)
    out = RESPONSES.write_request(request, peer(SEAL, quirks or Quirks()))
    return out.body, out.warnings


def items(*parts: Part, role: str = "user") -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = translated(Turn(role, parts))[0]["input"]
    return written


def test_a_conversation_becomes_items():
    body, warnings = translated(
        Turn("system", (Text("Be brief."), Text("Be kind."))),
        Turn("user", (Text("Look:"), Image(media_type="image/png", content="iVBO"))),
        Turn(
            "assistant",
            (Text("Hm."), Refusal("no"), ToolCall("c1", "look", "{}"), ToolCall("c2", "p", "*", custom=True)),
        ),
        Turn(
            "tool",
            (
                ToolResult("c1", (Text("a"), Text("b"))),
                ToolResult("c2", (Image(url="https://a.example/b"),), custom=True),
            ),
        ),
        Turn("system", (Text("Now stop."),)),
    )
    assert body == {
        "model": "gpt-upstream",
        "store": False,
        "stream": False,
        "instructions": "Be brief.\n\nBe kind.",
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look:"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"},
                ],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hm."}, {"type": "refusal", "refusal": "no"}],
            },
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "p", "input": "*"},
            {"type": "function_call_output", "call_id": "c1", "output": "a\nb"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [{"type": "input_image", "image_url": "https://a.example/b", "detail": "auto"}],
            },
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Now stop."}]},
        ],
    }
    assert warnings == []


@pytest.mark.parametrize(
    ("document", "content"),
    [
        (Document(url="https://a.example/a.pdf"), {"type": "input_file", "file_url": "https://a.example/a.pdf"}),
        (
            Document(media_type="application/pdf", content="JVBE", name="a.pdf"),
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
        ),
        (Document(text="words", name="notes"), {"type": "input_text", "text": "notes\n\nwords"}),
    ],
)
def test_documents(document: Document, content: dict[str, Any]):
    assert items(document)[0]["content"] == [content]


def test_reasoning_returns_to_its_origin_only():
    mine = Thinking("hm", SEAL.close("encrypted", "gAAA"))
    body, warnings = translated(Turn("assistant", (mine, Text("Yes."))))
    assert body["input"][0] == {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAA",
    }
    assert body["include"] == ["reasoning.encrypted_content"]
    assert warnings == []
    for foreign in (OTHER.close("encrypted", "g"), SEAL.close("signature", "s"), "untagged", None):
        body, warnings = translated(Turn("assistant", (Thinking("hm", foreign), Text("Yes."))))
        assert [item["type"] for item in body["input"]] == ["message"]
        assert "include" not in body
        assert warnings == [Warning("thinking", "dropped")]


def test_tools_are_not_strict_unless_they_say_so():
    body, _ = translated(
        tools=(
            Tool("look", "d", {"type": "object"}),
            Tool("safe", parameters={"type": "object"}, strict=True),
            Tool("bare"),
            Tool("patch", custom=True, format={"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}),
        ),
        tool_choice=ToolChoice("tool", name="patch"),
    )
    assert body["tools"] == [
        {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "safe", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "bare", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
    ]
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("tool", name="f"), {"type": "function", "name": "f"}),
        (
            ToolChoice("allowed", names=("f",), required=True),
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_tool_choice(choice: ToolChoice, written: object):
    assert translated(tools=(Tool("f"),), tool_choice=choice)[0]["tool_choice"] == written


def test_format_joins_verbosity():
    form = OutputFormat("json_schema", "n", {"type": "object"}, strict=True, description="d")
    body, _ = translated(output=form, parameters={"verbosity": "low"})
    assert body["text"] == {
        "verbosity": "low",
        "format": {
            "type": "json_schema",
            "name": "n",
            "schema": {"type": "object"},
            "strict": True,
            "description": "d",
        },
    }
    assert translated(output=OutputFormat("json_object"))[0]["text"] == {"format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("reasoning", "written", "warnings"),
    [
        (Reasoning(effort="high", summary="detailed"), {"effort": "high", "summary": "detailed"}, []),
        (Reasoning(budget=1024), {"effort": "low", "summary": "auto"}, ["thinking.budget_tokens"]),
        (Reasoning(budget=8000), {"effort": "medium", "summary": "auto"}, ["thinking.budget_tokens"]),
        (Reasoning(budget=30000), {"effort": "high", "summary": "auto"}, ["thinking.budget_tokens"]),
        (Reasoning(adaptive=True), {"summary": "auto"}, []),
        (Reasoning(disabled=True), {"effort": "none"}, []),
    ],
)
def test_reasoning(reasoning: Reasoning, written: dict[str, str], warnings: list[str]):
    body, told = translated(reasoning=reasoning)
    assert body["reasoning"] == written
    assert [warning.param for warning in told] == warnings
    assert ("include" in body) is not reasoning.disabled


def test_effort_stays_within_what_the_model_takes():
    older = Quirks(efforts=("minimal", "low", "medium", "high"))
    for reasoning, effort in ((Reasoning(disabled=True), "minimal"), (Reasoning(effort="max"), "high")):
        body, warnings = translated(reasoning=reasoning, quirks=older)
        assert body["reasoning"] == {"effort": effort}
        assert warnings == [Warning("reasoning", "changed")]
    assert translated(reasoning=Reasoning(effort="max"))[0]["reasoning"] == {"effort": "xhigh"}
    assert translated(reasoning=Reasoning(effort="max"), quirks=Quirks(efforts=("high", "max")))[1] == []


def test_what_is_left_out_is_told_once():
    cache = {"type": "ephemeral"}
    body, warnings = translated(
        Turn("user", (Text("a", cache=cache), Text("b", cache=cache)), name="ann"),
        Turn("tool", (ToolResult("c", (Text("bad"),), failed=True),)),
        tools=(OpaqueTool("elsewhere", "web_search_2025", {}, droppable=True),),
        unknown=("betas",),
    )
    assert "tools" not in body
    assert [(warning.param, warning.action) for warning in warnings] == [
        ("name", "dropped"),
        ("cache_control", "dropped"),
        ("is_error", "dropped"),
        ("tools[0]", "dropped"),
        ("betas", "dropped"),
    ]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"turns": (Turn("user", (Audio("wav", "x"),)),)}, "input"),
        ({"turns": (Turn("user", (Image(file_id="file-1"),)),)}, "input"),
        ({"turns": (Turn("tool", (ToolResult("c", (OpaquePart("elsewhere", "x", {}),)),)),)}, "input"),
        ({"tools": (OpaqueTool("elsewhere", "computer", {}),)}, "tools[0].type"),
        ({"tool_choice": ToolChoice("opaque", type="computer")}, "tool_choice"),
        ({"parameters": {"n": 2}}, "n"),
    ],
)
def test_objections_name_the_place(members: dict[str, Any], param: str):
    (objection,) = RESPONSES.objections(Request("elsewhere", "smart", {}, **members), peer())
    assert objection.param == param


def test_no_objection_without_reason():
    droppable = OpaquePart("elsewhere", "web_search_call", {}, droppable=True)
    request = Request(
        "elsewhere", "smart", {}, turns=(Turn("assistant", (droppable,)),), parameters={"n": 1, "stop": ["x"]}
    )
    assert RESPONSES.objections(request, peer()) == []
    opaque = RESPONSES.read_request({"model": "m", "input": [{"type": "shell_call"}], "tools": [{"type": "mcp"}]})
    assert RESPONSES.objections(opaque, peer()) == []
