"""A request of another vocabulary for a provider of this one.

Sources: anthropic (Python) 2.11, `types/tool_param.py`, `types/tool_choice_param.py`, `types/output_config_param.py`;
the vendor's page build-with-claude/extended-thinking, "Feature compatibility", for what is refused while thinking; the
400s in BerriAI/litellm issues 15097 (temperature beside top_p) and 3286 (stop sequences of whitespace).
"""

from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.request import OpaqueTool, Request, Tool, ToolChoice
from proxy.vocabularies.messages.content_writer import ContentWriter, cached, part_objections
from proxy.vocabularies.messages.parameters import COLUMN, DEFAULT_MAX_TOKENS
from proxy.vocabularies.messages.thinking import OFF, lost_its_thinking, write_reasoning
from proxy.wire.codec import Objection, Outgoing, Peer
from proxy.wire.parameters import apply, unmet

_EMPTY_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
_LEAST_TOP_P_WHILE_THINKING = 0.95
FORCING = ("any", "tool")


def translation_objections(request: Request, peer: Peer) -> list[Objection]:
    """Why a request of another vocabulary cannot be written; empty = it can."""
    found = [Objection(name, "it cannot do that") for name in unmet(request.parameters, COLUMN)]
    for index, tool in enumerate(request.tools):
        if isinstance(tool, OpaqueTool) and not (tool.droppable and not _is_chosen(tool, request.tool_choice)):
            found.append(Objection(f"tools[{index}].type", f"it knows no tool of type '{tool.type}'"))
        elif isinstance(tool, Tool) and tool.custom:
            found.append(Objection(f"tools[{index}].type", "it knows no free-text tools"))
    return found + part_objections(request)


def _is_chosen(tool: OpaqueTool, choice: ToolChoice | None) -> bool:
    return choice is not None and choice.mode == "opaque" and choice.type == tool.type


def translate(request: Request, peer: Peer) -> Outgoing:
    quirks = peer.quirks
    content = ContentWriter(peer)
    content.write(request)
    body: dict[str, Any] = {"model": peer.model, "messages": content.messages}
    if content.system:
        body["system"] = content.system
    warnings = [Warning(name, "dropped") for name in request.unknown] + content.warnings
    body["max_tokens"] = quirks.output_maximum or DEFAULT_MAX_TOKENS
    warnings += apply(request.parameters, COLUMN, quirks.drop_parameters, body)
    if quirks.output_maximum is not None and body["max_tokens"] > quirks.output_maximum:
        body["max_tokens"] = quirks.output_maximum
        warnings.append(Warning("max_output_tokens", "changed"))
    _write_tools(request, peer, body, warnings)
    _write_output(request, peer, body, warnings)
    _write_reasoning(request, peer, body, warnings)
    _fit_sampling(peer, body, warnings)
    if request.stream:
        body["stream"] = True
    return Outgoing(body, warnings)


def _write_tools(request: Request, peer: Peer, body: dict[str, Any], warnings: list[Warning]) -> None:
    """Tools and the choice among them. Parameters may have left a choice that forbids parallel calls."""
    choice = request.tool_choice
    only = set(choice.names) if choice is not None and choice.mode == "allowed" else None
    written = []
    for index, tool in enumerate(request.tools):
        if isinstance(tool, OpaqueTool):
            warnings.append(Warning(f"tools[{index}].type={tool.type}", "dropped"))
        elif only is None or tool.name in only:
            written.append(_tool(tool, peer, index, warnings))
    one_at_a_time = body.pop("tool_choice", {})
    if not written:
        return
    body["tools"] = written
    kind = _choice_type(choice)
    if kind == "none":
        body["tool_choice"] = {"type": "none"}
    elif kind or one_at_a_time:
        named = {"name": choice.name} if kind == "tool" and choice is not None else {}
        body["tool_choice"] = {**one_at_a_time, "type": kind or "auto", **named}


