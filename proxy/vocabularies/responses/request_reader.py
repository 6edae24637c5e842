"""A client's Responses request in canonical words. Source: openai-python 3.52,
`types/responses/response_create_params.py`."""

from collections.abc import Callable
from typing import Any

from proxy.canonical.request import (
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from proxy.errors import UnsupportedParameter
from proxy.vocabularies.responses.input_reader import NAME, objects_only, read_input
from proxy.wire.fields import Fields

# Members that are settings under their own name, and how each is read.
_SETTINGS: dict[str, Callable[[Fields], Any]] = {
    "max_output_tokens": lambda fields: fields.integer("max_output_tokens", minimum=1),
    "temperature": lambda fields: fields.number("temperature", minimum=0, maximum=2),
    "top_p": lambda fields: fields.number("top_p", minimum=0, maximum=1),
    "top_logprobs": lambda fields: fields.integer("top_logprobs", minimum=0, maximum=20),
    "presence_penalty": lambda fields: fields.number("presence_penalty", minimum=-2, maximum=2),
    "frequency_penalty": lambda fields: fields.number("frequency_penalty", minimum=-2, maximum=2),
    "parallel_tool_calls": lambda fields: fields.boolean("parallel_tool_calls"),
    "max_tool_calls": lambda fields: fields.integer("max_tool_calls", minimum=1),
    "service_tier": lambda fields: fields.text("service_tier"),
    "prompt_cache_key": lambda fields: fields.text("prompt_cache_key"),
    "prompt_cache_retention": lambda fields: fields.text("prompt_cache_retention"),
    "safety_identifier": lambda fields: fields.text("safety_identifier"),
    "user": lambda fields: fields.text("user"),
    "metadata": lambda fields: fields.mapping("metadata"),
    "include": lambda fields: fields.items("include") or None,
    "truncation": lambda fields: fields.choice("truncation", ("auto", "disabled")),
    "store": lambda fields: fields.boolean("store"),
    "prompt": lambda fields: fields.mapping("prompt"),
    "context_management": lambda fields: fields.items("context_management") or None,
}
# Members that become fields of Request, or that need what is not kept here.
_CONSUMED = (
    *("model", "input", "instructions", "tools", "tool_choice", "text", "reasoning", "stream", "stream_options"),
    *("background", "conversation", "previous_response_id", "segue"),
)
_STATEFUL = {
    "previous_response_id": "Responses are not stored: send the earlier items in 'input'.",
    "conversation": "Conversations are not stored: send the earlier items in 'input'.",
}
# Every member somebody reads; the rest is unknown and passes to this vocabulary only.
_KNOWN = frozenset((*_CONSUMED, *_SETTINGS))
_CHOICES = ("none", "auto", "required")


def read_request(body: dict[str, Any]) -> Request:
    """Raises InvalidRequest (a RequestFault) naming the field."""
    fields = Fields(body)
    model = fields.text("model", required=True)
    _refuse_stateful(fields)
    if not fields.has("input") and not fields.has("prompt"):
        raise fields.missing("input")
    turns = read_input(fields) if fields.has("input") else []
    if instructions := fields.text("instructions"):
        turns.insert(0, Turn("system", (Text(instructions),)))
    tool_choice = _tool_choice(fields)
    text = fields.object("text")
    fields.object("stream_options")
    parameters = _parameters(fields)
    if text is not None and (verbosity := text.text("verbosity")) is not None:
        parameters["verbosity"] = verbosity
    return Request(
        vocabulary=NAME,
        model=model,
        body=body,
        turns=tuple(turns),
        tools=tuple(_tools(fields, tool_choice)),
        tool_choice=tool_choice,
        output=_output(text),
        reasoning=_reasoning(fields),
        parameters=parameters,
        unknown=tuple(name for name in body if name not in _KNOWN and body[name] is not None),
        stream=fields.boolean("stream", False),
    )


def _refuse_stateful(fields: Fields) -> None:
    for name, remedy in _STATEFUL.items():
        if fields.has(name):
            raise UnsupportedParameter(f"'{name}' is not supported. {remedy}", param=name)
    if fields.boolean("background"):
        raise UnsupportedParameter("'background' is not supported: responses are not stored.", param="background")


def _parameters(fields: Fields) -> dict[str, Any]:
    found = {name: read(fields) for name, read in _SETTINGS.items() if fields.has(name)}
    return {name: value for name, value in found.items() if value is not None}


def _tools(fields: Fields, choice: ToolChoice | None) -> list[Tool | OpaqueTool]:
    tools: list[Tool | OpaqueTool] = []
    for tool in objects_only(fields, "tools"):
        kind = tool.raw("type")
        if kind == "function":
            tools.append(
                Tool(
                    name=tool.text("name", required=True),
                    description=tool.text("description"),
                    parameters=tool.mapping("parameters"),
                    strict=tool.boolean("strict"),
                )
            )
        elif kind == "custom":
            tools.append(
                Tool(
                    name=tool.text("name", required=True),
                    description=tool.text("description"),
                    custom=True,
                    format=tool.mapping("format"),
                )
            )
        else:
            chosen = choice is not None and choice.type == kind
            droppable = not chosen and (kind == "namespace" or kind.startswith("web_search"))
            tools.append(OpaqueTool(NAME, kind, tool.source, droppable=droppable))
    return tools


def _tool_choice(fields: Fields) -> ToolChoice | None:
    given = fields.raw("tool_choice")
    if given is None:
        return None
    if isinstance(given, str):
        return ToolChoice(fields.choice("tool_choice", _CHOICES))
    choice = fields.object("tool_choice")
    assert choice is not None
    kind = choice.text("type", required=True)
    if kind in ("function", "custom"):
        return ToolChoice("tool", name=choice.text("name", required=True))
    if kind == "allowed_tools":
        mode = choice.choice("mode", ("auto", "required"), required=True)
        allowed = choice.objects("tools", required=True)
        if all(tool.raw("type") in ("function", "custom") for tool in allowed):
            names = tuple(tool.text("name", required=True) for tool in allowed)
            return ToolChoice("allowed", names=names, required=mode == "required")
    return ToolChoice("opaque", type=kind)


def _output(text: Fields | None) -> OutputFormat | None:
    form = text.object("format") if text is not None else None
    if form is None:
        return None
    kind = form.choice("type", ("text", "json_object", "json_schema"), required=True)
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat("json_object")
    return OutputFormat(
        "json_schema",
        name=form.text("name", required=True),
        schema=form.mapping("schema", required=True),
        strict=form.boolean("strict"),
        description=form.text("description"),
    )


def _reasoning(fields: Fields) -> Reasoning | None:
    reasoning = fields.object("reasoning")
    if reasoning is None:
        return None
    effort = reasoning.text("effort")
    summary = reasoning.text("summary", reasoning.text("generate_summary"))
    return Reasoning(effort=effort, summary=summary, disabled=effort == "none")
