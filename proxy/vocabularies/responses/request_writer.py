"""Requests on their way to a provider that speaks this vocabulary: a client's own body, copied and patched.

Source: contract §3 (ids, opaque reasoning, store) and openai-python 3.52, `types/responses/response_input_param.py`.
"""

from typing import Any

from proxy.canonical.account import Warning
from proxy.canonical.ids import derived, fitted_call_id
from proxy.canonical.origin import Seal
from proxy.canonical.request import OpaquePart, Request
from proxy.vocabularies.responses.channels import COMPACTIONS
from proxy.vocabularies.responses.input_reader import NAME, item_type, taken_back
from proxy.vocabularies.responses.parameters import COLUMN
from proxy.vocabularies.responses.translation import translate, untranslatable
from proxy.wire.codec import Objection, Outgoing, Peer
from proxy.wire.effort import nearest
from proxy.wire.parameters import unmet
from proxy.wire.quirks import Quirks

_MODEL_ITEMS = ("message", "reasoning", "function_call", "custom_tool_call")
_RESULT_ITEMS = ("function_call_output", "custom_tool_call_output")
_OWN_IDS = frozenset((*_MODEL_ITEMS, *_RESULT_ITEMS))
# What the counting endpoint takes. Source: openai-python 3.52, `types/responses/input_token_count_params.py`.
COUNTED = ("input", "instructions", "model", "parallel_tool_calls", "personality", "reasoning", "text", "tool_choice",
            "tools", "truncation")  # fmt: skip
# Settings whose member is not called what the table calls them.
_INSIDE_TEXT = "verbosity"


def objections(request: Request, peer: Peer) -> list[Objection]:
    """Why this peer cannot serve `request`; empty = it can."""
    if request.continuation is not None:
        return [Objection("input", "an answer cannot be gone on with here")]
    if request.vocabulary != NAME:
        found = [Objection(name, f"'{name}': {COLUMN[name].note}") for name in unmet(request.parameters, COLUMN)]
        return found + untranslatable(request)
    return [
        Objection("input", f"an item of type '{part.type}' can only be read by the provider that made it")
        for part in request.parts()
        if isinstance(part, OpaquePart) and part.material is not None and peer.seal.open(part.material) is None
    ]


def write_request(request: Request, peer: Peer) -> Outgoing:
    warnings: list[Warning] = []
    if request.vocabulary == NAME:
        body = dict(request.body)
        body.pop("segue", None)
        if isinstance(body.get("input"), list):
            body["input"] = _input(body["input"], peer.seal, warnings)
    else:
        body, warnings = translate(request, peer)
    body["model"] = peer.model
    body["store"] = False
    _apply_quirks(body, peer.quirks, warnings)
    return Outgoing(body, warnings)


def count_request(request: Request, peer: Peer) -> dict[str, Any] | None:
    """See `wire.codec.Downstream`."""
    if objections(request, peer):
        return None
    body = write_request(request, peer).body
    return {name: body[name] for name in COUNTED if name in body}


def _input(items: list[Any], seal: Seal, warnings: list[Warning]) -> list[Any]:
    """The items without our ids, void messages and reasoning of other origins."""
    out = []
    gone = taken_back(items)
    for index, item in enumerate(items):
        if index in gone:
            continue
        kind = item_type(item)
        if kind in _OWN_IDS and "id" in item:
            item = {name: value for name, value in item.items() if name != "id"}
        if kind == "reasoning" or kind in COMPACTIONS:
            opened = _opened(item, seal)
            if opened is None:
                warnings.append(Warning(f"input[{index}]", "dropped"))
                continue
            item = opened
        out.append(item)
    return out


def _opened(item: dict[str, Any], seal: Seal) -> dict[str, Any] | None:
    """The item with its material as the provider issued it; None if this one may not have it, or if nothing is left
    that a provider keeping no state could use."""
    tagged = item.get("encrypted_content")
    if not isinstance(tagged, str) or not tagged:
        return item if item.get("content") else None
    material = seal.open(tagged)
    if material is None:
        return None
    return item if material.payload == tagged else {**item, "encrypted_content": material.payload}


def _apply_quirks(body: dict[str, Any], quirks: Quirks, warnings: list[Warning]) -> None:
    for name in quirks.drop_parameters:
        _drop(body, name, warnings)
    temperature = body.get("temperature")
    if temperature is not None and temperature > quirks.temperature_maximum:
        body["temperature"] = quirks.temperature_maximum
        warnings.append(Warning("temperature", "changed"))
    _fit_effort(body, quirks, warnings)
    if quirks.required_tool_choice != "required" and body.get("tool_choice") == "required":
        _weaken_choice(body, quirks, warnings)
    if quirks.structured_output != "json_schema":
        _weaken_format(body, quirks, warnings)
    if not quirks.accepts_strict_tools and body.get("tools"):
        body["tools"] = [{name: tool[name] for name in tool if name != "strict"} for tool in body["tools"]]
    if isinstance(body.get("input"), list):
        if quirks.system_role == "system":
            body["input"] = [_with_role(item, "developer", "system") for item in body["input"]]
        if quirks.call_id_length is not None or quirks.call_id_alphabet is not None:
            body["input"] = [_with_fitted_id(item, quirks) for item in body["input"]]


def _drop(body: dict[str, Any], name: str, warnings: list[Warning]) -> None:
    """Take a setting the provider rejects out of the body, wherever its member is."""
    if name == _INSIDE_TEXT and _INSIDE_TEXT in (body.get("text") or {}):
        body["text"] = {member: value for member, value in body["text"].items() if member != _INSIDE_TEXT}
    elif name in body and name not in ("store", _INSIDE_TEXT):
        if body.pop(name) is None:
            return
    else:
        return
    if all(warning.param != name for warning in warnings):
        warnings.append(Warning(name, "dropped"))


def _fit_effort(body: dict[str, Any], quirks: Quirks, warnings: list[Warning]) -> None:
    reasoning = body.get("reasoning") or {}
    word = reasoning.get("effort")
    if word is not None and (fits := nearest(word, quirks.efforts)) != word:
        body["reasoning"] = {**reasoning, "effort": fits}
        warnings.append(Warning("reasoning.effort", "changed"))


def _weaken_choice(body: dict[str, Any], quirks: Quirks, warnings: list[Warning]) -> None:
    if quirks.required_tool_choice is None:
        del body["tool_choice"]
        warnings.append(Warning("tool_choice", "dropped"))
    else:
        body["tool_choice"] = quirks.required_tool_choice


def _weaken_format(body: dict[str, Any], quirks: Quirks, warnings: list[Warning]) -> None:
    text = body.get("text") or {}
    kind = (text.get("format") or {}).get("type", "text")
    if kind == "text" or kind == quirks.structured_output:
        return
    weaker = {"type": "json_object"} if quirks.structured_output == "json_object" else {"type": "text"}
    body["text"] = {**text, "format": weaker}
    warnings.append(Warning("text.format", "changed"))


def _with_role(item: dict[str, Any], role: str, replacement: str) -> dict[str, Any]:
    return {**item, "role": replacement} if item.get("role") == role else item


def _with_fitted_id(item: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """The item with its call id in the provider's alphabet: a call and its result stay together."""
    ours = item.get("call_id")
    if not isinstance(ours, str):
        return item
    length = quirks.call_id_length or len(ours)
    if quirks.call_id_alphabet is None:
        return item if len(ours) == length else {**item, "call_id": derived(length, ours)}
    fits = len(ours) == length and set(ours) <= set(quirks.call_id_alphabet)
    return item if fits else {**item, "call_id": fitted_call_id(ours, quirks.call_id_alphabet, length)}
