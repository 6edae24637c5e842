"""Good Chat, Messages and domain streams, one per feature. Written by hand from contract §2 and §4."""

import copy
import json
from typing import Any

from tests.conformance.samples_responses import CALLS, EXHAUSTED, HOP
from tests.conformance.wire import Event, bare, note, say

CHAT_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 7,
    "total_tokens": 19,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, index: int = 0, **more: Any) -> Event:
    """A chat chunk; delta None = no choices."""
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "gpt"}
    return bare(copy.deepcopy({**head, "choices": [] if delta is None else [choice], **more}))


def chat_text() -> list[Event]:
    said = [chunk({"role": "assistant", "content": ""}), chunk({"content": "Grüße, "}), chunk({"content": "world"})]
    return [*said, chunk({}, "stop"), chunk(None, usage=CHAT_USAGE), bare("[DONE]")]


def fragment(index: int, arguments: str, call_id: str | None = None) -> dict[str, Any]:
    if call_id is None:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    function = {"name": "weather", "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def chat_tools() -> list[Event]:
    return [
        chunk({"role": "assistant", "content": None}),
        chunk(fragment(0, "", CALLS[0])),
        chunk(fragment(0, '{"city":')),
        chunk(fragment(1, '{"city":"Rome"}', CALLS[1])),
        chunk(fragment(0, '"Oslo"}')),
        chunk({}, "tool_calls"),
        bare("[DONE]"),
    ]


def chat_reasoning() -> list[Event]:
    said = [chunk({"role": "assistant", "reasoning_content": "Hm."}), chunk({"content": "Oslo"}), chunk({}, "stop")]
    return [note(""), *said, bare("[DONE]")]


def chat_two_choices() -> list[Event]:
    both = [chunk({"role": "assistant", "content": "a"}), chunk({"role": "assistant", "content": "b"}, index=1)]
    return [*both, chunk({}, "stop"), chunk({}, "stop", index=1), bare("[DONE]")]


def chat_broken() -> list[Event]:
    error = {"message": "The provider stopped answering.", "type": "server_error", "param": None, "code": None}
    return [chunk({"role": "assistant", "content": "Hel"}), bare({"error": error})]


def chat_fallback() -> list[Event]:
    return [note("segue " + json.dumps(HOP)), *chat_text()]


def chat_fallback_events() -> list[Event]:
    return [Event("segue:fallback_start", dict(HOP)), *chat_text()]


def restart_mark() -> dict[str, Any]:
    return {"fallback_start": {**HOP, "discard": True}}


def chat_restart() -> list[Event]:
    """What was said is void, thoughts included; a comment says so too."""
    void = [chunk({"role": "assistant", "reasoning_content": "Hm."}), chunk({"content": "Hel"})]
    again = chunk({"role": "assistant", "content": ""}, segue=restart_mark())
    told = note("segue " + json.dumps(restart_mark()["fallback_start"]))
    return [*void, again, told, chunk({"content": "Hello"}), chunk({}, "stop"), bare("[DONE]")]


def chat_restart_of_two() -> list[Event]:
    """Both choices begin anew in one chunk."""
    events = chat_two_choices()
    again = chunk({"role": "assistant", "content": ""}, segue=restart_mark())
    again.payload["choices"].append({**again.payload["choices"][0], "index": 1})
    said = [chunk({"content": "c"}), chunk({"content": "d"}, index=1)]
    return [*events[:2], again, *said, *events[2:]]


def text_completion_restart() -> list[Event]:
    events = text_completion()
    again = copy.deepcopy(events[0])
    again.payload["choices"][0]["text"] = ""
    again.payload["segue"] = restart_mark()
    return [events[0], again, *events]


def text_completion() -> list[Event]:
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1_790_000_000, "model": "gpt"}
    said = [{"index": 0, "text": "Once ", "finish_reason": None}, {"index": 0, "text": "upon", "finish_reason": "stop"}]
    return [*(bare({**head, "choices": [choice]}) for choice in said), bare("[DONE]")]


def message_start(**usage: Any) -> Event:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 12, "output_tokens": 1, **usage},
    }  # fmt: skip
    return say("message_start", message=message)


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[Event]:
    return [
        say("content_block_start", index=index, content_block=start),
        *(say("content_block_delta", index=index, delta=delta) for delta in deltas),
        say("content_block_stop", index=index),
    ]


def text_block(index: int, *texts: str) -> list[Event]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": text} for text in texts))


