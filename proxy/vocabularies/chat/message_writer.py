"""Canonical turns as `messages`.

A tool's result may only be text here (openai-python 3.52 `types/chat/chat_completion_tool_message_param.py`), so what a
tool showed follows in a user message, after the last result of its round. Neighbouring assistant turns become one
message, because calls must stand together right before their results.
"""

from collections.abc import Sequence
from typing import Any

from proxy.canonical import ids
from proxy.canonical.account import Warning
from proxy.canonical.request import (
    Audio,
    Document,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from proxy.vocabularies.chat import details
from proxy.wire.codec import Peer
from proxy.wire.quirks import Quirks

# OpenAI refused longer ones as string_above_max_length (agno-agi/agno issue 5382). It has been seen to take one since
# (vercel/ai pull 17233); not everybody has.
_LONGEST_CALL_ID = 40
Message = dict[str, Any]


class MessageWriter:
    """Writes for one provider; `warnings` tells what could not be said as it was."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._quirks = peer.quirks
        self._shown: list[Message] = []  # parts of tool results that wait for the end of the round
        self.warnings: list[Warning] = []

    def messages(self, turns: Sequence[Turn]) -> list[Message]:
        out: list[Message] = []
        for turn in turns:
            if turn.role == "tool":
                out += [self._result(part, out) for part in turn.parts if isinstance(part, ToolResult)]
                continue
            self._show(out)
            if turn.role == "assistant":
                self._assistant(turn, out)
            else:
                role = self._quirks.system_role if turn.role == "system" else "user"
                content = self._content(turn.parts, plain=turn.role == "system")
                if content:
                    out.append({"role": role, "content": content} | ({"name": turn.name} if turn.name else {}))
        self._show(out)
        return out

    def _result(self, result: ToolResult, out: list[Message]) -> Message:
        texts = []
        for part in result.parts:
            if isinstance(part, (Text, Refusal)):
                texts.append(part.text)
            elif (shown := self._part(part)) is not None:
                self._shown.append(shown)
                self._warn("tool_result", "changed")
        return {
            "role": "tool",
            "tool_call_id": fitted(result.call_id, self._quirks),
            "content": "\n".join(texts) or ("(see the next message)" if self._shown else ""),
        }

    def _show(self, out: list[Message]) -> None:
        if self._shown:
            out.append({"role": "user", "content": self._shown})
            self._shown = []

    def _content(self, parts: Sequence[Part], *, plain: bool) -> str | list[Message]:
        """One text as a string, anything else as a list of parts; joined where only a string is safe."""
        written = [shown for part in parts if (shown := self._part(part)) is not None]
        if plain or (len(written) == 1 and written[0]["type"] == "text"):
            return "\n\n".join(part["text"] for part in written if part["type"] == "text")
        return written

    def _part(self, part: Part) -> Message | None:
        match part:
            case Text() | Refusal():
                return {"type": "text", "text": part.text}
            case Image():
                url = part.url or f"data:{part.media_type};base64,{part.content}"
                return {
                    "type": "image_url",
                    "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {}),
                }
            case Document(text=str() as text):
                return {"type": "text", "text": f"{part.name}:\n{text}" if part.name else text}
            case Document():
                content = f"data:{part.media_type};base64,{part.content}"
                return {"type": "file", "file": {"filename": part.name or "document", "file_data": content}}
            case Audio():
                return {"type": "input_audio", "input_audio": {"data": part.content, "format": part.format}}
            case _:
                self._warn(getattr(part, "type", "content"), "dropped")
                return None

    def _assistant(self, turn: Turn, out: list[Message]) -> None:
        said = "".join(part.text for part in turn.parts if isinstance(part, Text))
        refused = "".join(part.text for part in turn.parts if isinstance(part, Refusal))
        calls = [self._call(part) for part in turn.parts if isinstance(part, ToolCall)]
        message: Message = {"role": "assistant"}
        if said:
            message["content"] = said
        if refused:
            message["refusal"] = refused
        message |= self._thoughts([part for part in turn.parts if isinstance(part, Thinking)])
        if calls:
            message["tool_calls"] = calls
        for part in turn.parts:
            if not isinstance(part, (Text, Refusal, ToolCall, Thinking)):
                self._warn(getattr(part, "type", "content"), "dropped")
        if len(message) == 1:
            return
        if out and out[-1]["role"] == "assistant":
            _join(out[-1], message)
        else:
            out.append(message)
        out[-1].setdefault("content", None if "tool_calls" in out[-1] or "refusal" in out[-1] else "")

    def _thoughts(self, thoughts: list[Thinking]) -> Message:
        """Reasoning sent back, where the provider takes it. Material that is not its own is left out: text without
        its signature is still text here."""
        if not self._quirks.accepts_reasoning_history:
            return {}
        message: Message = {}
        text = "".join(thought.text for thought in thoughts)
        if text:
            message[self._quirks.reasoning_field] = text
        entries = [
            entry
            for thought in thoughts
            if thought.material is not None
            and (entry := details.opened(thought.material, thought.text, self._peer.seal)) is not None
        ]
        return message | ({"reasoning_details": entries} if entries else {})

    def _call(self, call: ToolCall) -> Message:
        call_id = fitted(call.id, self._quirks)
        if call.custom:
            return {"id": call_id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        return {"id": call_id, "type": "function", "function": function}

    def _warn(self, param: str, action: str) -> None:
        warning = Warning(param, action)
        if warning not in self.warnings:
            self.warnings.append(warning)


def fitted(call_id: str, quirks: Quirks) -> str:
    """A call id the provider takes; the same one for a call and its result."""
    if quirks.call_id_length is not None and quirks.call_id_alphabet:
        if len(call_id) == quirks.call_id_length and set(call_id) <= set(quirks.call_id_alphabet):
            return call_id
        return ids.fitted_call_id(call_id, quirks.call_id_alphabet, quirks.call_id_length)
    return call_id if 0 < len(call_id) <= _LONGEST_CALL_ID else ids.call_id("", 0, call_id)


def _join(earlier: Message, later: Message) -> None:
    for name, value in later.items():
        if name == "role":
            continue
        if isinstance(earlier.get(name), str):
            earlier[name] += f"\n\n{value}"
        else:
            earlier[name] = (earlier.get(name) or []) + value if isinstance(value, list) else value
