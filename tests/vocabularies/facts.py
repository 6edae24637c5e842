"""What a client understands of an answer in each vocabulary, streamed or whole, in one form so that answers compare."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from proxy.demo.content import Answer, Refusal, Text, ToolCall, Usage, words

Json = dict[str, Any]


class Facts(NamedTuple):
    """`calls`: name and arguments, those parsed where they are JSON. `usage`: the demo's arithmetic, None = not told.
    `stop`: the wire's own words."""

    spoken: str
    calls: list[tuple[str, Any]]
    call_ids: list[str]
    reasoning: str
    usage: Usage | None
    stop: str
    sources: list[str]


def payloads(stream: bytes) -> list[Json]:
    """The JSON object of every frame, with its event name as `_event`."""
    found = []
    for block in stream.decode().replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        fields = {name: value.removeprefix(" ") for name, _, value in (line.partition(":") for line in lines)}
        if fields.get("data", "[DONE]") != "[DONE]":
            found.append({"_event": fields.get("event", ""), **json.loads(fields["data"])})
    return found


def comments(stream: bytes) -> list[Json]:
    """The notices told in comments."""
    lines = [line for line in stream.decode().split("\n") if line.startswith(": segue ")]
    return [json.loads(line.removeprefix(": segue ")) for line in lines]


def of_document(vocabulary: str, body: Json) -> Facts:
    return {"responses": _response, "chat": _completion, "messages": _message}[vocabulary](body)


def of_stream(vocabulary: str, stream: bytes) -> Facts:
    """The stream's content, folded the way that vocabulary's clients do it."""
    return of_frames(vocabulary, payloads(stream))


def of_frames(vocabulary: str, frames: list[Json]) -> Facts:
    fold: dict[str, Callable[[list[Json]], Facts]] = {
        "responses": lambda frames: _response(frames[-1]["response"]),
        "chat": lambda frames: _completion(_folded_chunks(frames)),
        "messages": lambda frames: _message(_folded_message(frames)),
        "domain": _domain,
    }
    return fold[vocabulary](frames)


def expected(truth: Answer) -> tuple[str, list[tuple[str, Any]]]:
    """The words and calls of the upstream's own answer."""
    spoken = "".join(words(part) for part in truth.parts if isinstance(part, (Text, Refusal)))
    return spoken, [(part.name, json.loads(words(part))) for part in truth.parts if isinstance(part, ToolCall)]


def _response(body: Json) -> Facts:
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    thoughts = [item for item in body["output"] if item["type"] == "reasoning"]
    usage = body["usage"]
    return Facts(
        "".join(part.get("text", part.get("refusal", "")) for part in parts),
        [(call["name"], json.loads(call["arguments"])) for call in calls],
        [call["call_id"] for call in calls],
        "".join(part["text"] for item in thoughts for part in [*item["summary"], *(item.get("content") or ())]),
        usage
        and Usage(
            usage["input_tokens"],
            usage["input_tokens_details"]["cached_tokens"],
            usage["output_tokens"],
            usage["output_tokens_details"]["reasoning_tokens"],
        ),
        (body.get("incomplete_details") or {}).get("reason") or body["status"],
        [note["url"] for part in parts for note in part.get("annotations", ())],
    )


def _completion(body: Json) -> Facts:
    message = body["choices"][0]["message"]
    calls = message.get("tool_calls") or []
    usage = body.get("usage")
    return Facts(
        (message.get("content") or "") + (message.get("refusal") or ""),
        [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
        [call["id"] for call in calls],
        message.get("reasoning_content") or message.get("reasoning") or "",
        usage
        and Usage(
            usage["prompt_tokens"],
            (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            usage["completion_tokens"],
            (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0,
        ),
        body["choices"][0]["finish_reason"],
        [note["url_citation"]["url"] for note in message.get("annotations") or ()],
    )


def _folded_chunks(frames: list[Json]) -> Json:
    message: Json = {"content": "", "refusal": "", "reasoning_content": "", "tool_calls": [], "annotations": []}
    finish, usage = None, None
    for frame in frames:
        usage = frame.get("usage") or usage
        for choice in frame["choices"]:
            delta = choice["delta"]
            for name in ("content", "refusal", "reasoning_content"):
                message[name] += delta.get(name) or ""
            message["reasoning_content"] += delta.get("reasoning") or ""
            message["annotations"] += delta.get("annotations") or []
            for call in delta.get("tool_calls") or ():
                if call["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append({"id": call["id"], "function": {"name": "", "arguments": ""}})
                function = message["tool_calls"][call["index"]]["function"]
                for name in ("name", "arguments"):
                    function[name] += call["function"].get(name) or ""
            finish = choice.get("finish_reason") or finish
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def _message(body: Json) -> Facts:
    blocks = body["content"]
    calls = [block for block in blocks if block["type"] == "tool_use"]
    usage = body["usage"]
    cached = usage.get("cache_read_input_tokens") or 0
    texts = [block for block in blocks if block["type"] == "text"]
    return Facts(
        "".join(block["text"] for block in texts),
        [(call["name"], call["input"]) for call in calls],
        [call["id"] for call in calls],
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        Usage(usage["input_tokens"] + cached, cached, usage["output_tokens"], 0),
        body["stop_reason"],
        [source["url"] for block in texts for source in block.get("citations") or ()],
    )


def _folded_message(frames: list[Json]) -> Json:
    message: Json = {}
    for frame in frames:
        match frame["type"]:
            case "message_start":
                message = {**frame["message"], "content": []}
            case "content_block_start":
                message["content"].append({**frame["content_block"], "_json": "", "citations": []})
            case "content_block_delta":
                _grow(message["content"][frame["index"]], frame["delta"])
            case "message_delta":
                message |= frame["delta"]
                message["usage"] |= {name: value for name, value in frame["usage"].items() if value is not None}
    for block in message["content"]:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["_json"] or "{}")
    return message


def _grow(block: Json, delta: Json) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "input_json_delta":
            block["_json"] += delta["partial_json"]
        case "citations_delta":
            block["citations"].append(delta["citation"])


def _domain(frames: list[Json]) -> Facts:
    def said(kind: str) -> str:
        return "".join(f["content"] for f in frames if f["_event"] == "delta" and f["type"] == kind)

    usage = frames[-1].get("usage")
    return Facts(
        said("text"),
        [],
        [],
        said("reasoning"),
        usage
        and Usage(
            usage["input_tokens"],
            usage.get("cache_read_tokens") or 0,
            usage["output_tokens"],
            usage.get("reasoning_tokens") or 0,
        ),
        frames[-1]["_event"],
        [item["url"] for f in frames if f["_event"] == "citations" for item in f["items"]],
    )
