"""What the bench's upstream says: whole answers and streams of the three upstream vocabularies, as ready-made bytes.

The shapes are those of the official SDKs' response types (`openai.types`, `anthropic.types`); a streamed delta is about
290 bytes long, as OpenAI's are.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

WORD = " measured"
CREATED = 1764000000
# OpenAI pads its deltas with an `obfuscation` member; ours brings each to the typical length.
_PADDING = "bA7kQ2mXw9"
_LONGER_PADDING = "bA7kQ2mXw9tR4vZc8LpY3nHs6Dg1JfUe5BoMi0WqKxSaTz7C"
_PROMPT_TOKENS = 12


class Stream(NamedTuple):
    """One streamed answer: what opens it, one frame per delta, what ends it. Each is one or more whole SSE frames."""

    opening: bytes
    deltas: list[bytes]
    closing: bytes


def whole(vocabulary: str, model: str, deltas: int) -> bytes:
    """The JSON body of a non-streaming answer."""
    return _dump(_WHOLE[vocabulary](model, deltas))


def stream(vocabulary: str, model: str, deltas: int, include_usage: bool) -> Stream:
    """The frames of a streaming answer; `include_usage` matters to chat alone."""
    if vocabulary == "chat":
        return _chat_stream(model, deltas, include_usage)
    return _STREAM[vocabulary](model, deltas)


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _frame(payload: dict[str, Any]) -> bytes:
    return b"data: " + _dump(payload) + b"\n\n"


def _named_frame(payload: dict[str, Any]) -> bytes:
    return b"event: %b\n" % str(payload["type"]).encode() + _frame(payload)


# chat


def _chat_usage(deltas: int) -> dict[str, Any]:
    return {
        "prompt_tokens": _PROMPT_TOKENS,
        "completion_tokens": deltas,
        "total_tokens": _PROMPT_TOKENS + deltas,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _chat_whole(model: str, deltas: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": WORD * deltas, "refusal": None, "annotations": []}
    return {
        "id": "chatcmpl-BenchAnswer00000000000000001",
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(deltas),
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
    }


def _chat_stream(model: str, deltas: int, include_usage: bool) -> Stream:
    def chunk(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        payload: dict[str, Any] = {
            "id": "chatcmpl-BenchAnswer00000000000000001",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": model,
            "service_tier": "default",
            "system_fingerprint": "fp_560af6e559",
            "choices": choices,
        }
        if include_usage:
            payload["usage"] = usage
        return _frame(payload | {"obfuscation": _PADDING})

    def choice(delta: dict[str, Any], finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]

    closing = chunk(choice({}, "stop"))
    if include_usage:
        closing += chunk([], _chat_usage(deltas))
    return Stream(
        opening=chunk(choice({"role": "assistant", "content": "", "refusal": None})),
        deltas=[chunk(choice({"content": WORD}))] * deltas,
        closing=closing + b"data: [DONE]\n\n",
    )


# responses


_RESPONSE_ID = "resp_bench000000000000000000000000000001"
_ITEM_ID = "msg_bench0000000000000000000000000000001"


def _response(model: str, status: str, output: list[dict[str, Any]], deltas: int = 0) -> dict[str, Any]:
    usage = {
        "input_tokens": _PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": deltas,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": _PROMPT_TOKENS + deltas,
    }
    return {
        "id": _RESPONSE_ID,
        "object": "response",
        "created_at": CREATED,
        "completed_at": CREATED + 1 if status == "completed" else None,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None},
        "safety_identifier": None,
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if status == "completed" else None,
        "user": None,
        "metadata": {},
    }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message_item(status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": _ITEM_ID, "type": "message", "status": status, "role": "assistant", "content": content}


def _responses_whole(model: str, deltas: int) -> dict[str, Any]:
    return _response(model, "completed", [_message_item("completed", [_text_part(WORD * deltas)])], deltas)


def _responses_events(model: str, deltas: int) -> Iterator[dict[str, Any]]:
    text = WORD * deltas
    done = _message_item("completed", [_text_part(text)])
    at_item = {"item_id": _ITEM_ID, "output_index": 0}
    at_part = at_item | {"content_index": 0}
    yield {"type": "response.created", "response": _response(model, "in_progress", [])}
    yield {"type": "response.in_progress", "response": _response(model, "in_progress", [])}
    yield {"type": "response.output_item.added", "output_index": 0, "item": _message_item("in_progress", [])}
    yield {"type": "response.content_part.added", **at_part, "part": _text_part("")}
    for _ in range(deltas):
        padding = {"logprobs": [], "obfuscation": _LONGER_PADDING}
        yield {"type": "response.output_text.delta", **at_part, "delta": WORD, **padding}
    yield {"type": "response.output_text.done", **at_part, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **at_part, "part": _text_part(text)}
    yield {"type": "response.output_item.done", "output_index": 0, "item": done}
    yield {"type": "response.completed", "response": _response(model, "completed", [done], deltas)}


def _responses_stream(model: str, deltas: int) -> Stream:
    numbered = enumerate(_responses_events(model, deltas))
    frames = [_named_frame(event | {"sequence_number": number}) for number, event in numbered]
    return Stream(b"".join(frames[:4]), frames[4 : 4 + deltas], b"".join(frames[4 + deltas :]))


# messages


def _messages_whole(model: str, deltas: int, finished: bool = True) -> dict[str, Any]:
    return {
        "id": "msg_01Bench00000000000000001",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": WORD * deltas}] if finished else [],
        "stop_reason": "end_turn" if finished else None,
        "stop_sequence": None,
        "usage": {
            "input_tokens": _PROMPT_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": deltas if finished else 1,
            "service_tier": "standard",
        },
    }


def _messages_stream(model: str, deltas: int) -> Stream:
    start = {"type": "message_start", "message": _messages_whole(model, deltas, finished=False)}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": WORD}}
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    ending: list[dict[str, Any]] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": {"output_tokens": deltas}},
        {"type": "message_stop"},
    ]
    return Stream(
        opening=_named_frame(start) + _named_frame(block) + _named_frame({"type": "ping"}),
        deltas=[_named_frame(delta)] * deltas,
        closing=b"".join(_named_frame(event) for event in ending),
    )


_WHOLE = {"chat": _chat_whole, "responses": _responses_whole, "messages": _messages_whole}
_STREAM = {"responses": _responses_stream, "messages": _messages_stream}
