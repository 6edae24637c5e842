"""A client's Chat Completions request in canonical words.

Sources: openai-python 3.52 `types/chat/completion_create_params.py`; the `reasoning` object of OpenRouterTeam/docs,
`guides/best-practices/reasoning-tokens.mdx`.
"""

from typing import Any

from proxy.canonical.request import (
    OpaqueTool,
    OutputFormat,
    Reasoning,
    Request,
    Tool,
    ToolChoice,
)
from proxy.errors import InvalidRequest
from proxy.vocabularies.chat.message_reader import read_messages
from proxy.wire.effort import WORDS
from proxy.wire.fields import Fields, shown

_STRUCTURAL = frozenset(
    {
        "model", "messages", "tools", "tool_choice", "functions", "function_call", "response_format",
        "reasoning_effort", "reasoning", "stream", "stream_options", "segue",
    }
)  # fmt: skip
_BOOLEANS = ("logprobs", "parallel_tool_calls", "store")
_TEXTS = (
    "service_tier", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "user", "verbosity",
)  # fmt: skip
_OBJECTS = ("logit_bias", "audio", "prediction", "metadata", "web_search_options")
_NUMBERS: dict[str, tuple[float | None, float | None]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
_INTEGERS: dict[str, tuple[int | None, int | None]] = {
    "top_k": (None, None),
    "seed": (None, None),
    "n": (1, 128),
    "top_logprobs": (0, 20),
}
_LIMITS = ("max_completion_tokens", "max_tokens")
_SETTINGS = frozenset({*_LIMITS, *_NUMBERS, *_INTEGERS, *_BOOLEANS, *_TEXTS, *_OBJECTS, "modalities", "stop"})
_TOOLING = frozenset({"tools", "tool_choice", "functions", "function_call"})
_REASONING = frozenset({"reasoning", "reasoning_effort"})
_KNOWN = _STRUCTURAL | _SETTINGS


def read_request(body: dict[str, Any]) -> Request:
    """Raises InvalidRequest, InvalidType or MissingParameter naming the field."""
    fields = Fields(body)
    options = fields.object("stream_options")
    # Most requests have few members: those of a kind that are all absent are not asked for one by one.
    parameters = {} if _SETTINGS.isdisjoint(body) else _parameters(fields)
    has_tools = not _TOOLING.isdisjoint(body)
    choice = _tool_choice(fields) if has_tools else None
    return Request(
        vocabulary="chat",
        model=fields.text("model", required=True),
        body=body,
        turns=read_messages(fields),
        tools=_tools(fields, choice) if has_tools else (),
        tool_choice=choice,
        output=_output(fields),
        reasoning=None if _REASONING.isdisjoint(body) else _reasoning(fields),
        parameters=parameters,
        unknown=tuple([name for name, value in body.items() if name not in _KNOWN and value is not None]),
        stream=fields.boolean("stream", False),
        stream_usage=bool(options is not None and options.boolean("include_usage", False)),
    )


def _parameters(fields: Fields) -> dict[str, Any]:
    """The canonical parameters among the members; only those that are there are looked at: most requests have few."""
    sent = fields.source
    found: dict[str, Any] = {}
    limits = {name: fields.integer(name, minimum=1) for name in _LIMITS if name in sent}
    found["max_output_tokens"] = next((limit for limit in limits.values() if limit is not None), None)
    for name, (low, high) in _NUMBERS.items():
        if name in sent:
            found[name] = fields.number(name, minimum=low, maximum=high)
    for name, (least, most) in _INTEGERS.items():
        if name in sent:
            found[name] = fields.integer(name, minimum=least, maximum=most)
    found |= {name: fields.boolean(name) for name in _BOOLEANS if name in sent}
    found |= {name: fields.text(name) for name in _TEXTS if name in sent}
    found |= {name: fields.mapping(name) for name in _OBJECTS if name in sent}
    found["modalities"] = fields.items("modalities") or None
    found["stop"] = _stop(fields)
    return {name: value for name, value in found.items() if value is not None}


def _stop(fields: Fields) -> list[str] | None:
    stop = fields.raw("stop")
    if stop is None or isinstance(stop, str):
        return None if stop is None else [stop]
    for index, sequence in enumerate(fields.items("stop")):
        if not isinstance(sequence, str):
            raise Fields({f"stop[{index}]": sequence}).wrong_type(f"stop[{index}]", "a string")
    return list(stop)


def _tools(fields: Fields, choice: ToolChoice | None) -> tuple[Tool | OpaqueTool, ...]:
    tools: list[Tool | OpaqueTool] = []
    for tool in fields.objects("tools"):
        kind = tool.text("type", required=True)
        if kind == "function":
            function = _object(tool, "function")
            tools.append(_function(function, tool.mapping("cache_control")))
        elif kind == "custom":
            tools.append(_custom(tool))
        else:
            is_chosen = choice is not None and choice.type == kind
            droppable = (kind == "namespace" or kind.startswith("web_search")) and not is_chosen
            tools.append(OpaqueTool("chat", kind, tool.source, droppable))
    tools += [_function(function, None) for function in fields.objects("functions")]
    return tuple(tools)


def _function(function: Fields, cache: dict[str, Any] | None) -> Tool:
    return Tool(
        name=function.text("name", required=True),
        description=function.text("description"),
        parameters=function.mapping("parameters"),
        strict=function.boolean("strict"),
        cache=cache,
    )


def _custom(tool: Fields) -> Tool:
    """The canonical grammar is flat: {type, syntax, definition}; here it is nested once more."""
    custom = _object(tool, "custom")
    form = custom.mapping("format")
    if form is not None and isinstance(form.get("grammar"), dict):
        form = {"type": "grammar", **form["grammar"]}
    return Tool(custom.text("name", required=True), custom.text("description"), custom=True, format=form)


def _tool_choice(fields: Fields) -> ToolChoice | None:
    raw = fields.raw("tool_choice")
    if raw is None:
        return _function_call(fields)
    if isinstance(raw, str):
        if raw == "any":
            return ToolChoice("required")
        return ToolChoice(fields.choice("tool_choice", ("none", "auto", "required")))
    choice = _object(fields, "tool_choice")
    kind = choice.text("type", required=True)
    if kind in ("function", "custom"):
        named = _object(choice, kind)
        return ToolChoice("tool", name=named.text("name", required=True))
    if kind == "allowed_tools":
        allowed = _object(choice, "allowed_tools")
        names = [_name(tool) for tool in allowed.objects("tools", required=True)]
        return ToolChoice("allowed", names=tuple(names), required=allowed.text("mode") == "required")
    return ToolChoice("opaque", type=kind)


def _name(tool: Fields) -> str:
    inner = tool.object(tool.text("type", "function")) or tool
    name: str = inner.text("name", required=True)
    return name


def _function_call(fields: Fields) -> ToolChoice | None:
    raw = fields.raw("function_call")
    if raw is None:
        return None
    if isinstance(raw, str):
        return ToolChoice(fields.choice("function_call", ("none", "auto")))
    named = _object(fields, "function_call")
    return ToolChoice("tool", name=named.text("name", required=True))


def _output(fields: Fields) -> OutputFormat | None:
    wanted = fields.object("response_format")
    if wanted is None:
        return None
    kind = wanted.text("type", required=True)
    if kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat("json_object")
    if kind != "json_schema":
        raise InvalidRequest(
            f"Invalid value '{shown(kind)}' for 'response_format.type': expected text, json_object or json_schema.",
            param="response_format.type",
        )
    schema = _object(wanted, "json_schema")
    return OutputFormat(
        "json_schema",
        name=schema.text("name", "response"),
        schema=schema.mapping("schema"),
        strict=schema.boolean("strict"),
        description=schema.text("description"),
    )


def _reasoning(fields: Fields) -> Reasoning | None:
    effort = fields.choice("reasoning_effort", WORDS)
    extended = fields.object("reasoning")
    if extended is None:
        return None if effort is None else Reasoning(effort=effort, disabled=effort == "none")
    effort = effort or extended.choice("effort", WORDS)
    return Reasoning(
        effort=effort,
        budget=extended.integer("max_tokens", minimum=0),
        disabled=effort == "none" or extended.boolean("enabled", True) is False,
    )


def _object(fields: Fields, name: str) -> Fields:
    """A view of a member that must be there."""
    return Fields(fields.mapping(name, required=True), fields.at(name))
