"""A client's `messages` as canonical turns.

Sources: openai-python 3.52 `types/chat/chat_completion_*_param.py`; `reasoning_content` in the history as
api-docs.deepseek.com/guides/thinking_mode has it; `reasoning` and `reasoning_details` as OpenRouterTeam/docs,
`guides/best-practices/reasoning-tokens.mdx`.
"""

from collections.abc import Callable
from typing import Any

from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.errors import InvalidRequest, InvalidType
from proxy.vocabularies.chat import details
from proxy.wire.fields import Fields, json_type

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_messages(fields: Fields) -> tuple[Turn, ...]:
    """Raises InvalidRequest naming the field."""
    messages = fields.objects("messages", required=True)
    if not messages:
        raise fields.wrong_value("messages", "at least one message is needed.")
    turns: list[Turn] = []
    legacy_calls: dict[str, str] = {}  # function name -> the id of its latest call
    for number, message in enumerate(messages):
        plain = _plain(message.source)
        if plain is not None:
            turns.append(plain)
            continue
        role = message.text("role", required=True)
        match role:
            case "system" | "developer":
                turns.append(Turn("system", _content(message, required=True), message.text("name")))
            case "user":
                turns.append(Turn("user", _content(message, required=True), message.text("name")))
            case "assistant":
                turns.append(Turn("assistant", _assistant(message, number, legacy_calls), message.text("name")))
            case "tool":
                call_id = message.text("tool_call_id", required=True)
                turns.append(Turn("tool", (ToolResult(call_id, _content(message, required=True)),)))
            case "function":
                name = message.text("name", required=True)
                call_id = legacy_calls.get(name, f"call_{name}")
                turns.append(Turn("tool", (ToolResult(call_id, _content(message)),)))
            case _:
                known = ("system", "developer", "user", "assistant", "tool", "function")
                message.choice("role", known)
    return tuple(turns)


def _plain(message: dict[str, Any]) -> Turn | None:
    """What most messages are, a role and a text, without asking for each member there might be."""
    role, content = message.get("role"), message.get("content")
    if len(message) != 2 or type(content) is not str or not content or type(role) is not str or role not in _ROLES:
        return None
    return Turn(_ROLES[role], (Text(content),))


def _assistant(message: Fields, number: int, legacy_calls: dict[str, str]) -> tuple[Part, ...]:
    parts: list[Part] = [*_thinking(message), *_content(message)]
    refusal = message.text("refusal")
    if refusal:
        parts.append(Refusal(refusal))
    for call in message.objects("tool_calls"):
        parts.append(_call(call))
    legacy = message.object("function_call")
    if legacy is not None:
        name = legacy.text("name", required=True)
        legacy_calls[name] = f"call_{number}_{name}"
        parts.append(ToolCall(legacy_calls[name], name, legacy.text("arguments", "")))
    audio = message.mapping("audio")
    if audio is not None:
        parts.append(OpaquePart("chat", "audio", audio))
    return tuple(parts)


def _thinking(message: Fields) -> list[Part]:
    """Each piece of round-trip material with the text it belongs to; text that belongs to none comes first."""
    text = _text_of(message.raw("reasoning_content")) or _text_of(message.raw("reasoning"))
    entries = [entry for entry in details.entries(message.raw("reasoning_details")) if details.opaque_member(entry)]
    if not entries:
        return [Thinking(text)] if text else []
    thoughts: list[Part] = []
    at = 0
    for entry in entries:
        material = entry[str(details.opaque_member(entry))]
        start, end = entry.get("start"), entry.get("end")
        if type(start) is int and type(end) is int and at <= start <= end <= len(text):
            if start > at:
                thoughts.append(Thinking(text[at:start]))
            thoughts.append(Thinking(text[start:end], material))
            at = end
        else:
            own = details.readable(entry)
            if own and text.startswith(own, at):
                at += len(own)
            thoughts.append(Thinking(own, material))
    if at < len(text):
        thoughts.append(Thinking(text[at:]))
    return thoughts


def _call(call: Fields) -> ToolCall:
    call_id = call.text("id", required=True)
    kind = call.text("type", "function")
    inner = _object(call, "custom" if kind == "custom" else "function")
    name = inner.text("name", required=True)
    if kind == "custom":
        return ToolCall(call_id, name, inner.text("input", ""), custom=True)
    return ToolCall(call_id, name, inner.text("arguments", ""), cache=call.mapping("cache_control"))


def _content(message: Fields, *, required: bool = False) -> tuple[Part, ...]:
    content = message.raw("content")
    if content is None:
        if required:
            raise message.missing("content")
        return ()
    if isinstance(content, str):
        return (Text(content),) if content or required else ()
    if not isinstance(content, list):
        raise message.wrong_type("content", "a string or an array")
    parts: list[Part] = []
    for index, part in enumerate(content):
        place = f"{message.at('content')}[{index}]"
        if not isinstance(part, dict):
            raise InvalidType(f"Invalid type for '{place}': expected an object, got {json_type(part)}.", param=place)
        fields = Fields(part, place)
        read = _PARTS.get(fields.text("type", required=True), _opaque)
        parts.append(read(fields))
    return tuple(parts)


def _text(part: Fields) -> Part:
    return Text(part.text("text", required=True), part.mapping("cache_control"))


def _refusal(part: Fields) -> Part:
    return Refusal(part.text("refusal", required=True))


def _image(part: Fields) -> Part:
    image = _object(part, "image_url")
    url: str = image.text("url", required=True)
    detail, cache = image.text("detail"), part.mapping("cache_control")
    if url.startswith("data:"):
        media_type, content = _split(url, image.at("url"))
        return Image(media_type=media_type, content=content, detail=detail, cache=cache)
    if not url.startswith(("http://", "https://")):
        place = image.at("url")
        raise InvalidRequest(f"Invalid value for '{place}': expected an http, https or data URL.", param=place)
    return Image(url=url, detail=detail, cache=cache)


def _audio(part: Fields) -> Part:
    audio = _object(part, "input_audio")
    return Audio(audio.text("format", required=True), audio.text("data", required=True))


def _file(part: Fields) -> Part:
    file = _object(part, "file")
    name, cache = file.text("filename"), part.mapping("cache_control")
    if file.has("file_id"):
        return Document(file_id=file.text("file_id"), name=name, cache=cache)
    content: str = file.text("file_data", required=True)
    if content.startswith("data:"):
        media_type, content = _split(content, file.at("file_data"))
        return Document(media_type=media_type, content=content, name=name, cache=cache)
    if content.startswith(("http://", "https://")):
        return Document(url=content, name=name, cache=cache)
    return Document(media_type="application/pdf", content=content, name=name, cache=cache)


def _opaque(part: Fields) -> Part:
    return OpaquePart("chat", part.source["type"], part.source)


_PARTS: dict[str, Callable[[Fields], Part]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}


def _split(url: str, place: str) -> tuple[str, str]:
    """The media type and the base64 of a data URL (RFC 2397), by slicing."""
    comma = url.find(",", 0, 200)
    described = url[5:comma]
    if comma < 0 or not described.endswith(";base64"):
        raise InvalidRequest(f"Invalid value for '{place}': expected a base64 data URL.", param=place)
    return described.removesuffix(";base64").split(";")[0] or "text/plain", url[comma + 1 :]


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(fields: Fields, name: str) -> Fields:
    """A view of a member that must be there."""
    return Fields(fields.mapping(name, required=True), fields.at(name))
