"""Requests from clients of this very vocabulary: a shallow copy, patched where the provider differs."""

from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.origin import is_tagged
from proxy.canonical.request import Request, Thinking
from proxy.vocabularies.chat import details
from proxy.vocabularies.chat.message_writer import fitted
from proxy.vocabularies.chat.prefill import ask_to_go_on
from proxy.vocabularies.chat.request_writer import Members, ask_for_stream, fit_output, fit_parameters
from proxy.wire.codec import Outgoing, Peer
from proxy.wire.effort import nearest
from proxy.wire.quirks import Quirks

_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details")
# Canonical names whose members are called otherwise here.
_MEMBERS = {
    "max_output_tokens": ("max_tokens", "max_completion_tokens"),
    "reasoning": ("reasoning_effort", "reasoning"),
    "output_format": ("response_format",),
}


def patch_request(request: Request, peer: Peer) -> Outgoing:
    quirks = peer.quirks
    members: Members = {**request.body, "model": peer.model}
    members.pop("segue", None)
    warnings = []
    for name in quirks.drop_parameters:
        for member in _MEMBERS.get(name, (name,)):
            if members.pop(member, None) is not None:
                warnings.append(Warning(member, "dropped"))
    warnings += fit_parameters(members, quirks) + _fit_effort(members, quirks)
    if not quirks.accepts_strict_tools and request.tools:
        warnings += _drop_strict(members)
    if quirks.required_tool_choice != "required" and members.get("tool_choice") == "required":
        members["tool_choice"] = quirks.required_tool_choice or "auto"
    if _needs_patches(request, quirks):
        members["messages"] = [_message(message, peer) for message in members["messages"]]
    if request.output is not None and "response_format" in members:
        warnings += fit_output(request.output, quirks, members)
    if request.stream:
        ask_for_stream(members, quirks)
    if request.continuation is not None:
        ask_to_go_on(request.continuation, quirks, members)
    return Outgoing(members, warnings)


def _needs_patches(request: Request, quirks: Quirks) -> bool:
    if quirks.call_id_length is not None:
        return True
    if any(type(part) is Thinking for turn in request.turns for part in turn.parts):
        return True
    return quirks.system_role == "system" and any(turn.role == "system" for turn in request.turns)


def _message(message: Members, peer: Peer) -> Members:
    quirks = peer.quirks
    if message["role"] == "developer" and quirks.system_role == "system":
        return message | {"role": "system"}
    if quirks.call_id_length is not None:
        if message.get("tool_calls"):
            calls = [call | {"id": fitted(call["id"], quirks)} for call in message["tool_calls"]]
            message = message | {"tool_calls": calls}
        if message["role"] == "tool":
            return message | {"tool_call_id": fitted(message["tool_call_id"], quirks)}
    if message["role"] == "assistant" and any(name in message for name in _THOUGHTS):
        return _with_thoughts(message, peer)
    return message


def _with_thoughts(message: Members, peer: Peer) -> Members:
    """Reasoning in the history: only where the provider takes it, under its name, opaque parts only at their origin."""
    patched = {name: value for name, value in message.items() if name not in _THOUGHTS}
    quirks = peer.quirks
    if not quirks.accepts_reasoning_history:
        return patched
    text = message.get("reasoning_content") or message.get("reasoning")
    if text:
        patched[quirks.reasoning_field] = text
    entries = [_entry(entry, text if isinstance(text, str) else "", peer) for entry in _entries(message)]
    kept = [entry for entry in entries if entry is not None]
    return patched | ({"reasoning_details": kept} if kept else {})


def _entries(message: Members) -> list[Members]:
    return details.entries(message.get("reasoning_details"))


def _entry(entry: Members, text: str, peer: Peer) -> Members | None:
    member = details.opaque_member(entry)
    if member is None:
        return entry
    material: str = entry[member]
    if not is_tagged(material):
        return entry if peer.seal.takes_untagged else None
    start, end = entry.get("start"), entry.get("end")
    is_ours = type(start) is int and type(end) is int
    return details.opened(material, text[start:end] if is_ours else details.readable(entry), peer.seal)


def _fit_effort(members: Members, quirks: Quirks) -> list[Warning]:
    word = members.get("reasoning_effort")
    if word is None or nearest(word, quirks.efforts) == word:
        return []
    members["reasoning_effort"] = nearest(word, quirks.efforts)
    return [Warning("reasoning_effort", "changed")]


def _drop_strict(members: Members) -> list[Warning]:
    warnings = []
    patched: list[Any] = []
    for place, tool in enumerate(members["tools"] if members.get("tools") else ()):
        function = tool.get("function")
        if isinstance(function, dict) and "strict" in function:
            function = {name: value for name, value in function.items() if name != "strict"}
            tool = tool | {"function": function}
            warnings.append(Warning(f"tools[{place}].function.strict", "dropped"))
        patched.append(tool)
    if warnings:
        members["tools"] = patched
    return warnings
