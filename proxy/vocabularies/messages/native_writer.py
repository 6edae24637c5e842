"""A request of this vocabulary for a provider of this vocabulary: the client's own body, patched where it must be."""

from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.request import OpaquePart, Reasoning, Request
from proxy.vocabularies.messages.citations import is_made_up
from proxy.vocabularies.messages.content_writer import fitted
from proxy.vocabularies.messages.parameters import COLUMN
from proxy.vocabularies.messages.request_writer import is_refused
from proxy.vocabularies.messages.thinking import OFF, fitted_effort, read_reasoning, write_reasoning
from proxy.wire.codec import Objection, Outgoing, Peer
from proxy.wire.quirks import Quirks

_MATERIAL = {"thinking": "signature", "redacted_thinking": "data", "compaction": "encrypted_content"}
_OURS = ("segue",)
_EFFORTS_WHILE_OFF = ("low", "medium", "high")
# What the counting endpoint takes of a request. Sources: anthropic (Python) 2.11, `message_count_tokens_params.py` in
# `types/` and in `types/beta/`, without what travels as a header.
COUNTED = ("messages", "model", "cache_control", "output_config", "speed", "system", "thinking", "tool_choice", "tools",
            "billing_policy", "compaction", "context_management", "mcp_servers")  # fmt: skip


def native_objections(request: Request, peer: Peer) -> list[Objection]:
    """A compaction may not be dropped, so its origin alone can take it back."""
    return [
        Objection("messages", "its compaction belongs to another provider")
        for part in request.parts()
        if isinstance(part, OpaquePart) and part.material and peer.seal.open(part.material) is None
    ]


def patch(request: Request, peer: Peer) -> Outgoing:
    body = {name: value for name, value in request.body.items() if name not in _OURS}
    warnings: list[Warning] = []
    body["model"] = peer.model
    body["messages"] = [_message(message, peer, warnings) for message in request.body["messages"]]
    _drop_emptied(body)
    _apply_quirks(request, peer.quirks, body, warnings)
    _fit_thinking(request, peer.quirks, body, warnings)
    return Outgoing(body, warnings)


def count_request(request: Request, peer: Peer) -> dict[str, Any] | None:
    """See `wire.codec.Downstream`."""
    if native_objections(request, peer):
        return None
    body = patch(request, peer).body
    return {name: body[name] for name in COUNTED if name in body}


def _message(message: dict[str, Any], peer: Peer, warnings: list[Warning]) -> dict[str, Any]:
    """The message itself, or a copy with its material opened, foreign thinking left out, call ids fitted."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    written = []
    answered = message.get("role") == "assistant"
    for block in content:
        if answered and block.get("type") == "text" and block.get("text") == "":
            continue  # what a restart puts in for its mark (contract §7); the API refuses it
        patched = _block(block, peer)
        if patched is not None:
            written.append(patched)
        elif block.get(_MATERIAL[block["type"]]) and Warning("reasoning", "dropped") not in warnings:
            warnings.append(Warning("reasoning", "dropped"))
    unchanged = len(written) == len(content) and all(new is old for new, old in zip(written, content, strict=True))
    return message if unchanged else {**message, "content": written}


def _block(block: dict[str, Any], peer: Peer) -> dict[str, Any] | None:
    kind = block.get("type")
    if kind == "text":
        citations = block.get("citations")
        if isinstance(citations, list) and any(is_made_up(citation) for citation in citations):
            return {**block, "citations": [citation for citation in citations if not is_made_up(citation)] or None}
        return block
    if kind in ("tool_use", "tool_result"):
        member = "id" if kind == "tool_use" else "tool_use_id"
        given = block[member]
        ours = fitted(given)
        return block if ours == given else {**block, member: ours}
    if kind not in _MATERIAL:
        return block
    member = _MATERIAL[kind]
    payload = block.get(member)
    if kind == "compaction" and not payload:
        return block
    material = peer.seal.open(payload) if payload else None
    if material is None:
        return None
    return block if material.payload == payload else {**block, member: material.payload}


def _drop_emptied(body: dict[str, Any]) -> None:
    """A turn that was nothing but somebody else's thinking is gone with it."""
    before = body["messages"]
    body["messages"] = [message for message in before if message.get("content") != [] or message["role"] == "user"]


