"""Answers that are not streamed: folded from events, or a provider's own body with our ids."""

from collections.abc import Sequence
from typing import Any

from proxy.canonical import ids
from proxy.canonical.accumulate import Block, fold
from proxy.canonical.events import BlockKind, Event, Finished, Opened, Signed, StopReason
from proxy.vocabularies.chat import details
from proxy.vocabularies.chat.stream import annotation, answer_id, finish_reason
from proxy.vocabularies.chat.usage import written_usage
from proxy.wire.codec import Head

_REASONING = (BlockKind.REASONING, BlockKind.RAW_REASONING)
_CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)


def written(head: Head, events: Sequence[Event]) -> dict[str, Any]:
    """The chat.completion object that says what `events` say."""
    answer = fold(list(events))
    reason = answer.end.reason if isinstance(answer.end, Finished) else StopReason.END
    choices: dict[int, list[tuple[int, Block]]] = {0: []}
    for number, block in answer.blocks.items():
        choices.setdefault(block.choice, []).append((number, block))
    body: dict[str, Any] = {
        "id": answer_id(head),
        "object": "chat.completion",
        "created": head.created,
        "model": head.request.model,
        "choices": [_choice(index, blocks, reason, head.seed) for index, blocks in sorted(choices.items())],
    }
    usage = written_usage(answer.usage)
    if usage is not None:
        body["usage"] = usage
    body["segue"] = head.account.member()
    return body


def relayed(head: Head, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
    """A provider's answer with our ids, origin tags and account."""
    opened = iter([event for event in events if type(event) is Opened and event.kind in _CALLS])
    materials = iter([event.material for event in events if type(event) is Signed])
    choices = []
    for choice in body["choices"]:
        message = choice.get("message")
        if isinstance(message, dict):
            message = dict(message)
            if isinstance(message.get("reasoning_details"), list):
                message["reasoning_details"] = [
                    _tagged(entry, next(materials, ""))
                    if isinstance(entry, dict) and details.opaque_member(entry)
                    else entry
                    for entry in message["reasoning_details"]
                ]
            if message.get("tool_calls"):
                message["tool_calls"] = [
                    _renamed(call, next(opened, None), head.seed) for call in message["tool_calls"]
                ]
            choice = choice | {"message": message}
        choices.append(choice)
    ours = {"id": answer_id(head), "model": head.request.model, "choices": choices, "segue": head.account.member()}
    return body | ours


def _choice(index: int, blocks: list[tuple[int, Block]], reason: StopReason, seed: str) -> dict[str, Any]:
    text = "".join(block.text for _, block in blocks if block.kind is BlockKind.TEXT)
    refusal = "".join(block.text for _, block in blocks if block.kind is BlockKind.REFUSAL)
    calls = [_call(number, block, seed) for number, block in blocks if block.kind in _CALLS]
    thoughts = [block for _, block in blocks if block.kind in _REASONING]
    cited = [annotation(citation) for _, block in blocks for citation in block.citations]
    has_text = any(block.kind is BlockKind.TEXT for _, block in blocks)
    message: dict[str, Any] = {"role": "assistant", "content": text if has_text or not calls else None}
    message["refusal"] = refusal or None
    message["annotations"] = [entry for entry in cited if entry is not None]
    if any(block.text for block in thoughts):
        message["reasoning_content"] = "".join(block.text for block in thoughts)
    entries = _details(thoughts)
    if entries:
        message["reasoning_details"] = entries
    if calls:
        message["tool_calls"] = calls
    if refusal and not text:
        message["content"] = None
    said = finish_reason(reason, has_calls=bool(calls), has_refusal=bool(refusal))
    return {"index": index, "message": message, "logprobs": None, "finish_reason": said.decode()}


def _details(thoughts: list[Block]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    end = 0
    for block in thoughts:
        start, end = end, end + len(block.text)
        if block.material is not None:
            entries.append(details.minted(block.material, len(entries), start, end))
    return entries


def _call(number: int, block: Block, seed: str) -> dict[str, Any]:
    call = {"id": ids.call_id(seed, number, block.call_id)}
    if block.kind is BlockKind.CUSTOM_CALL:
        return call | {"type": "custom", "custom": {"name": block.name, "input": block.text}}
    return call | {"type": "function", "function": {"name": block.name, "arguments": block.text}}


def _renamed(call: Any, opened: Opened | None, seed: str) -> Any:
    if opened is None or not isinstance(call, dict):
        return call
    return call | {"id": ids.call_id(seed, opened.block, opened.call_id)}


def _tagged(entry: dict[str, Any], material: str) -> dict[str, Any]:
    return entry | {str(details.opaque_member(entry)): material}
