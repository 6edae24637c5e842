"""The Messages vocabulary: named frames, one content block at a time, message_delta with the final numbers.

Sources: contract §4; `types/raw_*_event.py` and the accumulator of anthropic (Python) 2.11
(`lib/streaming/_messages.py`, and `_streaming.py`, which drops frames without an event line); the vendor's page
"Streaming messages" for the order of events, of thinking_delta and signature_delta, and for `ping`.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from proxy.conformance.framing import Frame
from proxy.conformance.notices import PREFIX, SEGUE_MEMBER, Notices
from proxy.conformance.report import Findings, ToolCall
from proxy.conformance.shapes import (
    COUNT,
    LIST,
    NAME,
    NULL,
    OBJECT,
    TEXT,
    Shape,
    list_of,
    nullable,
    one_of,
    optional,
    record,
)

RULES = {
    "messages.event-name": "write an event line equal to data.type; a client drops the frame without it",
    "messages.unknown-event": "invent no event types; a notice carries the prefix `segue:`",
    "messages.fields": "send every field the event type requires",
    "messages.start": "begin with message_start, once",
    "messages.start-empty": "start the message with content [] and stop_reason null; both follow in later events",
    "messages.id-alphabet": "use our own ids: msg_ for messages, letters, digits, _ and - in tool ids",
    "messages.block-order": "number blocks from 0 and stop each before the next starts; a delta names the open one",
    "messages.open-block": "stop the open block before message_delta",
    "messages.delta-type": "send only the delta types that belong to the block's type",
    "messages.tool-json": "let the partial_json of a tool block concatenate to a JSON object",
    "messages.signature": "send one signature_delta, last in its thinking block",
    "messages.message-delta": "send message_delta after the last block and before message_stop",
    "messages.stop-reason": "give a stop_reason; tool_use exactly when the message ends in tool calls",
    "messages.usage": "let message_start carry the input tokens, the last message_delta input and output tokens",
    "messages.restart": "void an answer by `segue: {void: true}` in a content_block_stop, after no tool call, and "
    "begin anew in the next block",
    "messages.error": "report a failure as event error with {type: error, error: {type, message}}",
    "messages.after-terminal": "send nothing after message_stop or error",
    "messages.truncated": "end with message_stop, or with an error event if the stream broke",
}

ERROR_TYPES = (
    "invalid_request_error", "authentication_error", "billing_error", "permission_error", "not_found_error",
    "request_too_large", "rate_limit_error", "timeout_error", "api_error", "overloaded_error",
)  # fmt: skip
STOP_REASON = one_of(
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"
)
# Reasons that cut the model off, so that the JSON of its last tool call may be cut as well.
_CUT_SHORT = ("max_tokens", "model_context_window_exceeded", "refusal")

ERROR: Shape = {"type": one_of("error"), "error": record({"type": one_of(*ERROR_TYPES), "message": NAME})}
_MESSAGE: Shape = {
    "id": NAME,
    "type": one_of("message"),
    "role": one_of("assistant"),
    "model": NAME,
    "content": list_of({"type": NAME}),
    "stop_reason": nullable(STOP_REASON),
    "stop_sequence": nullable(TEXT),
    "usage": OBJECT,
    "segue": optional(record(SEGUE_MEMBER)),
}
_INPUT: Shape = {"input_tokens": COUNT}
_OUTPUT: Shape = {
    "output_tokens": COUNT,
    "cache_creation_input_tokens": optional(nullable(COUNT)),
    "cache_read_input_tokens": optional(nullable(COUNT)),
}
_START: Shape = {"content": LIST, "stop_reason": NULL}
EVENTS: dict[str, Shape] = {
    "message_start": {"message": record(_MESSAGE)},
    "content_block_start": {"index": COUNT, "content_block": record({"type": NAME})},
    "content_block_delta": {"index": COUNT, "delta": record({"type": NAME})},
    "content_block_stop": {"index": COUNT},
    "message_delta": {
        "delta": record({"stop_reason": nullable(STOP_REASON), "stop_sequence": optional(nullable(TEXT))}),
        "usage": OBJECT,
    },
    "message_stop": {},
    "ping": {},
}
BLOCKS: dict[str, Shape] = {
    "text": {"text": TEXT},
    "thinking": {"thinking": TEXT, "signature": TEXT},
    "redacted_thinking": {"data": TEXT},
    "tool_use": {"id": NAME, "name": NAME, "input": OBJECT},
    "server_tool_use": {"id": NAME, "name": NAME, "input": OBJECT},
}
# delta type -> the block types it may feed, and the member that carries it
DELTAS: dict[str, tuple[tuple[str, ...], Shape]] = {
    "text_delta": (("text",), {"text": TEXT}),
    "citations_delta": (("text",), {"citation": OBJECT}),
    "input_json_delta": (("tool_use", "server_tool_use"), {"partial_json": TEXT}),
    "thinking_delta": (("thinking",), {"thinking": TEXT}),
    "signature_delta": (("thinking",), {"signature": TEXT}),
}
_TOOL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(slots=True)
class Block:
    start: dict[str, Any]
    json: str = ""
    is_signed: bool = False
    is_open: bool = True

    @property
    def kind(self) -> str:
        return str(self.start.get("type"))


class Messages:
    """Reads one stream. Invariant: only the last of `blocks` may be open."""

    def __init__(self, findings: Findings, notices: Notices) -> None:
        self.findings = findings
        self.notices = notices
        self.report = findings.report
        self.blocks: list[Block] = []
        self.is_started = False
        self.void_blocks = 0  # how many of the blocks, from the first, were taken back
        self.has_delta = False
        self.stop_reason: str | None = None

    def read(self, frame: Frame) -> None:
        event = frame.payload or {}
        name = str(event.get("type"))
        same = frame.event == name
        self.findings.require(same, "messages.event-name", f"event is {frame.event!r}, data.type is {name!r}")
        if self.report.terminal is not None:
            self.findings.add("messages.after-terminal", f"{name} follows {self.report.terminal}")
        elif name == "error":
            self.report.terminal = name
            check_messages_error(self.findings, "messages.error", event)
        elif name.startswith(PREFIX):
            self.notices.read(name, event)
        elif self.findings.require(name in EVENTS, "messages.unknown-event", f"the type is {name!r}"):
            if self.findings.check("messages.fields", event, EVENTS[name]):
                self._presume(name)
            elif name != "ping":
                self._step(name, event)

    def end(self, *, cancelled: bool) -> None:
        ended = cancelled or self.report.terminal is not None
        self.findings.require(ended, "messages.truncated", "the stream ends with neither message_stop nor an error")
        self.report.tool_calls = [
            ToolCall(str(block.start.get("id")), str(block.start.get("name")), block.json or "{}")
            for block in self.blocks
            if block.kind == "tool_use"
        ]

    def _step(self, name: str, event: dict[str, Any]) -> None:
        in_turn = self.is_started != (name == "message_start")
        wrong = f"{name} comes {'after' if self.is_started else 'before'} message_start"
        self.findings.require(in_turn, "messages.start", wrong)
        match name:
            case "message_start":
                self._start(event["message"])
            case "content_block_start":
                self._block_start(event["index"], event["content_block"])
            case "content_block_delta":
                if (block := self._open_block(name, event["index"])) is not None:
                    self._block_delta(block, event["delta"])
            case "content_block_stop":
                if (block := self._open_block(name, event["index"])) is not None:
                    block.is_open = False
                if "segue" in event:
                    self._void(event["segue"])
            case "message_delta":
                self._message_delta(event)
            case "message_stop":
                self._stop()

    def _void(self, mark: Any) -> None:
        """What was sent is taken back, all of it."""
        self.findings.require(mark == {"void": True}, "messages.restart", f"a content_block_stop has the segue {mark}")
        called = any(block.kind == "tool_use" for block in self.blocks)
        self.findings.require(not called, "messages.restart", "a tool call is taken back")
        self.void_blocks = len(self.blocks)
        self.notices.is_void = True
        self.report.text = self.report.reasoning = ""

    def _presume(self, name: str) -> None:
        """A malformed event still counts as sent, so that one mistake is reported once."""
        self.is_started = self.is_started or name == "message_start"
        if name == "message_delta":
            self.has_delta, self.stop_reason = True, self.stop_reason or "malformed"

    def _start(self, message: dict[str, Any]) -> None:
        findings, self.is_started = self.findings, True
        is_empty = message["content"] == [] and message["stop_reason"] is None
        findings.require(is_empty, "messages.start-empty", "message_start carries content or a stop_reason")
        fits = not findings.ours or message["id"].startswith("msg_")
        findings.require(fits, "messages.id-alphabet", f"the message id is {message['id']!r}")
        findings.check("messages.usage", message["usage"], _INPUT | _OUTPUT, "message.usage.")
        self.report.usage = dict(message["usage"])

    def _block_start(self, index: int, start: dict[str, Any]) -> None:
        findings = self.findings
        in_turn = index == len(self.blocks) and not any(block.is_open for block in self.blocks)
        findings.require(in_turn, "messages.block-order", f"block {index} starts out of turn")
        findings.require(not self.has_delta, "messages.message-delta", f"block {index} starts after message_delta")
        self.notices.is_void = False
        is_sound = check_block(findings, start)
        for earlier in self.blocks:
            earlier.is_open = False
        self.report.text += start["text"] if is_sound and start["type"] == "text" else ""
        self.blocks.append(Block(start))

    def _open_block(self, name: str, index: int) -> Block | None:
        block = self.blocks[index] if index < len(self.blocks) else None
        is_open = block is not None and block.is_open
        self.findings.require(is_open, "messages.block-order", f"{name} for block {index}, which is not open")
        return block if is_open else None

    def _block_delta(self, block: Block, delta: dict[str, Any]) -> None:
        findings, name = self.findings, delta["type"]
        kinds, shape = DELTAS.get(name, ((), {}))
        if not findings.require(block.kind in kinds, "messages.delta-type", f"{name} in a block of type {block.kind}"):
            return
        if findings.check("messages.fields", delta, shape, "delta."):
            return
        findings.require(not block.is_signed, "messages.signature", f"{name} after the block's signature")
        match name:
            case "text_delta":
                self.report.text += delta["text"]
            case "thinking_delta":
                self.report.reasoning += delta["thinking"]
            case "input_json_delta":
                block.json += delta["partial_json"]
            case "signature_delta":
                block.is_signed = True

    def _message_delta(self, event: dict[str, Any]) -> None:
        findings, self.has_delta = self.findings, True
        is_open = any(block.is_open for block in self.blocks)
        findings.require(not is_open, "messages.open-block", "message_delta while a block is open")
        findings.check("messages.usage", event["usage"], _OUTPUT, "usage.")
        self.stop_reason = event["delta"]["stop_reason"] or self.stop_reason
        counted = {name: count for name, count in event["usage"].items() if count is not None}
        self.report.usage = (self.report.usage or {}) | counted
        if findings.ours:
            findings.check("messages.usage", event["usage"], _INPUT, "usage.")

    def _stop(self) -> None:
        self.report.terminal = "message_stop"
        if self.findings.require(self.has_delta, "messages.message-delta", "message_stop without a message_delta"):
            kinds = [block.kind for block in self.blocks[self.void_blocks :]]
            check_stop_reason(self.findings, self.stop_reason, kinds)
            said = kinds or not self.void_blocks
            self.findings.require(said, "messages.restart", "the message ends with what was taken back")
        for index, block in enumerate(self.blocks):
            whole = block.kind not in DELTAS["input_json_delta"][0] or _is_json_object(block.json or "{}")
            cut = self.stop_reason in _CUT_SHORT
            wrong = f"the input of block {index} is {block.json[:60]!r}"
            self.findings.require(whole or cut, "messages.tool-json", wrong)


def check_block(findings: Findings, block: dict[str, Any]) -> bool:
    """Whether one content block, as it starts or as a whole message holds it, has its fields."""
    kind = str(block.get("type"))
    faulty = findings.check("messages.fields", block, BLOCKS.get(kind, {}), "content_block.")
    if kind == "tool_use" and not faulty:
        fits = _TOOL_ID.fullmatch(block["id"]) is not None
        findings.require(fits, "messages.id-alphabet", f"the tool id is {block['id']!r}")
    return not faulty


def check_stop_reason(findings: Findings, stop_reason: object, kinds: list[str]) -> None:
    calls = "tool_use" in kinds
    contradicts = (stop_reason == "tool_use" and not calls) or (stop_reason == "end_turn" and calls)
    fits = stop_reason is not None and not contradicts
    findings.require(fits, "messages.stop-reason", f"stop_reason is {stop_reason!r} with the blocks {kinds}")


def check_message(findings: Findings, body: dict[str, Any]) -> None:
    """A whole message, not streamed."""
    if findings.check("messages.fields", body, _MESSAGE):
        return
    for block in body["content"]:
        check_block(findings, block)
    check_stop_reason(findings, body["stop_reason"], [block["type"] for block in body["content"]])
    findings.check("messages.usage", body["usage"], _INPUT | _OUTPUT, "usage.")
    fits = not findings.ours or body["id"].startswith("msg_")
    findings.require(fits, "messages.id-alphabet", f"the message id is {body['id']!r}")


def check_messages_error(findings: Findings, rule: str, body: dict[str, Any]) -> None:
    """`{"type": "error", "error": {type, message}}`, in a stream or as a body."""
    if not findings.check(rule, body, ERROR):
        findings.scrubbed(body["error"]["message"])


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
