"""Requests of other vocabularies for a provider of this one, and every cell of its column."""

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
from proxy.vocabularies.messages.parameters import COLUMN, DEFAULT_MAX_TOKENS
from proxy.vocabularies.messages.vocabulary import MESSAGES
from proxy.wire.parameters import PARAMETERS
from proxy.wire.quirks import STANDARD, Quirks
from tests.vocabularies.messages.stage import ELSEWHERE, SEAL, peer

HI = (Turn("user", (Text("Hi"),)),)
F = Tool("f", "does f", {"properties": {}})
BASE = {
    "model": "claude-upstream",
    "max_tokens": DEFAULT_MAX_TOKENS,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
}
DROPPED = "dropped"
INELIGIBLE = "ineligible"
# For every row a value another vocabulary's client may send, and the members it becomes.
CELLS: dict[str, tuple[Any, Any]] = {
    "max_output_tokens": (99, {"max_tokens": 99}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.9, {"top_p": 0.9}),
    "top_k": (40, {"top_k": 40}),
    "stop": (["END", "\n"], {"stop_sequences": ["END"]}),
    "seed": (7, DROPPED),
    "n": (2, INELIGIBLE),
    "logprobs": (True, DROPPED),
    "top_logprobs": (3, DROPPED),
    "logit_bias": ({"1": -100}, DROPPED),
    "presence_penalty": (0.5, DROPPED),
    "frequency_penalty": (0.5, DROPPED),
    "modalities": (["text", "audio"], INELIGIBLE),
    "audio": ({"voice": "alloy"}, INELIGIBLE),
    "prediction": ({"type": "content"}, DROPPED),
    "parallel_tool_calls": (False, {}),  # says something only beside tools
    "max_tool_calls": (3, DROPPED),
    "service_tier": ("default", {"service_tier": "standard_only"}),
    "prompt_cache_key": ("k", DROPPED),
    "prompt_cache_retention": ("24h", DROPPED),
    "safety_identifier": ("s", {"metadata": {"user_id": "s"}}),
    "user": ("u", {"metadata": {"user_id": "u"}}),
    "metadata": ({"a": "b"}, DROPPED),
    "include": (["file_search_call.results"], DROPPED),
    "truncation": ("auto", DROPPED),
    "verbosity": ("low", DROPPED),
    "store": (True, {}),
    "web_search_options": ({}, DROPPED),
    "prompt": ({"id": "p"}, INELIGIBLE),
    "context_management": ({"edits": []}, {"context_management": {"edits": []}}),
    "container": ("c", {"container": "c"}),
    "mcp_servers": ([{"url": "https://a.example"}], {"mcp_servers": [{"url": "https://a.example"}]}),
}
NEUTRAL = {"n": 1, "logprobs": False, "truncation": "disabled", "verbosity": "medium", "metadata": {}, "seed": None}


def asked(**members: Any) -> Request:
    """A request as another vocabulary's reader leaves it."""
    return Request(**{"vocabulary": "other", "model": "route", "body": {}, "turns": HI, **members})


def written(request: Request, quirks: Quirks = STANDARD) -> tuple[dict[str, Any], list[Warning]]:
    assert MESSAGES.objections(request, peer(quirks)) == []
    return MESSAGES.write_request(request, peer(quirks))


def sent(*turns: Turn, quirks: Quirks = STANDARD) -> dict[str, Any]:
    return written(asked(turns=turns), quirks)[0]


def test_the_table_is_whole():
    assert set(COLUMN) == {row.name for row in PARAMETERS}
    assert set(CELLS) == {row.name for row in PARAMETERS if not row.structural}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell(name: str):
    value, expected = CELLS[name]
    request = asked(parameters={name: value})
    if expected == INELIGIBLE:
        assert [objection.param for objection in MESSAGES.objections(request, peer())] == [name]
        return
    body, warnings = written(request)
    if expected == DROPPED:
        assert (body, warnings) == (BASE, [Warning(name, "dropped")])
    else:
        assert body == {**BASE, **expected}
        assert warnings == ([Warning("stop", "changed")] if name == "stop" else [])


