"""A client's request. Sources: anthropic (Python) 2.11, `types/message_create_params.py` and its beta twin; the same at
commit 00dcf92 of anthropics/anthropic-sdk-python for temperature, top_p and top_k, which 2.11 no longer has."""

import hashlib
from typing import Any

from proxy.canonical.request import OpaqueTool, OutputFormat, Reasoning, Request, Tool, ToolChoice
from proxy.vocabularies.messages.content_reader import read_turns
from proxy.vocabularies.messages.thinking import SMALLEST_BUDGET, read_reasoning
from proxy.wire.fields import Fields

NAME = "messages"
# Members of the body that are fields of `Request`, consumed, or read one by one below.
_KNOWN = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking", "output_config",
        "output_format", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier", "container",
        "context_management", "mcp_servers", "cache_control",
    }
)  # fmt: skip
# Of `safety_identifier` at OpenAI: 64 in older API references, 128 in openai-python 3.52. The smaller suits both.
_LONGEST_IDENTIFIER = 64


def read_request(body: dict[str, Any]) -> Request:
    """Raises InvalidRequest naming the field."""
    fields = Fields(body)
    model = fields.text("model", required=True)
    parameters = _parameters(fields)
    config = fields.object("output_config") or Fields({}, "output_config")
    tool_choice, one_at_a_time = _tool_choice(fields)
    if one_at_a_time is not None:
        parameters["parallel_tool_calls"] = not one_at_a_time
    return Request(
        vocabulary=NAME,
        model=model,
        body=body,
        turns=read_turns(fields),
        tools=tuple(_tool(tool) for tool in fields.objects("tools")),
        tool_choice=tool_choice,
        output=_output(config, fields),
        reasoning=_reasoning(fields, config),
        parameters=parameters,
        unknown=(
            *(name for name, value in body.items() if name not in _KNOWN and value is not None),
            *(config.at(name) for name in config.source if name not in ("effort", "format")),
        ),
        stream=fields.boolean("stream", False),
    )


def _parameters(fields: Fields) -> dict[str, Any]:
    maximum = fields.integer("max_tokens", minimum=0, required=True)
    stop = fields.items("stop_sequences")
    if not all(isinstance(sequence, str) for sequence in stop):
        raise fields.wrong_type("stop_sequences", "an array of strings")
    metadata = fields.object("metadata")
    found = {
        "max_output_tokens": maximum,
        "temperature": fields.number("temperature", minimum=0, maximum=2),
        "top_p": fields.number("top_p", minimum=0, maximum=1),
        "top_k": fields.integer("top_k", minimum=0),
        "stop": stop or None,
        "safety_identifier": _identifier(metadata.text("user_id")) if metadata else None,
        "service_tier": {"standard_only": "default"}.get(tier := fields.text("service_tier"), tier),
        "container": fields.raw("container"),
        "context_management": fields.raw("context_management"),
        "mcp_servers": fields.raw("mcp_servers") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _identifier(user_id: str | None) -> str | None:
    """The end user, in the length other wires take; a longer one is named by its hash."""
    if user_id is None or len(user_id) <= _LONGEST_IDENTIFIER:
        return user_id
    return hashlib.sha256(user_id.encode()).hexdigest()


def _tool(tool: Fields) -> Tool | OpaqueTool:
    """A tool without a type is a function; any type but `custom` is one its provider runs or defines."""
    kind = tool.text("type", "custom")
    if kind != "custom":
        return OpaqueTool(NAME, kind, tool.source, droppable=kind.startswith("web_search"))
    return Tool(
        name=tool.text("name", required=True),
        description=tool.text("description"),
        parameters=tool.mapping("input_schema", required=True),
        strict=tool.boolean("strict"),
        cache=tool.mapping("cache_control"),
    )


def _tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether only one tool may be called at a time."""
    choice = fields.object("tool_choice")
    if choice is None:
        return None, None
    kind = choice.text("type", required=True)
    one_at_a_time = choice.boolean("disable_parallel_tool_use")
    if kind == "tool":
        return ToolChoice("tool", name=choice.text("name", required=True)), one_at_a_time
    modes = {"auto": "auto", "any": "required", "none": "none"}
    found = ToolChoice(modes[kind]) if kind in modes else ToolChoice("opaque", type=kind)
    return found, one_at_a_time


def _output(config: Fields, fields: Fields) -> OutputFormat | None:
    """`output_config.format`, or its older name `output_format`."""
    form = config.object("format") or fields.object("output_format")
    if form is None:
        return None
    form.choice("type", ("json_schema",), required=True)
    return OutputFormat("json_schema", schema=form.mapping("schema", required=True), strict=True)


def _reasoning(fields: Fields, config: Fields) -> Reasoning | None:
    thinking = fields.object("thinking")
    if thinking is not None and thinking.text("type", required=True) == "enabled":
        thinking.integer("budget_tokens", minimum=SMALLEST_BUDGET, required=True)
    return read_reasoning(thinking.source if thinking else None, config.text("effort"))
