"""The payloads of contract §2, member by member."""

from typing import Any
from uuid import UUID

from proxy.canonical.accumulate import Block
from proxy.canonical.events import BlockKind, Citation
from proxy.canonical.ids import derived
from proxy.canonical.usage import Usage
from proxy.wire.codec import Head

REASONING = (BlockKind.REASONING, BlockKind.RAW_REASONING)
CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)
_UUID_VERSION = 4


def message_id(seed: str) -> str:
    """A UUID that is a function of the request's seed."""
    drawn = int.from_bytes(derived(32, seed, "message_id").encode(), "big") % (1 << 128)
    return str(UUID(int=drawn, version=_UUID_VERSION))


def stream_started(head: Head) -> dict[str, Any]:
    return {"request_id": head.request_id, "message_id": message_id(head.seed), "is_new_turn": True}


def tool(phase: str, name: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"phase": phase, "name": name, "details": details}


def citation(found: Citation) -> dict[str, Any]:
    """One item of `citations`; what is not known is left out."""
    item: dict[str, Any] = {"source": found.source, "title": found.title, "snippet": found.snippet}
    if found.url is not None:
        item["url"] = found.url
    if found.file_id is not None:
        item["attachment_id"] = found.file_id
    if found.start is not None and found.end is not None:
        item["span"] = {"start": found.start, "end": found.end}
    return item


def citations(found: list[Citation]) -> dict[str, Any]:
    """Each source once, in the order of their first mention."""
    return {"items": [citation(each) for each in dict.fromkeys(found)]}


def usage_member(usage: Usage) -> dict[str, int]:
    """Input is the whole prompt; the other figures are parts of it or of the output."""
    figures = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in figures.items() if count is not None}


def done(head: Head, usage: Usage) -> dict[str, Any]:
    figures = usage_member(usage)
    selected = head.request.model
    return {
        **({"usage": figures} if figures else {}),
        "effective_model": head.account.served_by or selected,
        "selected_model": selected,
        "quota_decision": head.account.quota_decision,
    }


def call_details(call_id: str, block: Block) -> dict[str, Any]:
    return {"call_id": call_id, "arguments": block.text}
