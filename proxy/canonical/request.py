"""What a client asks for, in nobody's words. Read by a vocabulary's downstream role, written by any upstream role."""

from typing import Any

import msgspec


class Text(msgspec.Struct, frozen=True):
    text: str
    cache: dict[str, Any] | None = None  # prompt-cache breakpoint, as written


class Refusal(msgspec.Struct, frozen=True):
    text: str


class Image(msgspec.Struct, frozen=True):
    """By `url` (http or https), by `content` (base64, never decoded) with `media_type`, or by provider `file_id`."""

    url: str | None = None
    media_type: str | None = None
    content: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: dict[str, Any] | None = None


class Document(msgspec.Struct, frozen=True):
    """A file: like `Image`, or plain `text`."""

    url: str | None = None
    media_type: str | None = None
    content: str | None = None
    file_id: str | None = None
    text: str | None = None
    name: str | None = None
    cache: dict[str, Any] | None = None


class Audio(msgspec.Struct, frozen=True):
    format: str
    content: str


class Thinking(msgspec.Struct, frozen=True):
    """Reasoning sent back. `material` is opaque (tagged or not, see `origin.py`); `redacted` has no readable text."""

    text: str = ""
    material: str | None = None
    redacted: bool = False


class ToolCall(msgspec.Struct, frozen=True):
    """`arguments` is the JSON text of an object, or free text when `custom`."""

    id: str
    name: str
    arguments: str
    custom: bool = False
    cache: dict[str, Any] | None = None


class ToolResult(msgspec.Struct, frozen=True):
    call_id: str
    parts: "tuple[Part, ...]" = ()
    failed: bool = False
    custom: bool = False
    cache: dict[str, Any] | None = None


class OpaquePart(msgspec.Struct, frozen=True):
    """An item or content part only its own vocabulary understands. `droppable` ones may be left out elsewhere;
    `bound` ones carry `material` that only its origin can read."""

    vocabulary: str
    type: str
    content: dict[str, Any]
    droppable: bool = False
    material: str | None = None


Part = Text | Refusal | Image | Document | Audio | Thinking | ToolCall | ToolResult | OpaquePart


class Turn(msgspec.Struct, frozen=True):
    """role: system | user | assistant | tool. Tool results live in `tool` turns only."""

    role: str
    parts: tuple[Part, ...]
    name: str | None = None


class Tool(msgspec.Struct, frozen=True):
    """A function (`parameters`: JSON schema) or, when `custom`, a free-text tool with an optional grammar `format`."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    custom: bool = False
    format: dict[str, Any] | None = None
    cache: dict[str, Any] | None = None


class OpaqueTool(msgspec.Struct, frozen=True):
    """A tool type only its own vocabulary understands. `droppable`: translations may leave it out with a warning."""

    vocabulary: str
    type: str
    content: dict[str, Any]
    droppable: bool = False


class ToolChoice(msgspec.Struct, frozen=True):
    """mode: auto | none | required | tool (then `name`) | allowed (then `names`, `required`) | opaque (then `type`)."""

    mode: str
    name: str | None = None
    names: tuple[str, ...] = ()
    required: bool = False
    type: str | None = None


class OutputFormat(msgspec.Struct, frozen=True):
    """kind: json_object | json_schema. Absent = plain text."""

    kind: str
    name: str = "response"
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class Reasoning(msgspec.Struct, frozen=True):
    """How hard to think. effort: none | minimal | low | medium | high | xhigh | max; `budget` in tokens;
    `adaptive`: the model decides. `summary`: auto | concise | detailed."""

    effort: str | None = None
    budget: int | None = None
    adaptive: bool = False
    disabled: bool = False
    summary: str | None = None


class Continuation(msgspec.Struct, frozen=True):
    """An answer that broke off and is to be gone on with: `text` is what it said, without whitespace at its end;
    `limit`: how many tokens may follow, None = as many as would in any case."""

    text: str
    limit: int | None = None


class Request(msgspec.Struct, frozen=True):
    """One generation request.

    `body` is the client's JSON object as parsed (once), never changed: same-vocabulary writers copy and patch it.
    `source` is its text where that is large: what a writer leaves as it is need not be written anew.
    `parameters` holds every other setting under its canonical name (`wire/parameters.py`); only those the client sent.
    `unknown` lists top-level members nobody translates: they pass to the same vocabulary and are dropped elsewhere.
    `continuation` is never a client's: it is set where another provider takes an answer over.
    """

    vocabulary: str
    model: str
    body: dict[str, Any]
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool | OpaqueTool, ...] = ()
    tool_choice: ToolChoice | None = None
    output: OutputFormat | None = None
    reasoning: Reasoning | None = None
    parameters: dict[str, Any] = {}
    unknown: tuple[str, ...] = ()
    stream: bool = False
    stream_usage: bool = True  # whether the client wants usage in the stream
    source: bytes = b""
    continuation: Continuation | None = None

    def parts(self) -> "list[Part]":
        """Every part of every turn, results' inner parts included."""
        out: list[Part] = []
        for turn in self.turns:
            for part in turn.parts:
                out.append(part)
                if isinstance(part, ToolResult):
                    out.extend(part.parts)
        return out
