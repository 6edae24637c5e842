"""Input items as canonical turns. Source: openai-python 3.52, `types/responses/response_input_param.py`.

Items this vocabulary alone understands become opaque parts; only what would fail at every provider is refused.
"""

from collections.abc import Sequence
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
from proxy.errors import InvalidRequest, InvalidType, UnsupportedParameter
from proxy.vocabularies.responses.channels import COMPACTIONS
from proxy.wire.fields import Fields, json_type

NAME = "responses"
_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_TEXTS = ("input_text", "output_text", "text")
# Parts of a history nobody else needs to know: what was found is in the text already.
_DROPPABLE_ITEMS = ("web_search_call",)


def read_input(fields: Fields) -> list[Turn]:
    """The turns of `input`. Raises InvalidRequest and its kin, naming the place."""
    given = fields.raw("input")
    if isinstance(given, str):
        return [Turn("user", (Text(given),))]
    if not isinstance(given, list):
        raise fields.wrong_type("input", "a string or an array")
    turns: list[tuple[str, list[Part]]] = []
    items = fields.objects("input")
    gone = taken_back([item.source for item in items])
    for index, item in enumerate(items):
        if index in gone:
            continue
        role, parts = _item(item)
        # A provider's own items in a row are one turn, as are tool results; a client's messages stay apart.
        joins = turns and turns[-1][0] == role and (role == "tool" or role == "assistant")
        if joins:
            turns[-1][1].extend(parts)
        else:
            turns.append((role, parts))
    return [Turn(role, tuple(parts)) for role, parts in turns]


def taken_back(items: Sequence[dict[str, Any]]) -> set[int]:
    """The places of items that a restart voided (contract §7), and of the thoughts right before them: what they led to
    is gone, and a provider refuses reasoning without the item that follows it."""
    gone: set[int] = set()
    for index, item in enumerate(items):
        if _is_void(item):
            gone.add(index)
            before = index - 1
            while before >= 0 and items[before].get("type") == "reasoning":
                gone.add(before)
                before -= 1
    return gone


def _is_void(item: dict[str, Any]) -> bool:
    """Thoughts that were only cut short have a summary, or something their provider can read."""
    if item.get("status") != "incomplete" or item.get("content") != []:
        return False
    kind = item.get("type")
    return kind == "message" or (kind == "reasoning" and not item.get("summary") and not item.get("encrypted_content"))


def item_type(item: dict[str, Any]) -> str:
    """The item's type; messages and references may leave it out."""
    kind = item.get("type")
    if kind is None:
        return "message" if "role" in item else "item_reference"
    return kind if isinstance(kind, str) else ""


def _item(item: Fields) -> tuple[str, list[Part]]:
    kind = item_type(item.source)
    if not kind:
        raise item.wrong_type("type", "a string")
    if kind == "item_reference":
        raise UnsupportedParameter(
            "Item references need stored items, which this proxy does not keep: send the items themselves.",
            param=item.path,
        )
    if kind == "message":
        return _message(item)
    if kind == "function_call":
        return "assistant", [
            ToolCall(_call_id(item), item.text("name", required=True), item.text("arguments", "") or "{}")
        ]
    if kind == "custom_tool_call":
        name = item.text("name", required=True)
        return "assistant", [ToolCall(_call_id(item), name, item.text("input", ""), custom=True)]
    if kind in ("function_call_output", "custom_tool_call_output") and item.has("call_id"):
        custom = kind == "custom_tool_call_output"
        return "tool", [ToolResult(_call_id(item), _output(item), custom=custom)]
    if kind == "reasoning":
        return "assistant", [_thinking(item)]
    material = item.text("encrypted_content") if kind in COMPACTIONS else None
    opaque = OpaquePart(NAME, kind, item.source, droppable=kind in _DROPPABLE_ITEMS, material=material)
    return "tool" if kind.endswith("_output") else "assistant", [opaque]


def _call_id(item: Fields) -> str:
    found: str = item.text("call_id", required=True)
    return found


def _message(item: Fields) -> tuple[str, list[Part]]:
    role = item.choice("role", tuple(_ROLES), required=True)
    content = item.raw("content")
    if isinstance(content, str):
        return _ROLES[role], [Text(content)]
    if content is not None and not isinstance(content, list):
        raise item.wrong_type("content", "a string or an array")
    return _ROLES[role], [read_part(part) for part in item.objects("content")]


def _output(item: Fields) -> tuple[Part, ...]:
    output = item.raw("output")
    if output is None or isinstance(output, str):
        return (Text(output or ""),)
    if not isinstance(output, list):
        raise item.wrong_type("output", "a string or an array")
    return tuple(read_part(part) for part in item.objects("output"))


def _thinking(item: Fields) -> Thinking:
    texts = [part.text("text", "") for name in ("summary", "content") for part in item.objects(name)]
    material = item.text("encrypted_content")
    text = "\n\n".join(text for text in texts if text)
    return Thinking(text, material, redacted=not text and material is not None)


def read_part(part: Fields) -> Part:
    """One content part of a message or a tool result."""
    kind = part.text("type", required=True)
    if kind in _TEXTS:
        return Text(part.text("text", required=True))
    if kind == "refusal":
        return Refusal(part.text("refusal", required=True))
    if kind == "input_image":
        return _image(part)
    if kind == "input_file":
        return _document(part)
    if kind == "input_audio":
        audio = part.object("input_audio", required=True)
        assert audio is not None
        return Audio(audio.text("format", required=True), audio.text("data", required=True))
    return OpaquePart(NAME, kind, part.source)


def _image(part: Fields) -> Image:
    detail = part.text("detail")
    file_id = part.text("file_id")
    url = part.text("image_url", required=file_id is None)
    if url is None:
        return Image(file_id=file_id, detail=detail)
    media_type, content = split_data_url(url)
    if media_type is None:
        if not url.startswith(("http://", "https://")):
            raise part.wrong_value("image_url", "expected an http(s) URL or a base64 data URL.")
        return Image(url=url, detail=detail)
    return Image(media_type=media_type, content=content, detail=detail)


def _document(part: Fields) -> Document:
    name = part.text("filename")
    if part.has("file_url"):
        return Document(url=part.text("file_url"), name=name)
    if part.has("file_data"):
        text = part.text("file_data")
        media_type, content = split_data_url(text)
        # Bare base64 is taken too; a PDF is what it nearly always is.
        return Document(
            media_type=media_type or "application/pdf", content=text if content is None else content, name=name
        )
    if part.has("file_id"):
        return Document(file_id=part.text("file_id"), name=name)
    raise InvalidRequest(f"Invalid value for '{part.path}': expected file_url, file_data or file_id.", param=part.path)


def split_data_url(url: str) -> tuple[str | None, str | None]:
    """Media type and base64 text of a data URL, cut apart without decoding; (None, None) for any other URL."""
    if not url.startswith("data:"):
        return None, None
    head, comma, content = url[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        return None, None
    return head.removesuffix(";base64").partition(";")[0] or "application/octet-stream", content


def objects_only(fields: Fields, name: str) -> list[Fields]:
    """Views of an array of objects that each have a string `type`."""
    found = fields.objects(name)
    for entry in found:
        if not isinstance(entry.raw("type"), str):
            raise InvalidType(
                f"Invalid type for '{entry.at('type')}': expected a string, got {json_type(entry.raw('type'))}.",
                param=entry.at("type"),
            )
    return found
