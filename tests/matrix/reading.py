"""What a client understands of an answer; written for this judge alone, to share no mistake with the checker."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.wire import Answer

Json = dict[str, Any]
GOOD_ENDINGS = frozenset({"response.completed", "[DONE]", "message_stop", "done"})
SHORT_ENDINGS = frozenset({"response.incomplete"})
_SHORT_REASONS = frozenset({"length", "content_filter", "max_tokens", "refusal"})


@dataclass(slots=True)
class Understood:
    """`endings`: every event that ends an answer, in order; `late`: what came after the first of them. `code`: of the
    failure. `hops`: notices before and after the first content; `discards`: how often what had been sent was declared
    void. `account`: the `segue` member."""

    blocks: dict[int, str] = field(default_factory=dict)
    calls: dict[int, list[str]] = field(default_factory=dict)
    reasoning: str = ""
    endings: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    is_short: bool = False
    code: str = ""
    early_hops: int = 0
    late_hops: int = 0
    discards: int = 0
    account: Json | None = None
    final_text: str | None = None  # as the finished object has it

    @property
    def text(self) -> str:
        return "".join(self.blocks[at] for at in sorted(self.blocks))

    def add(self, at: int, text: str) -> None:
        self.blocks[at] = self.blocks.get(at, "") + text

    def end(self, name: str) -> None:
        self.endings.append(name)

    def forget(self, until: int | None = None) -> None:
        """What was sent is void; `until`: up to this block, and this one too."""
        for found in (self.blocks, self.calls):
            for at in [at for at in found if until is None or at <= until]:
                del found[at]
        self.reasoning = ""

    def notice(self, told: Json) -> None:
        if "to_model" in told:
            self.discards += told["discard"]
            has_begun = bool(self.blocks or self.calls or self.reasoning)
            self.late_hops += has_begun
            self.early_hops += not has_begun


def frames(stream: bytes) -> Iterator[tuple[str, str, str]]:
    """Event, data and comment of each block of an SSE body."""
    for block in stream.decode().replace("\r\n", "\n").split("\n\n"):
        event, data, comments = "", [], []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not name:
                comments.append(value)
            elif name == "event":
                event = value
            elif name == "data":
                data.append(value)
        if event or data or comments:
            yield event, "\n".join(data), "\n".join(comments)


def understood(answer: Answer, vocabulary: str) -> Understood:
    """Of a 200. Raises ValueError where something in it cannot be read."""
    found = Understood()
    if not answer.is_stream:
        _DOCUMENTS[vocabulary](answer.json, found)
        return found
    for event, data, comment in frames(bytes(answer.content)):
        if comment.startswith("segue "):
            found.notice(json.loads(comment.removeprefix("segue ")))
        if not data:
            continue
        if found.endings and not (vocabulary == "responses" and data == "[DONE]"):
            found.late.append(data[:80])
        if data == "[DONE]":
            if vocabulary == "chat":
                found.end(data)
        elif event.startswith("segue:"):
            found.notice(json.loads(data))
        else:
            _STREAMS[vocabulary](event, json.loads(data), found)
    return found


def _responses(event: str, told: Json, found: Understood) -> None:
    at = told.get("output_index", 0)
    match told.get("type"):
        case "response.output_text.delta":
            found.add(at, told["delta"])
        case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
            found.reasoning += told["delta"]
        case "response.output_item.added" if told["item"]["type"] == "function_call":
            found.calls[at] = [told["item"]["name"], ""]
        case "response.function_call_arguments.delta":
            found.calls[at][1] += told["delta"]
        case "response.output_item.done" if _is_void(told["item"]):
            found.forget(at)
        case "response.completed" | "response.incomplete" | "response.failed" | "error" as ending:
            found.end(ending)
            response = told.get("response") or {}
            found.code = (response.get("error") or told).get("code") or ""
            found.account = response.get("segue")
            found.final_text = _text_of_items(response.get("output") or [])


def _is_void(item: Json) -> bool:
    """Declared so by contract §7."""
    return item.get("status") == "incomplete" and item.get("content") == []


def _chat(event: str, told: Json, found: Understood) -> None:
    if "error" in told:
        found.end("error")
        found.code = told["error"].get("code") or told["error"]["type"]
        return
    marks = told.get("segue") or {}
    if (marks.get("fallback_start") or {}).get("discard"):
        found.forget()
    if "attempts" in marks:
        found.account = marks
    for choice in told["choices"]:
        delta = choice["delta"]
        if delta.get("content"):
            found.add(0, delta["content"])
        found.reasoning += delta.get("reasoning_content") or ""
        for call in delta.get("tool_calls") or ():
            spoken = found.calls.setdefault(call["index"], ["", ""])
            spoken[0] += call["function"].get("name") or ""
            spoken[1] += call["function"].get("arguments") or ""
        found.is_short |= choice["finish_reason"] in _SHORT_REASONS


def _messages(event: str, told: Json, found: Understood) -> None:
    at = told.get("index", 0)
    match told["type"]:
        case "content_block_start" if told["content_block"]["type"] == "tool_use":
            found.calls[at] = [told["content_block"]["name"], ""]
        case "content_block_delta":
            delta = told["delta"]
            if "text" in delta:
                found.add(at, delta["text"])
            elif "partial_json" in delta:
                found.calls[at][1] += delta["partial_json"]
            found.reasoning += delta.get("thinking", "")
        case "content_block_stop" if (told.get("segue") or {}).get("void"):
            found.forget(at)
        case "message_delta":
            found.is_short |= told["delta"].get("stop_reason") in _SHORT_REASONS
            found.account = told.get("segue") or found.account
        case "message_stop":
            found.end("message_stop")
        case "error":
            found.end("error")
            found.code = told["error"]["type"]


def _domain(event: str, told: Json, found: Understood) -> None:
    match event:
        case "delta" if told["type"] == "text":
            found.add(0, told["content"])
        case "delta":
            found.reasoning += told["content"]
        case "tool":
            if told["phase"] == "start":
                found.calls[len(found.calls)] = [told["name"], ""]
        case "fallback_start":
            found.notice(told)
            if told["discard"]:
                found.forget()
        case "done" | "error":
            found.end(event)
            found.code = told.get("code") or ""


def _text_of_items(items: list[Json]) -> str:
    contents = [part for item in items if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in contents if part["type"] == "output_text")


def _responses_document(body: Json, found: Understood) -> None:
    found.add(0, _text_of_items(body["output"]))
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    found.calls = {at: [call["name"], call["arguments"]] for at, call in enumerate(calls)}
    found.end(f"response.{body['status']}")
    found.account = body["segue"]


def _chat_document(body: Json, found: Understood) -> None:
    [choice] = body["choices"]
    found.add(0, choice["message"]["content"] or "")
    calls = choice["message"].get("tool_calls") or []
    found.calls = {at: [call["function"]["name"], call["function"]["arguments"]] for at, call in enumerate(calls)}
    found.is_short = choice["finish_reason"] in _SHORT_REASONS
    found.end("[DONE]")
    found.account = body["segue"]


def _messages_document(body: Json, found: Understood) -> None:
    found.add(0, "".join(block["text"] for block in body["content"] if block["type"] == "text"))
    calls = [block for block in body["content"] if block["type"] == "tool_use"]
    found.calls = {at: [call["name"], json.dumps(call["input"])] for at, call in enumerate(calls)}
    found.is_short = body["stop_reason"] in _SHORT_REASONS
    found.end("message_stop")
    found.account = body["segue"]


_STREAMS: dict[str, Callable[[str, Json, Understood], None]] = {
    "responses": _responses,
    "chat": _chat,
    "messages": _messages,
    "domain": _domain,
}
_DOCUMENTS: dict[str, Callable[[Json, Understood], None]] = {
    "responses": _responses_document,
    "chat": _chat_document,
    "messages": _messages_document,
}