def tool_block(index: int, *pieces: str) -> list[Event]:
    start = {"type": "tool_use", "id": CALLS[index % 2], "name": "weather", "input": {}}
    return block(index, start, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def message_end(stop_reason: str) -> list[Event]:
    usage = {"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 7}
    return [
        say("message_delta", delta={"stop_reason": stop_reason, "stop_sequence": None}, usage=usage),
        say("message_stop"),
    ]


def messages_text() -> list[Event]:
    return [message_start(), say("ping"), *text_block(0, "Grüße, ", "world"), *message_end("end_turn")]


def messages_tools() -> list[Event]:
    calls = [*tool_block(1, "", '{"city":', '"Oslo"}'), *tool_block(2)]
    return [message_start(), *text_block(0, "Looking."), *calls, *message_end("tool_use")]


def messages_thinking() -> list[Event]:
    start = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [{"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "c2ln"}]
    return [message_start(), *block(0, start, *deltas), *text_block(1, "Oslo"), *message_end("end_turn")]


def messages_unsigned_thinking() -> list[Event]:
    start = {"type": "thinking", "thinking": "", "signature": ""}
    thought = block(0, start, {"type": "thinking_delta", "thinking": "Hm."})
    return [message_start(), *thought, *text_block(1, "Oslo"), *message_end("end_turn")]


def messages_citation() -> list[Event]:
    source = {
        "type": "char_location", "cited_text": "Oslo", "document_index": 0, "document_title": "A",
        "start_char_index": 0, "end_char_index": 4, "file_id": None,
    }  # fmt: skip
    deltas = [{"type": "text_delta", "text": "Oslo"}, {"type": "citations_delta", "citation": source}]
    cited = block(0, {"type": "text", "text": "", "citations": []}, *deltas)
    return [message_start(), *cited, *message_end("end_turn")]


def messages_cut_tool() -> list[Event]:
    return [message_start(), *tool_block(0, '{"ci'), *message_end("max_tokens")]


def messages_broken() -> list[Event]:
    error = {"type": "api_error", "message": "The provider stopped answering."}
    return [message_start(), *text_block(0, "Hel")[:2], say("error", error=error)]


def messages_fallback() -> list[Event]:
    return [note("segue " + json.dumps(HOP)), *messages_text()]


def void_stop(index: int) -> Event:
    return say("content_block_stop", index=index, segue={"void": True})


def messages_restart() -> list[Event]:
    """What was said is void, with the thoughts before it; an event says so too."""
    thought = messages_thinking()[1:5]
    told = say("segue:fallback_start", **{**HOP, "discard": True})
    void = [*thought, *text_block(1, "Hel")[:-1], void_stop(1), told]
    return [message_start(), *void, *text_block(2, "Hello"), *message_end("end_turn")]


def messages_restart_between() -> list[Event]:
    """No block was open: an empty one is put in to say so."""
    void = [*text_block(0, "Hel"), text_block(1)[0], void_stop(1)]
    return [message_start(), *void, *text_block(2, "Hello"), *message_end("end_turn")]


def started() -> Event:
    return Event("stream_started", {"request_id": "r-1", "message_id": "m-1", "is_new_turn": True})


def delta(content: str, kind: str = "text") -> Event:
    return Event("delta", {"type": kind, "content": content})


def done() -> Event:
    usage = {"input_tokens": 12, "output_tokens": 7}
    models = {"effective_model": "gpt@second", "selected_model": "gpt", "quota_decision": "allow"}
    warning = {"tier": "total", "period": "day", "remaining_percentage": 12, "warning": True, "exhausted": False}
    return Event("done", {"usage": usage, **models, "quota_warnings": [warning]})


def hop(**changes: Any) -> Event:
    return Event("fallback_start", {**HOP, **changes})


def domain_text() -> list[Event]:
    pings = [Event("ping", {}), Event("ping", {})]
    return [started(), *pings, delta("Hm.", "reasoning"), note("idle"), delta("Grüße, "), delta("world"), done()]


def domain_tool() -> list[Event]:
    tool = [Event("tool", {"phase": phase, "name": "web_search", "details": {}}) for phase in ("start", "done")]
    cited = {"source": "web", "title": "A", "snippet": "Oslo", "url": "https://example.com/a"}
    cited["span"] = {"start": 0, "end": 4}
    return [started(), *tool, delta("Oslo"), Event("citations", {"items": [cited]}), done()]


def domain_fallback() -> list[Event]:
    second = hop(from_model="gpt@second", to_model="gpt@third", reason="circuit_breaker", attempt=2)
    return [started(), hop(), second, Event("ping", {}), delta("Hello"), done()]


def domain_restart() -> list[Event]:
    return [started(), delta("Hel"), hop(discard=True), Event("ping", {}), delta("Hello"), done()]


def domain_exhausted() -> list[Event]:
    error = {"code": "rate_limited", "message": "Every candidate is rate limited."}
    return [started(), hop(), Event("fallback_exhausted", copy.deepcopy(EXHAUSTED)), Event("error", error)]


def domain_error_only() -> list[Event]:
    return [Event("error", {"code": "quota_exceeded", "message": "The day is used up.", "quota_scope": "tokens"})]


_CHAT = (
    chat_text, chat_tools, chat_reasoning, chat_two_choices, chat_broken, chat_fallback, chat_fallback_events,
    chat_restart, chat_restart_of_two,
)  # fmt: skip
_MESSAGES = (
    messages_text, messages_tools, messages_thinking, messages_unsigned_thinking, messages_citation, messages_cut_tool,
    messages_broken, messages_fallback, messages_restart, messages_restart_between,
)  # fmt: skip
_DOMAIN = (domain_text, domain_tool, domain_fallback, domain_restart, domain_exhausted, domain_error_only)

GOOD_CHAT = {sample.__name__: sample for sample in (*_CHAT, text_completion, text_completion_restart)}
GOOD_MESSAGES = {sample.__name__: sample for sample in _MESSAGES}
GOOD_DOMAIN = {sample.__name__: sample for sample in _DOMAIN}
