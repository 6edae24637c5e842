"""Views of what a provider sends: only the members we read. Source: anthropic (Python) 2.11, `types/raw_*_event.py`,
`types/content_block.py`. Figures stay untyped: a wrong one is no reason to lose an answer."""

from typing import Annotated, Any, Literal

import msgspec


class DeltaView(msgspec.Struct):
    """The delta of a content block or of the message."""

    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str | None = None
    encrypted_content: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    delta: DeltaView | None = None
    content_block: dict[str, Any] | None = None
    message: Any = None  # a text in the errors of others
    usage: Any = None
    error: Any = None


class TextView(msgspec.Struct):
    """A text delta and nothing else."""

    type: Literal["text_delta"]
    text: Annotated[str, msgspec.Meta(min_length=1)]


class TextDelta(msgspec.Struct):
    """The frame of a text delta."""

    type: Literal["content_block_delta"]
    index: int
    delta: TextView
    error: None = None


TEXT_DELTA = msgspec.json.Decoder(TextDelta)
EVENT = msgspec.json.Decoder(Event)
DECODE = msgspec.json.Decoder(dict[str, Any]).decode
ENCODE = msgspec.json.Encoder().encode


def text_of(value: Any) -> str:
    """`value` if it is a string, else empty."""
    return value if isinstance(value, str) else ""
