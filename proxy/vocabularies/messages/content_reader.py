"""Turns and content blocks of a client's request. Source: anthropic (Python) 2.11, `types/message_param.py`,
`types/content_block_param.py`, `types/tool_result_block_param.py`, the `*_source_param.py` files."""

from typing import Any

import msgspec

from proxy.canonical.request import Document, Image, OpaquePart, Part, Text, Thinking, ToolCall, ToolResult, Turn
from proxy.errors import InvalidType
from proxy.wire.fields import Fields, json_type

_NAME = "messages"
_ROLES = ("user", "assistant", "system")
_encode = msgspec.json.Encoder().encode


def read_turns(fields: Fields) -> tuple[Turn, ...]:
    """`system` and `messages` as turns; tool results leave their user message for a turn of their own."""
    turns = []
    system = _parts(fields, "system")
    if system:
        turns.append(Turn("system", system))
    for message in fields.objects("messages", required=True):
        role = message.choice("role", _ROLES, required=True)
        if not message.has("content"):
            raise message.missing("content")
        turns += _turns(role, _parts(message, "content"))
    return tuple(turns)


def _turns(role: str, parts: tuple[Part, ...]) -> list[Turn]:
    if role != "user" or not any(isinstance(part, ToolResult) for part in parts):
        return [Turn(role, parts)]
    results = tuple(part for part in parts if isinstance(part, ToolResult))
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    return [Turn("tool", results), Turn("user", rest)] if rest else [Turn("tool", results)]


def _parts(owner: Fields, name: str) -> tuple[Part, ...]:
    """A string or an array of blocks."""
    content = owner.raw(name)
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),)
    if not isinstance(content, list):
        raise owner.wrong_type(name, "a string or an array of content blocks")
    return tuple(_part(block) for block in owner.objects(name))


def _part(block: Fields) -> Part:
    kind = block.text("type", required=True)
    match kind:
        case "text":
            return Text(block.text("text", required=True), cache=block.mapping("cache_control"))
        case "image" | "document":
            return _file(kind, block)
        case "thinking":
            return Thinking(block.text("thinking", ""), material=block.text("signature") or None)
        case "redacted_thinking":
            return Thinking(material=block.text("data", required=True), redacted=True)
        case "tool_use":
            return _call(block)
        case "tool_result":
            return ToolResult(
                call_id=block.text("tool_use_id", required=True),
                parts=_parts(block, "content"),
                failed=block.boolean("is_error", False),
                cache=block.mapping("cache_control"),
            )
        case "search_result":
            return _search_result(block)
        case "compaction":
            return OpaquePart(_NAME, kind, block.source, material=block.text("encrypted_content") or None)
        case _:
            return OpaquePart(_NAME, kind, block.source, droppable=_is_spent(kind))


def _is_spent(kind: str) -> bool:
    """What a hosted web search left behind: others can do without, the answer's text says what it found."""
    return kind in ("web_search_tool_result", "server_tool_use")


def _call(block: Fields) -> ToolCall:
    arguments = block.raw("input")
    if not isinstance(arguments, dict):
        place = block.at("input")
        raise InvalidType(f"Invalid type for '{place}': expected an object, got {json_type(arguments)}.", param=place)
    return ToolCall(
        id=block.text("id", required=True),
        name=block.text("name", required=True),
        arguments=_encode(arguments).decode(),
        cache=block.mapping("cache_control"),
    )


def _file(kind: str, block: Fields) -> Part:
    """An image or a document; a source of an unknown type is the provider's affair."""
    source = block.object("source", required=True)
    assert source is not None
    members: dict[str, Any]
    match source.text("type", required=True):
        case "base64":
            content, media_type = source.text("data", required=True), source.text("media_type", required=True)
            members = {"content": content, "media_type": media_type}
        case "url":
            members = {"url": source.text("url", required=True)}
        case "file":
            members = {"file_id": source.text("file_id", required=True)}
        case "text" if kind == "document":
            members = {"text": source.text("data", required=True), "media_type": "text/plain"}
        case _:
            return OpaquePart(_NAME, kind, block.source)
    cache = block.mapping("cache_control")
    if kind == "image":
        return Image(**members, cache=cache)
    return Document(**members, name=block.text("title"), cache=cache)


def _search_result(block: Fields) -> Document:
    """A search result is a short document with a title and an address."""
    texts = [part.text("text", "") for part in block.objects("content")]
    return Document(
        text="\n".join([f"{block.text('title', '')} ({block.text('source', '')})", *texts]),
        media_type="text/plain",
        name=block.text("title"),
        cache=block.mapping("cache_control"),
    )
