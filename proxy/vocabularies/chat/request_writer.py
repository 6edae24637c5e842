"""Requests for a provider of this vocabulary, written from canonical ones of any other."""

from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.request import OpaqueTool, OutputFormat, Request, Tool, ToolChoice
from proxy.vocabularies.chat import parameters
from proxy.vocabularies.chat.message_writer import MessageWriter
from proxy.vocabularies.chat.prefill import ask_to_go_on
from proxy.vocabularies.chat.schema import ENCODER
from proxy.wire.codec import Outgoing, Peer
from proxy.wire.effort import wanted
from proxy.wire.parameters import apply
from proxy.wire.quirks import Quirks

Members = dict[str, Any]


def write_request(request: Request, peer: Peer) -> Outgoing:
    quirks = peer.quirks
    writer = MessageWriter(peer)
    members: Members = {"model": peer.model, "messages": writer.messages(request.turns)}
    warnings = [Warning(name, "dropped") for name in request.unknown]
    warnings += writer.warnings
    warnings += apply(request.parameters, parameters.COLUMN, quirks.drop_parameters, members)
    warnings += fit_parameters(members, quirks)
    warnings += _write_tools(request, quirks, members)
    if request.output is not None:
        warnings += _write_output(request.output, quirks, members)
    if request.reasoning is not None:
        word = wanted(request.reasoning, quirks.efforts)
        if "reasoning" in quirks.drop_parameters:
            warnings.append(Warning("reasoning", "dropped"))
        elif word is not None:
            members["reasoning_effort"] = word
            if word != request.reasoning.effort:
                warnings.append(Warning("reasoning", "changed"))
    if request.stream:
        ask_for_stream(members, quirks)
    if request.continuation is not None:
        ask_to_go_on(request.continuation, quirks, members)
    return Outgoing(members, warnings)


def ask_for_stream(members: Members, quirks: Quirks) -> None:
    """Streaming, always with usage; `stream_options` the client sent stay."""
    members["stream"] = True
    if quirks.stream_usage == "stream_options":
        members["stream_options"] = {**(members.get("stream_options") or {}), "include_usage": True}
    else:
        members.pop("stream_options", None)


def fit_parameters(members: Members, quirks: Quirks) -> list[Warning]:
    """Bring settings into the provider's ranges and names, in place."""
    warnings = []
    for name in ("max_completion_tokens", "max_tokens"):
        if name != quirks.max_tokens_parameter and name in members:
            limit = members.pop(name)
            members.setdefault(quirks.max_tokens_parameter, limit)
    temperature = members.get("temperature")
    if isinstance(temperature, (int, float)) and temperature > quirks.temperature_maximum:
        members["temperature"] = quirks.temperature_maximum
        warnings.append(Warning("temperature", "changed"))
    stop = members.get("stop")
    if isinstance(stop, str):
        stop = [stop]
    if stop and quirks.stop_maximum is not None and len(stop) > quirks.stop_maximum:
        if quirks.stop_maximum:
            members["stop"] = stop[: quirks.stop_maximum]
        else:
            del members["stop"]
        warnings.append(Warning("stop", "changed" if quirks.stop_maximum else "dropped"))
    return warnings


def written_output(output: OutputFormat) -> Members:
    if output.kind == "json_object":
        return {"type": "json_object"}
    schema: Members = {"name": output.name}
    optional = {"schema": output.schema, "strict": output.strict, "description": output.description}
    schema |= {name: value for name, value in optional.items() if value is not None}
    return {"type": "json_schema", "json_schema": schema}


def fit_output(output: OutputFormat, quirks: Quirks, members: Members) -> list[Warning]:
    """Weaken `response_format` to what the provider knows; the schema is then told in words. In place."""
    strongest = quirks.structured_output
    if strongest == "json_schema" or (strongest == "json_object" and output.kind == "json_object"):
        return []
    if strongest == "json_object":
        members["response_format"] = {"type": "json_object"}
    else:
        members.pop("response_format", None)
    wanted = "Answer with one JSON object and nothing else."
    if output.schema is not None:
        wanted += f" It must match this JSON schema: {ENCODER.encode(output.schema).decode()}"
    members["messages"] = [{"role": quirks.system_role, "content": wanted}, *members["messages"]]
    return [Warning("response_format", "changed")]


def _write_output(output: OutputFormat, quirks: Quirks, members: Members) -> list[Warning]:
    members["response_format"] = written_output(output)
    return fit_output(output, quirks, members)


def _write_tools(request: Request, quirks: Quirks, members: Members) -> list[Warning]:
    warnings = []
    choice = request.tool_choice
    written = []
    for place, tool in enumerate(request.tools):
        if isinstance(tool, OpaqueTool):
            warnings.append(Warning(f"tools[{place}]", "dropped"))
        elif choice is None or choice.mode != "allowed" or tool.name in choice.names:
            if tool.strict is not None and not quirks.accepts_strict_tools:
                warnings.append(Warning(f"tools[{place}].strict", "dropped"))
            written.append(_tool(tool, quirks))
    if written:
        members["tools"] = written
    if choice is None or not written:
        members.pop("parallel_tool_calls", None)
        if choice is not None and choice.mode not in ("none", "auto"):
            warnings.append(Warning("tool_choice", "dropped"))
    if written and choice is not None:
        members["tool_choice"] = _choice(choice, request, quirks)
    return warnings


def _tool(tool: Tool, quirks: Quirks) -> Members:
    if tool.custom:
        custom: Members = {"name": tool.name}
        if tool.description is not None:
            custom["description"] = tool.description
        if tool.format is not None:
            grammar = {name: value for name, value in tool.format.items() if name != "type"}
            is_grammar = tool.format.get("type") == "grammar"
            custom["format"] = {"type": "grammar", "grammar": grammar} if is_grammar else tool.format
        return {"type": "custom", "custom": custom}
    function: Members = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None and quirks.accepts_strict_tools:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice, request: Request, quirks: Quirks) -> Any:
    if choice.mode == "tool":
        is_custom = any(isinstance(tool, Tool) and tool.custom and tool.name == choice.name for tool in request.tools)
        kind = "custom" if is_custom else "function"
        return {"type": kind, kind: {"name": choice.name}}
    if choice.mode == "required" or (choice.mode == "allowed" and choice.required):
        return quirks.required_tool_choice or "auto"
    return "none" if choice.mode == "none" else "auto"
