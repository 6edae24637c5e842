"""Speaks OpenAI Chat Completions. Shapes: openai-python 3.x, `openai.types.chat`; `reasoning_content` is DeepSeek's
(api-docs.deepseek.com/guides/reasoning_model), `reasoning` the name vLLM, Groq and OpenRouter give the same."""

from itertools import chain, zip_longest
from typing import Any

from proxy.demo.content import (
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
    total,
    words,
)
from proxy.demo.faults import Fault
from proxy.demo.frames import Frame, Json, Role
from proxy.demo.identity import Identity
from proxy.demo.speakers.openai_errors import error_object
from proxy.demo.speakers.speaker import begun_by_assistant, last_said, text_of, trailing

_FINISH_REASONS = {
    "stop": "stop",
    "tools": "tool_calls",
    "refusal": "stop",
    "length": "length",
    "filtered": "content_filter",
}


class Chat:
    def read(self, body: Json) -> Question:
        messages = body.get("messages") or []
        choice = body.get("tool_choice")
        shape = body.get("response_format") or {}
        schemas = {"json_schema": (shape.get("json_schema") or {}).get("schema", {}), "json_object": {}}
        return Question(
            model=str(body.get("model", "")),
            prompt="".join(text_of(message.get("content")) for message in messages),
            said=last_said(messages),
            begun=begun_by_assistant(messages),
            tool_results=tuple(text_of(message.get("content")) for message in trailing(messages, "role", "tool")),
            tools=tuple(_tool(tool) for tool in body.get("tools") or () if tool.get("type") in ("function", "custom")),
            must_call=_named(choice) if isinstance(choice, dict) else "" if choice == "required" else None,
            may_call_several=body.get("parallel_tool_calls") is not False,
            schema=schemas.get(shape.get("type", "")),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            is_streamed=bool(body.get("stream")),
            wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            choices=body.get("n") or 1,
        )

    def stream(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> list[Frame]:
        opening = _opening(question, identity, "chat.completion.chunk", "chatcmpl-")
        choices = [_choice_frames(i, answer, opening, identity) for i, answer in enumerate(answers)]
        frames = [frame for frame in chain(*zip_longest(*choices)) if frame is not None]
        return with_usage(frames, opening, answers, question.wants_usage)

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        choices = [
            {
                "index": i,
                "message": _message(answer, identity),
                "logprobs": None,
                "finish_reason": _FINISH_REASONS[answer.stop],
            }
            for i, answer in enumerate(answers)
        ]
        opening = _opening(question, identity, "chat.completion", "chatcmpl-")
        completion = {**opening, "choices": choices, "usage": chat_usage(answers)}
        return Frame(completion, Role.FINISH, usage=(completion, "usage"))

    def refusal(self, fault: Fault) -> tuple[int, Json]:
        status, error = error_object(fault)
        return status, {"error": error}

    def failure(self, fault: Fault, opening: Frame | None) -> Frame:
        return Frame(self.refusal(fault)[1])

    def hollow(self, fault: Fault) -> Frame:
        """As Onwards met it (github.com/doublewordai/onwards/pull/199): the code is a status."""
        status, error = error_object(fault)
        return Frame({"choices": [], "error": {"code": status, "message": error["message"]}})

    def novelty(self) -> Frame:
        """Azure opens its streams with such a chunk (learn.microsoft.com, "Content filtering and streaming")."""
        return Frame({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []})

    def headers(self, identity: Identity) -> dict[str, str]:
        return {"x-request-id": identity.hexadecimal("req_", 32), "openai-processing-ms": "12"}


def with_usage(frames: list[Frame], opening: Json, answers: list[Answer], wants_usage: bool) -> list[Frame]:
    """The end of a stream of chunks: the usage chunk without choices if it was asked for, then `[DONE]`."""
    for frame in frames:
        assert isinstance(frame.payload, dict)
        if wants_usage:
            frame.payload["usage"] = None
        frame.usage = (frame.payload, "usage")
    if wants_usage:
        last = {**opening, "choices": [], "usage": chat_usage(answers)}
        frames.append(Frame(last, Role.USAGE, usage=(last, "usage")))
    return [*frames, Frame(b"[DONE]", Role.DONE)]


def chat_usage(answers: list[Answer]) -> Json:
    usage: Usage = total([answer.usage for answer in answers])
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _tool(tool: Json) -> Tool:
    inner = tool.get(tool["type"]) or {}
    return Tool(inner.get("name", ""), inner.get("parameters") or {}, tool["type"] == "custom")


def _named(choice: Json) -> str:
    return str((choice.get(choice.get("type", "")) or {}).get("name", ""))


def _opening(question: Question, identity: Identity, kind: str, prefix: str) -> Json:
    return {
        "id": identity.letters(prefix, 29),
        "object": kind,
        "created": identity.created,
        "model": question.model,
        "service_tier": "default",
        "system_fingerprint": "fp_5e6d0de3a1",
    }


def _choice_frames(index: int, answer: Answer, opening: Json, identity: Identity) -> list[Frame]:
    def chunk(delta: Json, role: Role = Role.LIFECYCLE, finish_reason: str | None = None) -> Frame:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Frame({**opening, "choices": [choice]}, role)

    frames = [chunk({"role": "assistant", "content": "", "refusal": None})]
    for part in answer.parts:
        for delta, role in _deltas(part, identity):
            frames.append(chunk(delta, role))
            if isinstance(part, ToolCall):
                frames[-1].call = part.ordinal
                frames[-1].position = (delta["tool_calls"][0], "index")
    frames.append(chunk({}, Role.FINISH, _FINISH_REASONS[answer.stop]))
    return frames


def _deltas(part: Part, identity: Identity) -> list[tuple[Json, Role]]:
    match part:
        case Text():
            cited = [({"annotations": [_annotation(each, part)]}, Role.LIFECYCLE) for each in part.citations]
            return [({"content": delta}, Role.CONTENT) for delta in part.deltas] + cited
        case Refusal():
            return [({"refusal": delta}, Role.CONTENT) for delta in part.deltas]
        case Reasoning():
            return [({_reasoning_name(part): delta}, Role.CONTENT) for delta in part.deltas]
        case ToolCall():
            kind, spoken = _call_kind(part)
            opened = {"id": identity.letters("call_", 24), "type": kind, kind: {"name": part.name, spoken: ""}}
            calls: list[Json] = [opened, *({kind: {spoken: delta}} for delta in part.deltas)]
            return [({"tool_calls": [{"index": part.ordinal, **call}]}, Role.CONTENT) for call in calls]


def _call_kind(part: ToolCall) -> tuple[str, str]:
    return ("custom", "input") if part.is_custom else ("function", "arguments")


def _reasoning_name(part: Reasoning) -> str:
    return "reasoning" if part.is_raw else "reasoning_content"


def _message(answer: Answer, identity: Identity) -> Json:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    for part in answer.parts:
        match part:
            case Text():
                message["content"] = words(part)
                message["annotations"] = [_annotation(each, part) for each in part.citations]
            case Refusal():
                message["refusal"] = words(part)
            case Reasoning():
                message[_reasoning_name(part)] = words(part)
            case ToolCall():
                kind, spoken = _call_kind(part)
                call = {"type": kind, kind: {"name": part.name, spoken: words(part)}}
                message.setdefault("tool_calls", []).append({"id": identity.letters("call_", 24), **call})
    return message


def _annotation(citation: Citation, text: Text) -> Json:
    place = {"start_index": 0, "end_index": len(words(text)), "url": citation.url, "title": citation.title}
    return {"type": "url_citation", "url_citation": place}