def test_a_value_that_asks_for_nothing_leaves_no_trace():
    request = asked(parameters={name: value for name, value in NEUTRAL.items() if value is not None})
    assert written(request) == (BASE, [])


def test_quirks_drop_and_limit():
    quirks = Quirks(drop_parameters=frozenset({"top_k"}), temperature_maximum=1.0, stop_maximum=1, output_maximum=50)
    parameters = {"top_k": 3, "temperature": 1.7, "stop": ["a", "b"], "max_output_tokens": 99}
    body, warnings = written(asked(parameters=parameters), quirks)
    assert body == {**BASE, "temperature": 1.0, "stop_sequences": ["a"], "max_tokens": 50}
    assert {(w.param, w.action) for w in warnings} == {
        ("top_k", "dropped"), ("temperature", "changed"), ("stop", "changed"), ("max_output_tokens", "changed"),
    }  # fmt: skip
    assert written(asked(), Quirks(output_maximum=64_000))[0]["max_tokens"] == 64_000


def test_temperature_and_top_p_exclude_each_other():
    body, warnings = written(asked(parameters={"temperature": 0.2, "top_p": 0.9}))
    assert body == {**BASE, "temperature": 0.2}
    assert warnings == [Warning("top_p", "dropped")]
    assert written(asked(parameters={"temperature": 0.2, "top_p": 1}))[1] == []


def test_unknown_members_are_dropped_aloud():
    assert written(asked(unknown=("novelty",)))[1] == [Warning("novelty", "dropped")]


def test_instructions_move_to_the_front():
    body, warnings = written(
        asked(turns=(Turn("system", (Text("A"),)), *HI, Turn("system", (Text("B"),)), Turn("user", (Text("C"),))))
    )
    assert body["system"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["Hi", "C"]
    assert warnings == [Warning("system", "changed")]


def test_instructions_alone_become_the_message():
    body = sent(Turn("system", (Text("Say hi."),)))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}]
    assert "system" not in body


def test_a_tool_turn_with_results_first_and_turns_of_one_role_merged():
    body = sent(
        *HI,
        Turn("assistant", (Text(""), ToolCall("call_a", "f", '{"x":1}'))),
        Turn("assistant", (ToolCall("call b/2", "f", ""),)),
        Turn("user", (Text("and"),)),
        Turn("tool", (ToolResult("call_a", (Text("1"),)), ToolResult("call b/2", (), failed=True))),
    )
    _, calls, results = body["messages"]
    assert [block["type"] for block in calls["content"]] == ["tool_use", "tool_use"]
    assert calls["content"][0]["input"] == {"x": 1}
    fitted = calls["content"][1]["id"]
    assert fitted.isascii()
    assert "/" not in fitted
    assert [block["type"] for block in results["content"]] == ["tool_result", "tool_result", "text"]
    assert results["content"][1] == {"type": "tool_result", "tool_use_id": fitted, "is_error": True}


def test_arguments_that_are_no_object_are_kept_and_said():
    turns = (*HI, Turn("assistant", (ToolCall("c", "f", "{broken"),)))
    body, warnings = written(asked(turns=turns))
    assert body["messages"][1]["content"][0]["input"] == {"arguments": "{broken"}
    assert warnings == [Warning("arguments", "changed")]


def test_a_prefill_may_not_end_in_whitespace():
    assert (
        sent(*HI, Turn("assistant", (Text("The answer is \n"),)))["messages"][1]["content"][0]["text"]
        == "The answer is"
    )
    assert len(sent(*HI, Turn("assistant", (Text("  "),)))["messages"]) == 1


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Refusal("No."), {"type": "text", "text": "No."}),
        (
            Image(media_type="image/webp", content="UklG"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "UklG"}},
        ),
        (Image("https://a.example/x"), {"type": "image", "source": {"type": "url", "url": "https://a.example/x"}}),
        (
            Document(media_type="application/pdf", content="JVBE", name="a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                "title": "a.pdf",
            },
        ),
        (
            Text("x", {"type": "ephemeral"}),
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        ),
    ],
)
def test_parts(part: Part, block: dict[str, Any]):
    assert sent(Turn("user", (part,)))["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (Audio("wav", "UklG"), "input[0].audio"),
        (OpaquePart("other", "computer_call", {}), "input[0].type"),
        (Image(file_id="file-1"), "input[0].file_id"),
        (Image(media_type="image/tiff", content="x"), "input[0].image"),
        (Document(media_type="text/csv", content="x"), "input[0].file"),
        (ToolResult("c", (Audio("wav", "x"),)), "input[0].audio"),
    ],
)
def test_parts_no_block_can_carry_are_objected_to(part: Part, param: str):
    assert [o.param for o in MESSAGES.objections(asked(turns=(Turn("user", (part,)),)), peer())] == [param]


