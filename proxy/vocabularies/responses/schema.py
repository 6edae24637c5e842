"""Views of what a provider sends: only the members we read, checked for their types. Source: openai-python 3.52,
`types/responses/*_event.py`, `response_output_item.py`."""

from typing import Any

import msgspec


class View(msgspec.Struct):
    """Any event, as far as the hot path needs it. Shell output deltas are objects; all others are strings."""

    type: str = ""
    delta: str | dict[str, Any] = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    error: dict[str, Any] | str | None = None


class Part(msgspec.Struct):
    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None

    @property
    def words(self) -> str:
        return (self.refusal if self.type == "refusal" else self.text) or ""


class Item(msgspec.Struct):
    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: Any = None  # an object in some hosted calls
    input: Any = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    status: str | None = None


class Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None


class IncompleteDetails(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    object: str = ""
    status: str | None = None
    output: list[Item] | None = None
    usage: Usage | None = None
    error: dict[str, Any] | None = None
    error_type: Any = None  # a gateway's own word, finer than the codes of this wire
    incomplete_details: IncompleteDetails | None = None


class ItemEvent(msgspec.Struct):
    item: Item
    output_index: int = 0


class PartEvent(msgspec.Struct):
    part: Part
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0


class DoneEvent(msgspec.Struct):
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None


class AnnotationEvent(msgspec.Struct):
    annotation: dict[str, Any] | None = None
    output_index: int = 0
    content_index: int = 0


class ResponseEvent(msgspec.Struct):
    response: Response
