"""Turns of other vocabularies as `system` and `messages`.

Sources: anthropic (Python) 2.11, `types/message_create_params.py` (turns of one role in a row are one turn),
`types/content_block_param.py`; the vendor's page agents-and-tools/tool-use/handle-tool-calls (results come first in the
user message that follows the calls).
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from proxy.canonical.account import Warning
from proxy.canonical.ids import fitted_call_id
from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    OpaquePart,
    Part,
    Refusal,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.wire.codec import Objection, Peer
from proxy.wire.fields import is_too_deep

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_PDF = "application/pdf"
# The API's own pattern, from its 400s, is ^[a-zA-Z0-9_-]+$; the length is our caution.
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_FITTED_LENGTH = 24


class ContentWriter:
    """One request's content. Afterwards `system` and `messages` are what the body holds, `warnings` what was lost."""

    def __init__(self, peer: Peer) -> None:
        self.system: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.warnings: list[Warning] = []
        self._peer = peer

    def write(self, request: Request) -> None:
        for turn in request.turns:
            if turn.role == "system":
                self._instruct(turn)
            else:
                self._append("assistant" if turn.role == "assistant" else "user", self._blocks(turn.parts))
        if not self.messages:
            # Nothing but instructions: the API wants a message, so they are one.
            self._append("user", self.system)
            self.system = []
        self._trim_prefill()

    def _instruct(self, turn: Turn) -> None:
        self.system += self._blocks(turn.parts)
        if self.messages:
            self._warn("system", "changed")

    def _append(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        content = self.messages[-1]["content"]
        content += blocks
        if role == "user":
            content.sort(key=lambda block: block["type"] != "tool_result")  # stable: results first

    def _trim_prefill(self) -> None:
        """A last assistant turn is continued, and may not end in whitespace (a 400: "final assistant content cannot end
        with trailing whitespace")."""
        last = self.messages[-1] if self.messages else None
        if last is None or last["role"] != "assistant" or last["content"][-1]["type"] != "text":
            return
        block = last["content"][-1]
        block["text"] = block["text"].rstrip()
        if not block["text"]:
            last["content"].pop()
            if not last["content"]:
                self.messages.pop()

    def _blocks(self, parts: Iterable[Part]) -> list[dict[str, Any]]:
        written = (self._block(part) for part in parts)
        return [block for block in written if block is not None]

    def _block(self, part: Part) -> dict[str, Any] | None:
        match part:
            case Text(text=text, cache=cache):
                return cached({"type": "text", "text": text}, cache) if text else None
            case Refusal(text=text):
                return {"type": "text", "text": text} if text else None
            case Thinking():
                return self._thinking(part)
            case ToolCall():
                return self._call(part)
            case ToolResult():
                return self._result(part)
            case Image():
                if part.detail not in (None, "auto"):
                    self._warn("detail", "dropped")
                return cached({"type": "image", "source": _source(part)}, part.cache)
            case Document():
                title = {"title": part.name} if part.name else {}
                return cached({"type": "document", "source": _source(part), **title}, part.cache)
            case OpaquePart():
                self._warn(part.type, "dropped")
            case Audio():
                self._warn("audio", "dropped")
        return None

    def _thinking(self, part: Thinking) -> dict[str, Any] | None:
        """Only what this provider signed goes back to it: a tag of ours says so, nothing else can."""
        material = self._peer.seal.open(part.material) if part.material else None
        if material is not None and material.form == "signature":
            return {"type": "thinking", "thinking": part.text, "signature": material.payload}
        if material is not None and material.form == "redacted":
            return {"type": "redacted_thinking", "data": material.payload}
        if part.material:
            self._warn("reasoning", "dropped")
        return None

    def _call(self, part: ToolCall) -> dict[str, Any]:
        arguments = {"input": part.arguments} if part.custom else self._arguments(part.arguments)
        block = {"type": "tool_use", "id": fitted(part.id), "name": part.name, "input": arguments}
        return cached(block, part.cache)

    def _arguments(self, text: str) -> dict[str, Any]:
        try:
            parsed = msgspec.json.decode(text or "{}")
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            parsed = None
        if isinstance(parsed, dict) and not is_too_deep(parsed):
            return parsed
        self._warn("arguments", "changed")
        return {"arguments": text}

    def _result(self, part: ToolResult) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": fitted(part.call_id)}
        if content := self._blocks(part.parts):
            block["content"] = content
        if part.failed:
            block["is_error"] = True
        return cached(block, part.cache)

    def _warn(self, param: str, action: str) -> None:
        warning = Warning(param, action)
        if warning not in self.warnings:
            self.warnings.append(warning)


def cached(block: dict[str, Any], cache: dict[str, Any] | None) -> dict[str, Any]:
    """The block with its prompt-cache breakpoint, if it has one."""
    return {**block, "cache_control": cache} if cache else block


def fitted(call_id: str) -> str:
    """The id itself, or the same stand-in for it every time."""
    return call_id if _CALL_ID.match(call_id) else "call_" + fitted_call_id(call_id, _ALPHABET, _FITTED_LENGTH)


def _source(part: Image | Document) -> dict[str, Any]:
    if part.content is not None:
        media_type = part.media_type or (_PDF if isinstance(part, Document) else "image/png")
        return {"type": "base64", "media_type": media_type, "data": part.content}
    if isinstance(part, Document) and part.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": part.text}
    return {"type": "url", "url": part.url}


def part_objections(request: Request) -> list[Objection]:
    """The parts of another vocabulary's request that no block can carry."""
    found = []
    for number, turn in enumerate(request.turns):
        for part in turn.parts:
            inner = (part, *part.parts) if isinstance(part, ToolResult) else (part,)
            found += [Objection(f"input[{number}].{why[0]}", why[1]) for each in inner if (why := _unfit(each))]
    return found


def _unfit(part: Part) -> tuple[str, str] | None:
    match part:
        case Audio():
            return "audio", "it takes no audio"
        case OpaquePart(droppable=False):
            return "type", f"it knows no item or content of type '{part.type}'"
        case Image(content=str(), media_type=str() as kind) if kind not in IMAGE_TYPES:
            return "image", f"it takes no images of type {kind}"
        case Document(content=str(), media_type=kind) if kind not in (None, _PDF):
            return "file", f"of encoded files it takes only PDF, not {kind}"
        case Image(file_id=str(), url=None, content=None) | Document(file_id=str(), url=None, content=None, text=None):
            return "file_id", "a file id is known only to the provider that issued it"
    return None
