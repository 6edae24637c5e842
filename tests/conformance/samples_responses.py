"""Good Responses streams, one per feature. Written by hand from contract §3."""

import copy
from typing import Any

from tests.conformance.wire import Event, bare, named, note, numbered, say

USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 19,
}
SEGUE = {
    "served_by": "gpt@second",
    "attempts": [{"model": "gpt@first", "reason": "rate_limit", "status": 429, "elapsed_ms": 12}],
    "quota": {"decision": "allow", "warnings": []},
    "warnings": [{"param": "logit_bias", "action": "dropped"}],
}
CALLS = ["call_" + letter * 24 for letter in "AB"]
HOP = {
    "from_model": "gpt@first",
    "to_model": "gpt@second",
    "reason": "rate_limit",
    "detail": "tokens",
    "status": 429,
    "attempt": 1,
    "discard": False,
    "elapsed_ms": 12,
}
EXHAUSTED = {
    "models_tried": ["gpt@first", "gpt@second"],
    "final_error": "every candidate failed",
    "attempts": [{"model": "gpt@second", "reason": "server_error", "status": 502, "elapsed_ms": 40}],
}


def response(status: str, output: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    ended = status in ("completed", "failed", "incomplete")
    body: dict[str, Any] = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "completed_at": 1_790_000_002 if status == "completed" else None,
        "status": status,
        "model": "gpt",
        "output": output or [],
        "error": None,
        "incomplete_details": None,
        "usage": USAGE if status in ("completed", "incomplete") else None,
        "previous_response_id": None,
        "instructions": None,
        "reasoning": None,
        "max_output_tokens": None,
        "max_tool_calls": None,
        "safety_identifier": None,
        "prompt_cache_key": None,
        "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": True}],
        "tool_choice": "auto",
        "truncation": "disabled",
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "top_p": 1.0,
        "temperature": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "store": False,
        "background": False,
        "service_tier": "default",
        "metadata": {},
    }
    if ended:
        body["segue"] = SEGUE
    return copy.deepcopy({**body, **changes})


def opening() -> list[Event]:
    return [
        say("response.created", response=response("in_progress")),
        say("response.in_progress", response=response("in_progress")),
    ]


