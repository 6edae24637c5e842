"""Speaks OpenAI Responses. Shapes: openai-python 3.x, `openai.types.responses`."""

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
from proxy.demo.frames import Frame, Json, Role
from proxy.demo.identity import Identity
from proxy.demo.speakers.openai_errors import error_object
from proxy.demo.speakers.speaker import begun_by_assistant, last_said, text_of, trailing

_INCOMPLETE = {"length": "max_output_tokens", "filtered": "content_filter"}
_RESULT_TYPES = ("function_call_output", "custom_tool_call_output")
# Every member of a Response that echoes the request, with what it is when the request is silent.
_ECHOED: Json = {
    "background": False, "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None,
    "max_tool_calls": None, "metadata": {}, "parallel_tool_calls": True, "presence_penalty": 0.0,
    "previous_response_id": None, "prompt_cache_key": None, "prompt_cache_retention": None,
    "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "store": True, "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto", "tools": [],
    "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
}  # fmt: skip


class Responses:
    def read(self, body: Json) -> Question:
        given = body.get("input", "")
        items = given if isinstance(given, list) else [{"role": "user", "content": given}]
        results = [item for kind in _RESULT_TYPES for item in trailing(items, "type", kind)]
        choice = body.get("tool_choice")
        text_format = (body.get("text") or {}).get("format") or {}
        schemas = {"json_schema": text_format.get("schema", {}), "json_object": {}}
        return Question(
            model=str(body.get("model", "")),
            prompt=str(body.get("instructions") or "") + "".join(_prompt_of(item) for item in items),
            said=last_said(items),
            begun=begun_by_assistant(items),
            tool_results=tuple(text_of(result.get("output")) for result in results),
            tools=tuple(
                Tool(tool["name"], tool.get("parameters") or {}, tool["type"] == "custom")
                for tool in body.get("tools") or ()
                if tool.get("type") in ("function", "custom")
            ),
            must_call=choice.get("name", "") if isinstance(choice, dict) else "" if choice == "required" else None,
            may_call_several=body.get("parallel_tool_calls") is not False,
            schema=schemas.get(text_format.get("type", "")),
            max_tokens=body.get("max_output_tokens"),
            is_streamed=bool(body.get("stream")),
            wants_seal="reasoning.encrypted_content" in (body.get("include") or ()),
        )

    def stream(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> list[Frame]:
        answer = answers[0]
        response = _response(question, body, identity)
        items = [_item(part, question, identity) for part in answer.parts]
        frames = [_frame("response.created", response=dict(response))]
        frames.append(_frame("response.in_progress", response=dict(response)))
        for index, (part, item) in enumerate(zip(answer.parts, items, strict=True)):
            frames += _item_frames(part, item, index)
        frames.append(_finish(answer, response, items))
        return frames

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        response = _response(question, body, identity)
        items = [_item(part, question, identity) for part in answers[0].parts]
        finished = _finish(answers[0], response, items).payload
        assert isinstance(finished, dict)
        return Frame(finished["response"], Role.FINISH, usage=(finished["response"], "usage"))

    def refusal(self, fault: Fault) -> tuple[int, Json]:
        status, error = error_object(fault)
        return status, {"error": error}

    def failure(self, fault: Fault, opening: Frame | None) -> Frame:
        _, error = error_object(fault)
        code, message = error["code"] or error["type"], error["message"]
        if opening is None:
            return _frame("error", code=code, message=message, param=error["param"])
        assert isinstance(opening.payload, dict)
        failed = {"status": "failed", "error": {"code": code, "message": message}}
        return _frame("response.failed", response=opening.payload["response"] | failed)

    def hollow(self, fault: Fault) -> Frame:
        return self.failure(fault, None)

    def novelty(self) -> Frame:
        return _frame("response.novelty.added", novelty={"kind": "unheard_of"})

    def headers(self, identity: Identity) -> dict[str, str]:
        return {"x-request-id": identity.hexadecimal("req_", 32), "openai-processing-ms": "12"}


def _frame(kind: str, role: Role = Role.LIFECYCLE, **members: Any) -> Frame:
    return Frame({"type": kind, "sequence_number": 0, **members}, role, event=kind)


def _prompt_of(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    return text_of(item.get("content")) + text_of(item.get("output")) + str(item.get("arguments") or "")


def _response(question: Question, body: Json, identity: Identity) -> Json:
    echoed = {name: body[name] if body.get(name) is not None else silent for name, silent in _ECHOED.items()}
    return {
        "id": identity.hexadecimal("resp_"), "object": "response", "created_at": identity.created,
        "status": "in_progress", "completed_at": None, "error": None, "incomplete_details": None,
        "model": question.model, "output": [], "service_tier": "default", "usage": None, **echoed,
    }  # fmt: skip


def _item(part: Part, question: Question, identity: Identity) -> Json:
    """The finished item."""
    match part:
        case Reasoning():
            thoughts = [{"type": "reasoning_text" if part.is_raw else "summary_text", "text": words(part)}]
            item = {"id": identity.hexadecimal("rs_"), "type": "reasoning", "summary": [] if part.is_raw else thoughts}
            if part.is_raw:
                item["content"] = thoughts
            return {**item, "encrypted_content": SEAL} if question.wants_seal else item
        case ToolCall(is_custom=True):
            call = {"type": "custom_tool_call", "status": "completed", "input": words(part), "name": part.name}
            return {"id": identity.hexadecimal("ctc_"), "call_id": identity.letters("call_", 24), **call}
        case ToolCall():
            call = {"type": "function_call", "status": "completed", "arguments": words(part), "name": part.name}
            return {"id": identity.hexadecimal("fc_"), "call_id": identity.letters("call_", 24), **call}
        case Text() | Refusal():
            message = {"type": "message", "status": "completed", "role": "assistant", "content": [_content_part(part)]}
            return {"id": identity.hexadecimal("msg_"), **message}


def _content_part(part: Text | Refusal) -> Json:
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": words(part)}
    length = len(words(part))
    annotations = [_annotation(citation, length) for citation in part.citations]
    return {"type": "output_text", "annotations": annotations, "logprobs": [], "text": words(part)}


def _annotation(citation: Citation, length: int) -> Json:
    place = {"type": "url_citation", "start_index": 0, "end_index": length}
    return {**place, "url": citation.url, "title": citation.title}


def _item_frames(part: Part, item: Json, index: int) -> list[Frame]:
    opened = {**item, "status": "in_progress"} if "status" in item else {**item}
    opened |= {name: type(item[name])() for name in ("content", "summary", "arguments", "input") if name in item}
    place = {"output_index": index, "item_id": item["id"]}
    is_call = isinstance(part, ToolCall)
    added = _frame("response.output_item.added", Role.CONTENT if is_call else Role.LIFECYCLE, output_index=index)
    frames = [added, *_part_frames(part, item, place), _frame("response.output_item.done", output_index=index)]
    for frame, shown in ((frames[0], opened), (frames[-1], item)):
        assert isinstance(frame.payload, dict)
        frame.payload["item"] = shown
    for frame in frames:
        assert isinstance(frame.payload, dict)
        frame.position = (frame.payload, "output_index")
        frame.call = part.ordinal if isinstance(part, ToolCall) else None
    return frames


def _part_frames(part: Part, item: Json, place: Json) -> list[Frame]:
    match part:
        case ToolCall(is_custom=True):
            return _said("response.custom_tool_call_input", part, place, {}, {"input": words(part)})
        case ToolCall():
            return _said(
                "response.function_call_arguments", part, place, {}, {"arguments": words(part), "name": part.name}
            )
        case Reasoning(is_raw=True):
            at = {**place, "content_index": 0}
            return _bracketed("content_part", "reasoning_text", part, at, item["content"][0], {})
        case Reasoning():
            at = {**place, "summary_index": 0}
            thought = item["summary"][0]
            return _bracketed("reasoning_summary_part", "reasoning_summary_text", part, at, thought, {})
        case Refusal():
            return _bracketed("content_part", "refusal", part, {**place, "content_index": 0}, item["content"][0], {})
        case Text():
            at = {**place, "content_index": 0}
            frames = _bracketed("content_part", "output_text", part, at, item["content"][0], {"logprobs": []})
            cited = [
                _frame("response.output_text.annotation.added", annotation_index=i, annotation=annotation, **at)
                for i, annotation in enumerate(item["content"][0]["annotations"])
            ]
            return [*frames[:-2], *cited, *frames[-2:]]


def _bracketed(bracket: str, kind: str, part: Part, at: Json, finished: Json, extra: Json) -> list[Frame]:
    """A part that is announced empty, spoken, and shown finished."""
    spoken = "refusal" if kind == "refusal" else "text"
    empty = {**finished, spoken: ""} | ({"annotations": []} if "annotations" in finished else {})
    said = _said(f"response.{kind}", part, at, extra, {spoken: words(part), **extra})
    return [
        _frame(f"response.{bracket}.added", part=empty, **at),
        *said,
        _frame(f"response.{bracket}.done", part=finished, **at),
    ]


def _said(kind: str, part: Part, at: Json, extra: Json, finished: Json) -> list[Frame]:
    deltas = [_frame(f"{kind}.delta", Role.CONTENT, delta=delta, **extra, **at) for delta in part.deltas]
    return [*deltas, _frame(f"{kind}.done", **finished, **at)]


def _finish(answer: Answer, response: Json, items: list[Json]) -> Frame:
    reason = _INCOMPLETE.get(answer.stop)
    status = "incomplete" if reason else "completed"
    finished = response | {"status": status, "output": items, "usage": _usage(answer.usage)}
    if reason:
        finished["incomplete_details"] = {"reason": reason}
    else:
        finished["completed_at"] = response["created_at"] + 1
    frame = _frame(f"response.{status}", Role.FINISH, response=finished)
    frame.usage = (finished, "usage")
    return frame


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
