"""The Chat Completions vocabulary (and the older text completions): chunks, tool-call indexes, the two ways to end.

Sources: contract §4; `types/chat/chat_completion_chunk.py` and the accumulator of openai-python 3.52
(`lib/streaming/chat/_completions.py`: a repeated id or name is concatenated, a skipped index fails);
client-expectations.md for the `{"error": …}` frame.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from proxy.conformance.framing import Frame
from proxy.conformance.notices import FALLBACK_START, PREFIX, SEGUE_MEMBER, Notices
from proxy.conformance.report import Findings, ToolCall
from proxy.conformance.shapes import (
    COUNT,
    NAME,
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
    "chat.event-name": "send bare data lines; only a `segue:` notice that was asked for has an event line",
    "chat.fields": "send every field of the chunk that typed clients read",
    "chat.identity": "keep id, object, model and created the same in every chunk",
    "chat.id-alphabet": "use our own ids: chatcmpl- (cmpl- for text completions), and call_ with 24 letters or digits",
    "chat.role-first": "let the first chunk of each choice carry role assistant",
    "chat.finish-reason": "give each choice one finish_reason, in its last chunk; tool_calls only after tool calls",
    "chat.after-finish": "send nothing for a choice after its finish_reason",
    "chat.tool-index": "number the tool calls of a choice 0, 1, … in order of appearance",
    "chat.tool-identity": "send id, type and name once, in a call's first fragment, and no id twice",
    "chat.usage": "report prompt, completion and total tokens; the total is their sum",
    "chat.usage-chunk": "send usage in one chunk of its own, with choices [], last before [DONE]",
    "chat.empty-choices": "send a chunk without choices only for usage",
    "chat.restart": "void an answer by one chunk with `segue.fallback_start` (discard true) and the beginning of every "
    "choice so far, nothing else (text completions: text ''); not after tool calls or a finish_reason",
    "chat.error": "report a broken stream as {error: {message, type, param, code}}",
    "chat.after-terminal": "send nothing after [DONE], and not even [DONE] after an error",
    "chat.truncated": "end with [DONE], or with an error frame if the stream broke",
}

FINISH_REASON = one_of("stop", "length", "tool_calls", "content_filter", "function_call")
ERROR: Shape = {"message": NAME, "type": NAME, "param": nullable(TEXT), "code": nullable(TEXT)}
USAGE: Shape = {
    "prompt_tokens": COUNT,
    "completion_tokens": COUNT,
    "total_tokens": COUNT,
    "prompt_tokens_details": optional(nullable(OBJECT)),
    "completion_tokens_details": optional(nullable(OBJECT)),
}
_TOOL_CALL: Shape = {
    "id": NAME,
    "type": one_of("function", "custom"),
    "function": optional(record({"name": NAME, "arguments": TEXT})),
    "custom": optional(record({"name": NAME, "input": TEXT})),
}
_FRAGMENT: Shape = {
    "index": COUNT,
    "function": optional(record({"name": optional(nullable(TEXT)), "arguments": optional(nullable(TEXT))})),
}
_DELTA: Shape = {
    "content": optional(nullable(TEXT)),
    "refusal": optional(nullable(TEXT)),
    "reasoning_content": optional(nullable(TEXT)),
    "tool_calls": optional(nullable(list_of(_FRAGMENT))),
}
_MESSAGE: Shape = {
    "role": one_of("assistant"),
    "content": nullable(TEXT),
    "refusal": optional(nullable(TEXT)),
    "tool_calls": optional(nullable(list_of(_TOOL_CALL))),
}
_HEAD: Shape = {"id": NAME, "created": COUNT, "model": NAME, "segue": optional(record(SEGUE_MEMBER))}
_LEGACY_CHOICE: Shape = {"index": COUNT, "text": TEXT}
_STREAMED: Shape = {"finish_reason": optional(nullable(FINISH_REASON))}
_FOLDED: Shape = {"finish_reason": FINISH_REASON}


def _shape(name: str, choice: Shape) -> Shape:
    return _HEAD | {"object": one_of(name), "choices": list_of(choice)}


CHUNKS: dict[str, Shape] = {
    "chat.completion.chunk": _shape("chat.completion.chunk", {"index": COUNT, "delta": record(_DELTA)} | _STREAMED),
    "text_completion": _shape("text_completion", _LEGACY_CHOICE | _STREAMED),
}
DOCUMENTS: dict[str, Shape] = {
    "chat.completion": _shape("chat.completion", {"index": COUNT, "message": record(_MESSAGE)} | _FOLDED),
    "text_completion": _shape("text_completion", _LEGACY_CHOICE | _FOLDED),
}
_ID_PREFIX = {"text_completion": "cmpl-"}
_CALL_ID = re.compile(r"call_[A-Za-z0-9]{24}")


@dataclass(slots=True)
class Choice:
    finish_reason: str | None = None
    calls: list[ToolCall] = field(default_factory=list)


class Chat:
    """Reads one stream of chunks."""

    def __init__(self, findings: Findings, notices: Notices) -> None:
        self.findings = findings
        self.notices = notices
        self.report = findings.report
        self.choices: dict[int, Choice] = {}
        self.first: dict[str, Any] = {}

    def read(self, frame: Frame) -> None:
        chunk = frame.payload or {}
        is_notice = frame.event is not None and frame.event.startswith(PREFIX)
        bare = frame.event is None or is_notice
        self.findings.require(bare, "chat.event-name", f"the frame has the event line {frame.event!r}")
        if self.report.terminal is not None:
            self.findings.add("chat.after-terminal", f"{frame.text[:40]!r} follows {self.report.terminal}")
        elif is_notice:
            self.notices.read(str(frame.event), chunk)
        elif frame.is_done_marker:
            self.report.terminal = frame.text
            self._finish()
        elif "error" in chunk:
            self.report.terminal = "error"
            check_error_member(self.findings, "chat.error", chunk)
        else:
            self._chunk(chunk)

    def end(self, *, cancelled: bool) -> None:
        ended = cancelled or self.report.terminal is not None
        self.findings.require(ended, "chat.truncated", "the stream ends with neither [DONE] nor an error")
        self.report.tool_calls = [call for choice in self.choices.values() for call in choice.calls]

    def _finish(self) -> None:
        self.findings.require(self.choices, "chat.finish-reason", "[DONE] comes before any choice")
        for index, choice in self.choices.items():
            said = choice.finish_reason
            self.findings.require(said, "chat.finish-reason", f"choice {index} has no finish_reason at [DONE]")
            fits = said != "tool_calls" or choice.calls
            self.findings.require(fits, "chat.finish-reason", f"choice {index} ends in tool_calls without any")

    def _chunk(self, chunk: dict[str, Any]) -> None:
        findings = self.findings
        mark = _restart_mark(chunk)
        self.notices.is_void = mark is not None
        if mark is not None:
            chunk = {name: value for name, value in chunk.items() if name != "segue"}
        shape = CHUNKS["text_completion" if chunk.get("object") == "text_completion" else "chat.completion.chunk"]
        if findings.check("chat.fields", chunk, shape):
            return
        check_ids(findings, chunk)
        for key in ("id", "object", "model", "created"):
            was, now = self.first.setdefault(key, chunk[key]), chunk[key]
            findings.require(was == now, "chat.identity", f"{key} was {was!r}, now {now!r}")
        early = self.report.usage is not None
        findings.require(not early, "chat.usage-chunk", "a chunk follows the usage chunk")
        usage = chunk.get("usage")
        if usage is not None:
            all_finished = all(choice.finish_reason for choice in self.choices.values())
            alone = all_finished and not chunk["choices"]
            findings.require(alone, "chat.usage-chunk", "usage comes with choices, or before every choice has finished")
            check_usage(findings, usage)
            self.report.usage = usage
        elif not chunk["choices"]:
            is_filter_report = "prompt_filter_results" in chunk
            findings.require(is_filter_report, "chat.empty-choices", "a chunk has no choices and no usage")
        if mark is not None:
            self._begin_anew(mark, chunk["choices"])
        for choice in chunk["choices"]:
            self._choice(choice)

    def _begin_anew(self, mark: dict[str, Any], again: list[dict[str, Any]]) -> None:
        """What was sent is taken back; the choices of this chunk are first ones."""
        findings = self.findings
        findings.check("chat.restart", mark, FALLBACK_START, "segue.fallback_start.")
        findings.require(mark.get("discard") is True, "chat.restart", "segue.fallback_start does not say discard: true")
        begun, named = sorted(self.choices), sorted(choice["index"] for choice in again)
        same = begun == named or not begun
        findings.require(same, "chat.restart", f"it begins the choices {named} anew, begun were {begun}")
        empty = all(_is_beginning(choice) for choice in again)
        findings.require(empty, "chat.restart", "a choice says more than its beginning in the chunk that voids it")
        called = any(choice.calls for choice in self.choices.values())
        findings.require(not called, "chat.restart", "a tool call is taken back")
        ended = self.choices and all(choice.finish_reason for choice in self.choices.values())
        findings.require(not ended, "chat.restart", "an answer is taken back after its finish_reason")
        self.choices.clear()
        self.report.text = self.report.reasoning = ""

    def _choice(self, delta: dict[str, Any]) -> None:
        index = delta["index"]
        is_first, choice = index not in self.choices, self.choices.setdefault(index, Choice())
        ended = choice.finish_reason is not None
        if ended and delta.get("finish_reason") is None:
            self.findings.add("chat.after-finish", f"choice {index} goes on after its finish_reason")
        again = ended and delta.get("finish_reason") is not None
        self.findings.require(not again, "chat.finish-reason", f"choice {index} has a second finish_reason")
        choice.finish_reason = delta.get("finish_reason") or choice.finish_reason
        if "text" in delta:
            self.report.text += delta["text"]
            return
        spoken = delta["delta"]
        has_role = not is_first or spoken.get("role") == "assistant"
        self.findings.require(has_role, "chat.role-first", f"choice {index} begins without its role")
        self.report.text += spoken.get("content") or ""
        self.report.reasoning += spoken.get("reasoning_content") or ""
        for fragment in spoken.get("tool_calls") or ():
            self._fragment(choice, fragment)

    def _fragment(self, choice: Choice, fragment: dict[str, Any]) -> None:
        findings, calls, index = self.findings, choice.calls, fragment["index"]
        function = fragment.get("function") or fragment.get("custom") or {}
        if index < len(calls):
            repeated = fragment.get("id") or function.get("name")
            findings.require(not repeated, "chat.tool-identity", f"call {index} names {repeated!r} in a later fragment")
        else:
            in_turn = index == len(calls)
            findings.require(in_turn, "chat.tool-index", f"a call begins at index {index}, expected {len(calls)}")
            if not findings.check("chat.tool-identity", fragment, _TOOL_CALL, f"tool_calls[{index}]."):
                kind = fragment["type"]
                findings.require(kind in fragment, "chat.tool-identity", f"call {index} has no member {kind!r}")
            call = ToolCall(str(fragment.get("id")), str(function.get("name")))
            taken = call.id in [other.id for other in calls]
            findings.require(not taken, "chat.tool-identity", f"the id {call.id!r} is taken by an earlier call")
            if findings.ours and fragment.get("id"):
                fits = _CALL_ID.fullmatch(call.id) is not None
                findings.require(fits, "chat.id-alphabet", f"the call id is {call.id!r}")
            calls.append(call)
        calls[min(index, len(calls) - 1)].arguments += function.get("arguments") or function.get("input") or ""


def _restart_mark(chunk: dict[str, Any]) -> dict[str, Any] | None:
    """The `fallback_start` inside a chunk's `segue`, if it is there."""
    segue = chunk.get("segue")
    mark = segue.get("fallback_start") if isinstance(segue, dict) else None
    return mark if isinstance(mark, dict) else None


