"""Speaks Anthropic Messages. Shapes: anthropic-python 2.x, `anthropic.types`; event order and the ping after the first
block's start: docs.claude.com/en/docs/build-with-claude/streaming; errors: docs.claude.com/en/api/errors."""

from typing import Any

from proxy.demo.content import (
    SEAL,
    Answer,
    Citation,
    Part,
    Question,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    Usage,
    words,
)
from proxy.demo.faults import Fault
from proxy.demo.frames import Frame, Json, Role, decode_json
from proxy.demo.identity import Identity
from proxy.demo.speakers.speaker import begun_by_assistant, last_said, text_of

_STOP_REASONS = {
    "stop": "end_turn",
    "tools": "tool_use",
    "refusal": "refusal",
    "length": "max_tokens",
    "filtered": "refusal",
}
# fault: status, type, message
_ERRORS = {
    "400": (400, "invalid_request_error", "demo: Extra inputs are not permitted"),
    "401": (401, "authentication_error", "invalid x-api-key"),
    "402": (402, "billing_error", "There is an issue with your billing or payment details."),
    "403": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "404-model": (404, "not_found_error", "model: {model}"),
    "413": (413, "request_too_large", "Request exceeds the maximum size"),
    "429": (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    "500": (500, "api_error", "Internal server error"),
    "503": (503, "api_error", "Service unavailable"),
    "504": (504, "timeout_error", "Request timed out"),
    "529": (529, "overloaded_error", "Overloaded"),
    "billing": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or"
        " purchase credits.",
    ),
    "context-overflow": (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
    "content-filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "no-prefill": (
        400,
        "invalid_request_error",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    "prefill-space": (
        400,
        "invalid_request_error",
        "messages: final assistant content cannot end with trailing whitespace",
    ),
}


class Messages:
    def read(self, body: Json) -> Question:
        messages = body.get("messages") or []
        blocks = messages[-1].get("content") if messages else None
        choice = body.get("tool_choice") or {}
        shape = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
        return Question(
            model=str(body.get("model", "")),
            prompt=text_of(body.get("system")) + "".join(text_of(message.get("content")) for message in messages),
            said=last_said(messages),
            begun=begun_by_assistant(messages),
            tool_results=tuple(
                text_of(block.get("content"))
                for block in (blocks if isinstance(blocks, list) else ())
                if block.get("type") == "tool_result"
            ),
            tools=tuple(
                Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if "input_schema" in tool
            ),
            must_call={"any": "", "tool": choice.get("name", "")}.get(choice.get("type", "")),
            may_call_several=not choice.get("disable_parallel_tool_use"),
            schema=shape.get("schema", {}) if shape.get("type") == "json_schema" else None,
            max_tokens=body.get("max_tokens"),
            is_streamed=bool(body.get("stream")),
        )

    def stream(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> list[Frame]:
        answer = answers[0]
        message = _message(question, identity)
        message["usage"] = _usage(answer.usage) | {"output_tokens": 1}
        start = _frame("message_start", message=message)
        start.usage = (message, "usage")
        frames = [start]
        for index, part in enumerate(answer.parts):
            frames += _block_frames(part, index, identity)
        if answer.parts:
            frames.insert(2, _frame("ping"))
        else:
            frames.append(_frame("ping"))
        usage = {name: count for name, count in _usage(answer.usage).items() if name.endswith("tokens")}
        finish = _frame("message_delta", Role.FINISH, delta=_stop(answer), usage=usage)
        assert isinstance(finish.payload, dict)
        finish.usage = (finish.payload, "usage")
        return [*frames, finish, _frame("message_stop", Role.DONE)]

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        answer = answers[0]
        message = _message(question, identity) | _stop(answer) | {"usage": _usage(answer.usage)}
        message["content"] = [_block(part, identity) for part in answer.parts]
        return Frame(message, Role.FINISH, usage=(message, "usage"))

    def refusal(self, fault: Fault) -> tuple[int, Json]:
        if fault.name in _ERRORS:
            status, kind, message = _ERRORS[fault.name]
        else:
            status = int(fault.name)
            kind = "api_error" if status >= 500 else "invalid_request_error"
            message = f"The upstream answered with status {status}."
        error = {"type": kind, "message": message.format(model=fault.model)}
        return status, {"type": "error", "error": error, "request_id": "req_011CDemoDemoDemoDemoDemo"}

    def failure(self, fault: Fault, opening: Frame | None) -> Frame:
        return Frame(self.refusal(fault)[1], event="error")

    def hollow(self, fault: Fault) -> Frame:
        return self.failure(fault, None)

    def novelty(self) -> Frame:
        return _frame("content_block_novelty", novelty={"kind": "unheard_of"})

    def headers(self, identity: Identity) -> dict[str, str]:
        return {"request-id": identity.letters("req_01", 22)}


def _frame(kind: str, role: Role = Role.LIFECYCLE, **members: Any) -> Frame:
    return Frame({"type": kind, **members}, role, event=kind)


def _message(question: Question, identity: Identity) -> Json:
    return {
        "id": identity.letters("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _stop(answer: Answer) -> Json:
    stop: Json = {"stop_reason": _STOP_REASONS[answer.stop], "stop_sequence": None}
    if stop["stop_reason"] == "refusal":
        stop["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return stop


def _usage(usage: Usage) -> Json:
    """Anthropic's arithmetic: the cached part is not in `input_tokens`."""
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "service_tier": "standard",
    }


def _block(part: Part, identity: Identity) -> Json:
    """The finished content block."""
    match part:
        case Reasoning():
            return {"type": "thinking", "thinking": words(part), "signature": SEAL}
        case ToolCall():
            call = {"type": "tool_use", "id": identity.letters("toolu_01", 22), "name": part.name}
            return {**call, "input": {"input": words(part)} if part.is_custom else decode_json(words(part))}
        case Text(citations=citations) if citations:
            return {"type": "text", "text": words(part), "citations": [_citation(each) for each in citations]}
        case Text() | Refusal():
            return {"type": "text", "text": words(part)}


def _block_frames(part: Part, index: int, identity: Identity) -> list[Frame]:
    opened = _block(part, identity)
    empties: Json = {"thinking": "", "signature": "", "input": {}, "text": "", "citations": []}
    opened |= {name: empty for name, empty in empties.items() if name in opened}
    is_call = isinstance(part, ToolCall)
    frames = [_frame("content_block_start", Role.CONTENT if is_call else Role.LIFECYCLE, index=index)]
    assert isinstance(frames[0].payload, dict)
    frames[0].payload["content_block"] = opened
    frames += [_frame("content_block_delta", role, index=index, delta=delta) for delta, role in _deltas(part)]
    frames.append(_frame("content_block_stop", index=index))
    for frame in frames:
        assert isinstance(frame.payload, dict)
        frame.position = (frame.payload, "index")
        frame.call = part.ordinal if isinstance(part, ToolCall) else None
    return frames


def _deltas(part: Part) -> list[tuple[Json, Role]]:
    match part:
        case Reasoning():
            thoughts = [({"type": "thinking_delta", "thinking": delta}, Role.CONTENT) for delta in part.deltas]
            return [*thoughts, ({"type": "signature_delta", "signature": SEAL}, Role.LIFECYCLE)]
        case ToolCall():
            silence: tuple[Json, Role] = ({"type": "input_json_delta", "partial_json": ""}, Role.LIFECYCLE)
            spoken = [({"type": "input_json_delta", "partial_json": delta}, Role.CONTENT) for delta in part.deltas]
            return [silence, *spoken]
        case Text(citations=citations):
            cited = [({"type": "citations_delta", "citation": _citation(each)}, Role.LIFECYCLE) for each in citations]
            return [({"type": "text_delta", "text": delta}, Role.CONTENT) for delta in part.deltas] + cited
        case Refusal():
            return [({"type": "text_delta", "text": delta}, Role.CONTENT) for delta in part.deltas]


def _citation(citation: Citation) -> Json:
    return {
        "type": "web_search_result_location",
        "cited_text": citation.snippet,
        "url": citation.url,
        "title": citation.title,
        "encrypted_index": SEAL[:64],
    }