def test_s05_only_its_own_material_comes_back():
    own, red = SEAL.close("signature", "sig"), SEAL.close("redacted", "red")
    foreign = Thinking("b", ELSEWHERE.close("signature", "s"))
    turns = (
        *HI,
        Turn("assistant", (Thinking("a", own), Thinking("", red, True), foreign)),
        Turn("assistant", (Thinking("c", "untagged"), Thinking("d"), Text("Hi"))),
        *HI,
    )
    body, warnings = written(asked(turns=turns))
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "a", "signature": "sig"},
        {"type": "redacted_thinking", "data": "red"},
        {"type": "text", "text": "Hi"},
    ]
    assert warnings == [Warning("reasoning", "dropped")]


def test_tools_and_their_choice():
    hosted = OpaqueTool("other", "web_search", {}, droppable=True)
    choice = ToolChoice("required")
    body, warnings = written(asked(tools=(F, hosted), tool_choice=choice, parameters={"parallel_tool_calls": False}))
    assert body["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}, "description": "does f"}
    ]
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert warnings == [Warning("tools[1].type=web_search", "dropped")]


@pytest.mark.parametrize(
    ("choice", "expected", "names"),
    [
        (None, None, ["f", "g"]),
        (ToolChoice("auto"), {"type": "auto"}, ["f", "g"]),
        (ToolChoice("none"), {"type": "none"}, ["f", "g"]),
        (ToolChoice("tool", name="g"), {"type": "tool", "name": "g"}, ["f", "g"]),
        (ToolChoice("allowed", names=("g",)), {"type": "auto"}, ["g"]),
        (ToolChoice("allowed", names=("g",), required=True), {"type": "any"}, ["g"]),
    ],
)
def test_tool_choices(choice: ToolChoice | None, expected: dict[str, Any] | None, names: list[str]):
    body, _ = written(asked(tools=(F, Tool("g")), tool_choice=choice))
    assert body.get("tool_choice") == expected
    assert [tool["name"] for tool in body["tools"]] == names


def test_tools_it_cannot_have():
    custom, hosted = Tool("patch", custom=True), OpaqueTool("other", "computer_use", {})
    search = OpaqueTool("other", "web_search", {}, droppable=True)
    request = asked(tools=(custom, hosted, search), tool_choice=ToolChoice("opaque", type="web_search"))
    found = [objection.param for objection in MESSAGES.objections(request, peer())]
    assert found == ["tools[0].type", "tools[1].type", "tools[2].type"]


def test_a_model_that_cannot_be_made_to_call_is_ineligible():
    request, unforced = asked(tools=(F,), tool_choice=ToolChoice("required")), Quirks(required_tool_choice=None)
    assert [objection.param for objection in MESSAGES.objections(request, peer(unforced))] == ["tool_choice"]


def test_strict_is_dropped_where_it_is_not_known():
    tool = Tool("f", strict=True)
    assert written(asked(tools=(tool,)))[0]["tools"][0]["strict"] is True
    assert written(asked(tools=(tool,)), Quirks(accepts_strict_tools=False))[1] == [
        Warning("tools[0].strict", "dropped")
    ]


def test_structured_output():
    schema = {"type": "object"}
    wanted = asked(output=OutputFormat("json_schema", schema=schema))
    assert written(wanted)[0]["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    for request, quirks in (
        (asked(output=OutputFormat("json_object")), STANDARD),
        (wanted, Quirks(structured_output="none")),
    ):
        assert written(request, quirks) == (BASE, [Warning("output_format", "dropped")])