def text_part(text: str, annotations: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": []}


def message(index: int, status: str, *content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": f"msg_{index}", "role": "assistant", "status": status, "content": list(content)}


def spoken(index: int, *deltas: str, annotation: dict[str, Any] | None = None) -> list[Event]:
    """A message of one text part, from added to done."""
    at = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    part = text_part("".join(deltas), [annotation] if annotation else None)
    cited = [say("response.output_text.annotation.added", **at, annotation_index=0, annotation=annotation)]
    return [
        say("response.output_item.added", output_index=index, item=message(index, "in_progress")),
        say("response.content_part.added", **at, part=text_part("")),
        *(say("response.output_text.delta", **at, delta=delta, logprobs=[]) for delta in deltas),
        *(cited if annotation else []),
        say("response.output_text.done", **at, text="".join(deltas), logprobs=[]),
        say("response.content_part.done", **at, part=part),
        say("response.output_item.done", output_index=index, item=message(index, "completed", part)),
    ]


def refused(index: int, text: str) -> list[Event]:
    at = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
    part = {"type": "refusal", "refusal": text}
    return [
        say("response.output_item.added", output_index=index, item=message(index, "in_progress")),
        say("response.content_part.added", **at, part={"type": "refusal", "refusal": ""}),
        say("response.refusal.delta", **at, delta=text),
        say("response.refusal.done", **at, refusal=text),
        say("response.content_part.done", **at, part=part),
        say("response.output_item.done", output_index=index, item=message(index, "completed", part)),
    ]


def called(index: int, call_id: str, *deltas: str) -> list[Event]:
    at = {"item_id": f"fc_{index}", "output_index": index}
    item = {"type": "function_call", "id": f"fc_{index}", "call_id": call_id, "name": "weather"}
    whole = "".join(deltas)
    added, done = {"arguments": "", "status": "in_progress"}, {"arguments": whole, "status": "completed"}
    return [
        say("response.output_item.added", output_index=index, item={**item, **added}),
        *(say("response.function_call_arguments.delta", **at, delta=delta) for delta in deltas),
        say("response.function_call_arguments.done", **at, arguments=whole, name="weather"),
        say("response.output_item.done", output_index=index, item={**item, **done}),
    ]


def custom_called(index: int, call_id: str, text: str) -> list[Event]:
    at = {"item_id": f"ctc_{index}", "output_index": index}
    item = {"type": "custom_tool_call", "id": f"ctc_{index}", "call_id": call_id, "name": "shell"}
    return [
        say("response.output_item.added", output_index=index, item={**item, "input": ""}),
        say("response.custom_tool_call_input.delta", **at, delta=text),
        say("response.custom_tool_call_input.done", **at, input=text),
        say("response.output_item.done", output_index=index, item={**item, "input": text}),
    ]


def reasoned(index: int, summary: str, thought: str = "") -> list[Event]:
    at = {"item_id": f"rs_{index}", "output_index": index}
    item = {"type": "reasoning", "id": f"rs_{index}"}
    part = {"type": "summary_text", "text": summary}
    thoughts = [
        say("response.reasoning_text.delta", **at, content_index=0, delta=thought),
        say("response.reasoning_text.done", **at, content_index=0, text=thought),
    ]
    done = {**item, "summary": [part], "encrypted_content": "b3BhcXVl"}
    if thought:
        done["content"] = [{"type": "reasoning_text", "text": thought}]
    return [
        say("response.output_item.added", output_index=index, item={**item, "summary": []}),
        *(thoughts if thought else []),
        say("response.reasoning_summary_part.added", **at, summary_index=0, part={**part, "text": ""}),
        say("response.reasoning_summary_text.delta", **at, summary_index=0, delta=summary),
        say("response.reasoning_summary_text.done", **at, summary_index=0, text=summary),
        say("response.reasoning_summary_part.done", **at, summary_index=0, part=part),
        say("response.output_item.done", output_index=index, item=done),
    ]


def searched(index: int) -> list[Event]:
    at = {"item_id": f"ws_{index}", "output_index": index}
    item = {"type": "web_search_call", "id": f"ws_{index}", "action": {"type": "search", "query": "weather"}}
    return [
        say("response.output_item.added", output_index=index, item={**item, "status": "in_progress"}),
        say("response.web_search_call.in_progress", **at),
        say("response.web_search_call.searching", **at),
        say("response.web_search_call.completed", **at),
        say("response.output_item.done", output_index=index, item={**item, "status": "completed"}),
    ]


def whole(*parts: list[Event], status: str = "completed", **changes: Any) -> list[Event]:
    """The opening, the given events, and the terminal with every done item in its output."""
    body = [event for part in parts for event in part]
    done = [event.payload["item"] for event in body if event.name == "response.output_item.done"]
    last = say(f"response.{status}", response=response(status, done, **changes))
    return numbered([copy.deepcopy(event) for event in (*opening(), *body, last)])


def text() -> list[Event]:
    return whole(spoken(0, "Grüße, ", "world"))


def tools() -> list[Event]:
    return whole(called(0, CALLS[0], '{"city":', '"Oslo"}'), called(1, CALLS[1], '{"city":"Rome"}'))


def custom_tool() -> list[Event]:
    return whole(custom_called(0, CALLS[0], "ls -l"))


def reasoning() -> list[Event]:
    return whole(reasoned(0, "I looked it up.", "First the map."), spoken(1, "Oslo"))


def refusal() -> list[Event]:
    return whole(refused(0, "I cannot help with that."))


def citation() -> list[Event]:
    link = {"type": "url_citation", "url": "https://example.com/a", "title": "A", "start_index": 0, "end_index": 4}
    return whole(searched(0), spoken(1, "Oslo", annotation=link))


def fallback() -> list[Event]:
    second = {**HOP, "from_model": "gpt@second", "to_model": "gpt@third", "attempt": 2}
    return whole([say("segue:fallback_start", **HOP), say("segue:fallback_start", **second)], spoken(0, "Hello"))


def fallback_in_comments() -> list[Event]:
    events = text()
    told = note('segue {"type":"segue:fallback_start","from_model":"gpt@first","to_model":"gpt@second",'
                '"reason":"rate_limit","attempt":1,"discard":false,"elapsed_ms":12}')  # fmt: skip
    return [*events[:2], told, note(""), *events[2:], bare("[DONE]")]


def length() -> list[Event]:
    events = whole(spoken(0, "Hello"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    final = named(events, "response.incomplete").payload["response"]["output"][0]
    named(events, "response.output_item.done").payload["item"]["status"] = final["status"] = "incomplete"
    return events


def length_amid_arguments() -> list[Event]:
    """The model ran out inside a call: no arguments.done, the item says incomplete."""
    call = [event for event in called(0, CALLS[0], '{"ci') if not event.name.endswith("arguments.done")]
    call[-1].payload["item"]["status"] = "incomplete"
    return whole(call, status="incomplete", incomplete_details={"reason": "max_output_tokens"})


def failed() -> list[Event]:
    """Broken after some text: the item stays open."""
    error = {"code": "server_error", "message": "The provider stopped answering."}
    return whole(spoken(0, "Hello")[:3], status="failed", error=error)


def exhausted() -> list[Event]:
    error = {"code": "rate_limit_exceeded", "message": "Every candidate is rate limited."}
    told = [say("segue:fallback_start", **HOP), say("segue:fallback_exhausted", **EXHAUSTED)]
    return whole(told, status="failed", error=error)


def voided(index: int, *before: Event) -> list[Event]:
    """A message taken back while it was open; `before`: its events so far, none = it was opened for that."""
    added = say("response.output_item.added", output_index=index, item=message(index, "in_progress"))
    void = say("response.output_item.done", output_index=index, item=message(index, "incomplete"))
    return [*(before or [added]), void]


def void_item() -> list[Event]:
    """A restart: the first item is void, the next one counts."""
    return whole(voided(0, *spoken(0, "Hel")[:3]), spoken(1, "Hello"))


def void_item_told() -> list[Event]:
    """The same after closed reasoning, which stays; the hop says so too."""
    discarded = say("segue:fallback_start", **{**HOP, "discard": True})
    return whole(reasoned(0, "Hm."), voided(1, *spoken(1, "Hel")[:3]), [discarded], spoken(2, "Hello"))


def void_reasoning() -> list[Event]:
    """A restart amid the thoughts."""
    item = {"type": "reasoning", "id": "rs_0", "summary": [], "content": [], "status": "incomplete"}
    void = say("response.output_item.done", output_index=0, item=item)
    return whole([*reasoned(0, "I looked")[:3], void], spoken(1, "Hello"))


def void_message() -> list[Event]:
    """A restart after the message was closed: another one is put in to say so, and the finished object has neither."""
    events = whole(spoken(0, "Hel"), voided(1), spoken(2, "Hello"))
    named(events, "response.completed").payload["response"]["output"][0] |= {"status": "incomplete", "content": []}
    return events


GOOD = {
    sample.__name__: sample
    for sample in (
        text, tools, custom_tool, reasoning, refusal, citation, fallback, fallback_in_comments, length,
        length_amid_arguments, failed, exhausted, void_item, void_item_told, void_reasoning, void_message,
    )
}  # fmt: skip