def _apply_quirks(request: Request, quirks: Quirks, body: dict[str, Any], warnings: list[Warning]) -> None:
    for name in sorted(quirks.drop_parameters & request.parameters.keys()):
        member = "metadata" if name == "safety_identifier" else COLUMN[name].wire or name
        if body.pop(member, None) is not None:
            warnings.append(Warning(member, "dropped"))
    maximum = quirks.output_maximum
    if maximum is not None and body["max_tokens"] > maximum:
        body["max_tokens"] = maximum
        warnings.append(Warning("max_tokens", "changed"))
    temperature = body.get("temperature")
    if temperature is not None and temperature > quirks.temperature_maximum:
        body["temperature"] = quirks.temperature_maximum
        warnings.append(Warning("temperature", "changed"))
    stop = body.get("stop_sequences")
    if stop and quirks.stop_maximum is not None and len(stop) > quirks.stop_maximum:
        body["stop_sequences"] = stop[: quirks.stop_maximum]
        warnings.append(Warning("stop_sequences", "changed"))
    if not quirks.accepts_strict_tools and any(tool.get("strict") for tool in body.get("tools") or ()):
        body["tools"] = [{name: v for name, v in tool.items() if name != "strict"} for tool in body["tools"]]
        warnings.append(Warning("tools.strict", "dropped"))
    if quirks.structured_output != "json_schema" and request.output is not None:
        body.pop("output_format", None)
        config = {name: value for name, value in (body.get("output_config") or {}).items() if name != "format"}
        body["output_config"] = config
        if not config:
            del body["output_config"]
        warnings.append(Warning("output_config.format", "dropped"))


def _fit_thinking(request: Request, quirks: Quirks, body: dict[str, Any], warnings: list[Warning]) -> None:
    """The client wrote for one model; another may know only the other way to ask, or refuse a budget whose thinking
    blocks had to be left behind."""
    thinking = body.get("thinking") or {"type": ""}
    asked = {"enabled": "budget", "adaptive": "adaptive"}.get(thinking["type"])
    if thinking["type"] in OFF and quirks.thinking_off not in (None, thinking["type"]):
        _turn_off(quirks, body, warnings)
    if asked and quirks.thinking and asked != quirks.thinking:
        del body["thinking"]
        config = dict(body.pop("output_config", None) or {})
        reasoning = read_reasoning(thinking, config.pop("effort", None))
        assert reasoning is not None
        members = dict(write_reasoning(reasoning, quirks, body["max_tokens"]).members or {})
        warnings.append(Warning("thinking", "changed" if members else "dropped"))
        config |= members.pop("output_config", {})
        body |= members
        if config:
            body["output_config"] = config
    _fit_effort(quirks.efforts, body, warnings)
    if body.get("thinking") and is_refused({"thinking": body["thinking"]}, {}, body["messages"]):
        del body["thinking"]
        warnings.append(Warning("thinking", "dropped"))


def _turn_off(quirks: Quirks, body: dict[str, Any], warnings: list[Warning]) -> None:
    """Thinking turned off in this model's way, beside an effort that goes with it."""
    del body["thinking"]
    body |= write_reasoning(Reasoning(disabled=True), quirks, 0).members or {}
    warnings.append(Warning("thinking", "changed" if "thinking" in body else "dropped"))
    if "thinking" in body:
        _fit_effort(_EFFORTS_WHILE_OFF, body, warnings)


def _fit_effort(taken: tuple[str, ...] | None, body: dict[str, Any], warnings: list[Warning]) -> None:
    config = body.get("output_config") or {}
    word = config.get("effort")
    fits = word if taken is None or word is None else fitted_effort(word, taken)
    if fits != word:
        body["output_config"] = {**config, "effort": fits}
        warnings.append(Warning("output_config.effort", "changed"))