@pytest.mark.parametrize(
    ("reasoning", "style", "expected", "action"),
    [
        (Reasoning("low"), "budget", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, None),
        (Reasoning("high"), None, {"thinking": {"type": "enabled", "budget_tokens": 16_384}}, None),
        (Reasoning("max"), "budget", {"thinking": {"type": "enabled", "budget_tokens": 32_768}}, None),
        (Reasoning(budget=3000), "budget", {"thinking": {"type": "enabled", "budget_tokens": 3000}}, None),
        (Reasoning("none"), "budget", {"thinking": {"type": "disabled"}}, None),
        (Reasoning("none"), "adaptive", {}, "changed"),
        (Reasoning("medium"), "adaptive", {"output_config": {"effort": "medium"}}, None),
        (Reasoning("minimal"), "adaptive", {"output_config": {"effort": "low"}}, "changed"),
        (Reasoning(budget=9000), "adaptive", {"output_config": {"effort": "medium"}}, "changed"),
    ],
)
def test_reasoning(reasoning: Reasoning, style: Any, expected: dict[str, Any], action: str | None):
    request = asked(reasoning=reasoning, parameters={"max_output_tokens": 40_000})
    body, warnings = written(request, Quirks(thinking=style))
    if style == "adaptive" and reasoning.effort != "none":
        expected = {"thinking": {"type": "adaptive", "display": "summarized"}, **expected}
    assert body == {**BASE, "max_tokens": 40_000, **expected}
    assert warnings == ([Warning("reasoning", action)] if action else [])


@pytest.mark.parametrize(
    ("off", "members"),
    [
        ("disabled", {"thinking": {"type": "disabled"}}),
        ("between_tools", {"thinking": {"type": "between_tools"}}),
        ("never", {}),
        (None, {}),
    ],
)
def test_thinking_is_turned_off_as_the_model_knows_it(off: Any, members: dict[str, Any]):
    quirks = Quirks(thinking="adaptive", thinking_off=off)
    body, warnings = written(asked(reasoning=Reasoning(disabled=True), parameters={"temperature": 0.5}), quirks)
    assert body == {**BASE, "temperature": 0.5, **members}
    assert warnings == ([] if members else [Warning("reasoning", "changed")])


def test_effort_stays_within_what_the_model_takes():
    quirks = Quirks(thinking="adaptive", efforts=("low", "medium", "high", "max"))
    body, warnings = written(asked(reasoning=Reasoning("xhigh")), quirks)
    assert body["output_config"] == {"effort": "high"}
    assert warnings == [Warning("reasoning", "changed")]


def test_thinking_leaves_room_for_the_answer_or_is_left_out():
    small = asked(reasoning=Reasoning("high"), parameters={"max_output_tokens": 4000})
    assert written(small)[0]["thinking"]["budget_tokens"] == 2000
    smaller = asked(reasoning=Reasoning("high"), parameters={"max_output_tokens": 1000})
    assert written(smaller)[1] == [Warning("reasoning", "dropped")]


def test_sampling_gives_way_to_thinking():
    parameters = {"temperature": 0.2, "top_p": 0.5, "top_k": 9}
    body, warnings = written(asked(reasoning=Reasoning("low"), parameters=parameters))
    assert not body.keys() & parameters.keys()
    assert [warning.param for warning in warnings] == ["temperature", "top_p", "top_k"]


def test_a_forced_tool_or_a_lost_thinking_block_outweighs_a_budget():
    forced = asked(reasoning=Reasoning("low"), tools=(F,), tool_choice=ToolChoice("required"))
    called = (*HI, Turn("assistant", (ToolCall("c", "f", "{}"),)), Turn("tool", (ToolResult("c"),)))
    for request in (forced, asked(reasoning=Reasoning("low"), turns=called, tools=(F,))):
        body, warnings = written(request)
        assert "thinking" not in body
        assert warnings == [Warning("reasoning", "dropped")]
        assert "thinking" in written(request, Quirks(thinking="adaptive"))[0]
    kept = Thinking("hm", SEAL.close("signature", "s"))
    turns = (*HI, Turn("assistant", (kept, ToolCall("c", "f", "{}"))), Turn("tool", (ToolResult("c"),)))
    assert "thinking" in written(asked(reasoning=Reasoning("low"), turns=turns, tools=(F,)))[0]
