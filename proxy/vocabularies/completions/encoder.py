"""Canonical events to text completion chunks and bodies: text only, whatever else was said.

Source: openai-python 3.52 `types/completion.py`, `types/completion_choice.py`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.canonical import ids
from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.events import BlockKind, Delta, Event, Finished, Opened, Started, StopReason, UsageReported
from proxy.canonical.usage import Usage
from proxy.errors import ProxyError
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.error_object import error_object
from proxy.wire.sse import comment_bytes, frame_bytes

_DONE = b"data: [DONE]\n\n"
_REASONS = {StopReason.LENGTH: "length", StopReason.CONTENT_FILTER: "content_filter"}
_SHOWN = (BlockKind.TEXT, BlockKind.REFUSAL)
_JSON = msgspec.json.Encoder()


class CompletionsEncoder:
    """One client stream. The wire has no opening and no events of its own, so notices are comments or nothing."""

    interleaves = True

    def __init__(self, head: Head) -> None:
        self._head = head
        self._shown: set[int] = set()
        self._usage = Usage()
        self._ended = False
        self._waiting: list[bytes] | None = []  # notices given before anything is out; None once something is

    def opening(self) -> bytes:
        """The notices that waited; the wire itself has none."""
        kept, self._waiting = self._waiting or [], None
        return b"".join(kept)

    def notice(self, notice: Hop | Exhausted) -> bytes:
        if self._ended or self._head.notices == "none":
            return b""
        name = "fallback_start" if isinstance(notice, Hop) else "fallback_exhausted"
        told = comment_bytes(b"segue " + _JSON.encode({"event": name, **notice.members()}))
        if self._waiting is None:
            return told
        self._waiting.append(told)
        return b""

    def encode(self, events: Sequence[Event]) -> bytes:
        if self._ended:
            return b""
        opening = self.opening() if self._waiting is not None else b""
        return opening + b"".join(map(self._encode, events))

    def relay(self, steps: Sequence[Step]) -> bytes:
        """No provider is spoken to in this vocabulary."""
        return b""

    def resume(self, text: str, block: int) -> bytes:
        """Nothing is written: more chunks follow."""
        self._shown = {block}
        return b""

    def restart(self, hop: Hop) -> bytes:
        """The void mark is a chunk with an empty text and the member `segue: {fallback_start: …}`."""
        if self._ended:
            return b""
        self._shown.clear()
        self._usage = Usage()
        mark = self._body([_choice("", None)]) | {"segue": {"fallback_start": hop.members()}}
        return frame_bytes(_JSON.encode(mark)) + self.notice(hop)

    def fail(self, error: ProxyError) -> bytes:
        if self._ended:
            return b""
        self._ended = True
        return self.opening() + frame_bytes(_JSON.encode({"error": error_object(error)}))

    def ping(self) -> bytes:
        return b"" if self._ended else comment_bytes(b"ping")

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        text, reason = [], StopReason.END
        for event in events:
            self._note(event)
            if isinstance(event, Delta) and event.block in self._shown:
                text.append(event.text)
            elif isinstance(event, Finished):
                reason = event.reason
        body = self._body([_choice("".join(text), _REASONS.get(reason, "stop"))])
        usage = _usage(self._usage)
        return body | ({"usage": usage} if usage else {}) | {"segue": self._head.account.member()}

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return self.document(events)

    def _encode(self, event: Event) -> bytes:
        if isinstance(event, Delta):
            if event.block not in self._shown:
                return b""
            return frame_bytes(_JSON.encode(self._body([_choice(event.text, None)])))
        self._note(event)
        return self._finish(event) if isinstance(event, Finished) else b""

    def _note(self, event: Event) -> None:
        match event:
            case Opened(kind=kind) if kind in _SHOWN:
                self._shown.add(event.block)
            case UsageReported() | Started(usage=Usage()):
                self._usage = self._usage.merged(event.usage or Usage())

    def _finish(self, finished: Finished) -> bytes:
        self._ended = True
        last = [self._body([_choice("", _REASONS.get(finished.reason, "stop"))])]
        usage = _usage(self._usage) if self._head.request.stream_usage else None
        if usage is not None:
            last.append(self._body([]) | {"usage": usage})
        last[-1]["segue"] = self._head.account.member()
        return b"".join(frame_bytes(_JSON.encode(chunk)) for chunk in last) + _DONE

    def _body(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": ids.item_id("cmpl-", self._head.seed, 0),
            "object": "text_completion",
            "created": self._head.created,
            "model": self._head.request.model,
            "choices": choices,
        }


def _choice(text: str, reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


def _usage(usage: Usage) -> dict[str, int] | None:
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    entered, said = usage.input_tokens or 0, usage.output_tokens or 0
    return {"prompt_tokens": entered, "completion_tokens": said, "total_tokens": entered + said}