def _is_beginning(choice: dict[str, Any]) -> bool:
    said = choice["text"] == "" if "text" in choice else choice["delta"] == {"role": "assistant", "content": ""}
    return said and choice.get("finish_reason") is None


def check_completion(findings: Findings, body: dict[str, Any]) -> None:
    """A whole (text or chat) completion."""
    is_legacy = body.get("object") == "text_completion"
    shape = DOCUMENTS["text_completion" if is_legacy else "chat.completion"]
    if not findings.check("chat.fields", body, shape):
        check_ids(findings, body)
        for choice in body["choices"]:
            calls = choice.get("message", {}).get("tool_calls")
            fits = choice["finish_reason"] != "tool_calls" or calls
            findings.require(fits, "chat.finish-reason", f"choice {choice['index']} ends in tool_calls without any")
    check_usage(findings, body.get("usage"))


def check_usage(findings: Findings, usage: Any) -> None:
    if not findings.check("chat.usage", usage, USAGE, "usage."):
        adds_up = usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        findings.require(adds_up, "chat.usage", f"the numbers do not add up: {usage}")


def check_ids(findings: Findings, body: dict[str, Any]) -> None:
    prefix = _ID_PREFIX.get(body["object"], "chatcmpl-")
    fits = not findings.ours or body["id"].startswith(prefix)
    findings.require(fits, "chat.id-alphabet", f"id is {body['id']!r}")


def check_error_member(findings: Findings, rule: str, body: dict[str, Any]) -> None:
    """The error body shared with the Responses vocabulary: `{"error": {message, type, param, code}}`."""
    findings.check(rule, body.get("error"), ERROR, "error.")
    if isinstance(body.get("error"), dict):
        findings.scrubbed(body["error"].get("message"))
