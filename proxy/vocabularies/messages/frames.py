"""Frames of our own making. Source of the shapes: anthropic (Python) 2.11, `types/raw_message_start_event.py` and its
siblings; `type` stands first and `event:` repeats it, because the client drops a frame without one (`_streaming.py`).
"""

from typing import Any

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.usage import Usage
from proxy.vocabularies.messages.schema import ENCODE
from proxy.vocabularies.messages.usage import usage_member
from proxy.wire.sse import comment_bytes, frame_bytes

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
CONTENT_DELTA = b"content_block_delta"
DELTA_END = b"}}\n\n"


def frame(name: str, members: dict[str, Any]) -> bytes:
    return frame_bytes(ENCODE({"type": name, **members}), name.encode())


def delta_start(index: int, kind: bytes, member: bytes) -> bytes:
    """A delta frame up to its text; the JSON string and `DELTA_END` follow. The hot path's constant."""
    return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":' % (
        index,
        kind,
        member,
    )


def message_start(message_id: str, model: str, usage: Usage) -> bytes:
    return frame(
        "message_start",
        {
            "message": {
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": usage_member(usage),
            }
        },
    )


def notice_bytes(notice: Hop | Exhausted, mode: str) -> bytes:
    """A fallback notice as an event, as a comment, or not at all."""
    name = "fallback_start" if isinstance(notice, Hop) else "fallback_exhausted"
    if mode == "events":
        return frame(f"segue:{name}", notice.members())
    if mode == "comments":
        return comment_bytes(b"segue " + ENCODE({"event": name, **notice.members()}))
    return b""