def _choice_type(choice: ToolChoice | None) -> str:
    if choice is None or choice.mode == "opaque":
        return ""
    if choice.mode == "allowed":
        return "any" if choice.required else "auto"
    return {"required": "any"}.get(choice.mode, choice.mode)


def _tool(tool: Tool, peer: Peer, index: int, warnings: list[Warning]) -> dict[str, Any]:
    schema = tool.parameters or _EMPTY_SCHEMA
    written: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **schema}}
    if tool.description:
        written["description"] = tool.description
    if tool.strict and peer.quirks.accepts_strict_tools:
        written["strict"] = True
    elif tool.strict:
        warnings.append(Warning(f"tools[{index}].strict", "dropped"))
    return cached(written, tool.cache)


def _write_output(request: Request, peer: Peer, body: dict[str, Any], warnings: list[Warning]) -> None:
    output = request.output
    if output is None:
        return
    if output.kind == "json_schema" and output.schema is not None and peer.quirks.structured_output == "json_schema":
        body["output_config"] = {"format": {"type": "json_schema", "schema": output.schema}}
    else:
        warnings.append(Warning("output_format", "dropped"))


def _write_reasoning(request: Request, peer: Peer, body: dict[str, Any], warnings: list[Warning]) -> None:
    if request.reasoning is None:
        return
    thinking = write_reasoning(request.reasoning, peer.quirks, body["max_tokens"])
    members = thinking.members
    if members is not None and is_refused(members, body, body["messages"]):
        members = None
    if members is None:
        warnings.append(Warning("reasoning", "dropped"))
        return
    if thinking.changed:
        warnings.append(Warning("reasoning", "changed"))
    config = {**body.get("output_config", {}), **members.get("output_config", {})}
    body.update(members)
    if config:
        body["output_config"] = config


def is_refused(members: dict[str, Any], body: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
    """Whether the API would answer a thinking budget in this request with a 400. Adaptive thinking may do without the
    blocks (build-with-claude/adaptive-thinking, "Validation changes") and with a forced tool (pydantic-ai,
    `profiles/anthropic.py`)."""
    if members.get("thinking", {}).get("type") != "enabled":
        return False
    forced = body.get("tool_choice", {}).get("type") in FORCING
    return forced or lost_its_thinking(messages)


def _fit_sampling(peer: Peer, body: dict[str, Any], warnings: list[Warning]) -> None:
    """Temperature within its range and not beside top_p, nothing unusual while thinking, no stop sequence of mere
    whitespace."""
    thinks = body.get("thinking", {}).get("type", "disabled") not in OFF
    temperature = body.get("temperature")
    if temperature is not None and thinks and temperature != 1:
        _leave_out("temperature", body, warnings)
    elif temperature is not None and temperature > peer.quirks.temperature_maximum:
        body["temperature"] = peer.quirks.temperature_maximum
        warnings.append(Warning("temperature", "changed"))
    top_p = body.get("top_p")
    if top_p == 1:
        del body["top_p"]  # what it is anyway
    elif top_p is not None and ("temperature" in body or (thinks and top_p < _LEAST_TOP_P_WHILE_THINKING)):
        _leave_out("top_p", body, warnings)
    if thinks and "top_k" in body:
        _leave_out("top_k", body, warnings)
    _fit_stop(peer, body, warnings)


def _leave_out(name: str, body: dict[str, Any], warnings: list[Warning]) -> None:
    del body[name]
    warnings.append(Warning(name, "dropped"))


def _fit_stop(peer: Peer, body: dict[str, Any], warnings: list[Warning]) -> None:
    asked = body.get("stop_sequences")
    if asked is None:
        return
    kept = [sequence for sequence in asked if sequence.strip()][: peer.quirks.stop_maximum]
    if len(kept) < len(asked):
        warnings.append(Warning("stop", "changed" if kept else "dropped"))
    body["stop_sequences"] = kept
    if not kept:
        del body["stop_sequences"]
