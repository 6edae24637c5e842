"""How many tokens a request may come to, before anybody has counted them.

Text is told by its bytes: four of ASCII, or two of anything else, make a token. It errs on the side of more
(contract §9); what is charged in the end is what the provider reports."""

from collections.abc import Iterable
from typing import Any

import msgspec

from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    OpaqueTool,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

_encode = msgspec.json.Encoder().encode
_ASCII_PER_TOKEN, _OTHERS_PER_TOKEN = 4, 2


class Surcharges(msgspec.Struct, frozen=True):
    """Tokens that stand for what is no text. `overhead`: of every request; `turn`, `tool`: of each, for the words a
    provider puts around them. The data of an image or a file is never counted as text."""

    overhead: int = 100
    turn: int = 4
    tool: int = 20
    image: int = 1_000
    document: int = 4_000
    audio: int = 2_000
    margin_percent: int = 10


def tokens_of_bytes(ascii_bytes: int, other_bytes: int) -> int:
    """Rounded up."""
    return -(
        -(ascii_bytes * _OTHERS_PER_TOKEN + other_bytes * _ASCII_PER_TOKEN) // (_ASCII_PER_TOKEN * _OTHERS_PER_TOKEN)
    )


class Bytes:
    """Adds up text by what it takes in UTF-8."""

    __slots__ = ("ascii", "others")

    def __init__(self) -> None:
        self.ascii = 0
        self.others = 0

    def add(self, text: str) -> None:
        if text.isascii():
            self.ascii += len(text)
            return
        encoded = text.encode("utf-8", "surrogatepass")
        others = len(encoded.translate(None, _ASCII))
        self.others += others
        self.ascii += len(encoded) - others

    @property
    def tokens(self) -> int:
        return tokens_of_bytes(self.ascii, self.others)


_ASCII = bytes(range(128))


def estimated_prompt(request: Request, surcharges: Surcharges) -> int:
    """Tokens of the prompt, with the margin."""
    text = Bytes()
    extra = surcharges.overhead + surcharges.turn * len(request.turns) + surcharges.tool * len(request.tools)
    for turn in request.turns:
        extra += _add_parts(text, turn.parts, surcharges)
    for tool in request.tools:
        _add_tool(text, tool)
    if request.output is not None and request.output.schema is not None:
        _add_json(text, request.output.schema)
    if request.continuation is not None:
        text.add(request.continuation.text)
    return -(-(text.tokens + extra) * (100 + surcharges.margin_percent) // 100)


def _add_parts(text: Bytes, parts: Iterable[Part], surcharges: Surcharges) -> int:
    """Adds their text; returns what stands for the rest."""
    extra = 0
    for part in parts:
        match part:
            case Text() | Refusal() | Thinking():
                text.add(part.text)
                if isinstance(part, Thinking) and part.material:
                    text.add(part.material)
            case ToolCall():
                text.add(part.name)
                text.add(part.arguments)
            case ToolResult():
                extra += _add_parts(text, part.parts, surcharges)
            case Image():
                extra += surcharges.image
            case Document():
                if part.text is not None:
                    text.add(part.text)
                else:
                    extra += surcharges.document
            case Audio():
                extra += surcharges.audio
            case OpaquePart():
                _add_json(text, part.content)
    return extra


def _add_tool(text: Bytes, tool: Tool | OpaqueTool) -> None:
    if isinstance(tool, OpaqueTool):
        _add_json(text, tool.content)
        return
    text.add(tool.name)
    text.add(tool.description or "")
    for schema in (tool.parameters, tool.format):
        if schema is not None:
            _add_json(text, schema)


def _add_json(text: Bytes, value: dict[str, Any]) -> None:
    text.add(_encode(value).decode())
