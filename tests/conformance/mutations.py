"""For every rule, ways to break a good stream that only this rule may catch."""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.conformance import samples_others as others
from tests.conformance import samples_responses as responses
from tests.conformance.wire import Event, bare, named, note, numbered, position, render, say

Sample = Callable[[], list[Event]]


class Mutation(NamedTuple):
    rule: str
    wire: bytes


MUTATIONS: list[Mutation] = []


def breaks(rule: str, sample: Sample) -> Callable[[Callable[[list[Event]], Any]], Callable[[list[Event]], Any]]:
    """The function below changes the sample's events in place, or returns others; then `rule` is broken."""

    def register(mutate: Callable[[list[Event]], Any]) -> Callable[[list[Event]], Any]:
        events = sample()
        replaced = mutate(events)
        MUTATIONS.append(Mutation(rule, render(replaced if isinstance(replaced, list) else events)))
        return mutate

    return register


def put(rule: str, sample: Sample, name: str | int, path: str, value: Any, nth: int = 0) -> None:
    """One member of one event is set to `value`, or removed when the value is ABSENT."""

    def mutate(events: list[Event]) -> None:
        event = events[name] if isinstance(name, int) else named(events, name, nth)
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        place: Any = event.payload
        for step in way:
            place = place[step]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value

    breaks(rule, sample)(mutate)


ABSENT = object()


def insert(rule: str, sample: Sample, at: int, *events: Event) -> None:
    def mutate(stream: list[Event]) -> None:
        stream[at:at] = copy.deepcopy(events)
        if any(str(event.name).startswith("response.") for event in stream):
            numbered(stream)

    breaks(rule, sample)(mutate)


def drop(rule: str, sample: Sample, *positions: int) -> None:
    def mutate(stream: list[Event]) -> None:
        kept = [event for at, event in enumerate(stream) if at not in positions]
        stream[:] = numbered(kept) if any(str(event.name).startswith("response.") for event in kept) else kept

    breaks(rule, sample)(mutate)


def swap(rule: str, sample: Sample, left: int, right: int) -> None:
    def mutate(stream: list[Event]) -> None:
        stream[left], stream[right] = stream[right], stream[left]
        if any(str(event.name).startswith("response.") for event in stream):
            numbered(stream)

    breaks(rule, sample)(mutate)


def rename(rule: str, sample: Sample, at: int, name: str | None) -> None:
    def mutate(stream: list[Event]) -> None:
        stream[at].name = name

    breaks(rule, sample)(mutate)


def raw(rule: str, wire: bytes) -> None:
    MUTATIONS.append(Mutation(rule, wire))


def rewrite(rule: str, sample: Sample, old: str, new: str) -> None:
    raw(rule, render(sample()).replace(old.encode(), new.encode()))


# Framing. The chat stream has bare data lines; the Messages stream has event lines.
_CHAT, _MESSAGES = render(others.chat_text()), render(others.messages_text())
raw("framing.utf8", _MESSAGES.replace("ü".encode(), b"\xc3"))
raw("framing.unterminated", _CHAT[:-1])
raw("framing.unterminated", _CHAT + b"data: {")
raw("framing.unknown-field", _MESSAGES.replace(b"event: ping\n", b"event: ping\nnonsense\n"))
raw("framing.unknown-field", _MESSAGES.replace(b"event: ping\n", b"event: ping\nDATA: 1\n"))
raw("framing.repeated-event", _MESSAGES.replace(b"event: ping\n", b"event: pong\nevent: ping\n"))
raw("framing.retry", b"retry: soon\n" + _CHAT)
raw("framing.no-data", b"event: lonely\n\n" + _CHAT)
raw("framing.json", b"data: {oops\n\n" + _CHAT)
raw("framing.json", b"data: [1]\n\n" + _CHAT)
raw("framing.json", b'data: {"value": NaN}\n\n' + _CHAT)
raw("stream.empty", b"")
raw("stream.empty", b": only silence\n\n")
raw("stream.vocabulary", b'event: mystery\ndata: {"a": 1}\n\n')

# Notices
insert("notice.json", others.chat_text, 0, note("segue {oops"))
insert("notice.fields", others.chat_text, 0, note('segue {"type":"segue:fallback_start","from_model":"a"}'))
insert("notice.unknown", others.chat_text, 0, note('segue {"type":"segue:surprise"}'))
put("notice.fields", responses.fallback, "segue:fallback_start", "reason", "bad_luck")
put("notice.fields", responses.exhausted, "segue:fallback_exhausted", "attempts.0.reason", "bad_luck")
put("notice.hop", responses.fallback, "segue:fallback_start", "from_model", "gpt@first", 1)
put("notice.hop", others.domain_fallback, 2, "from_model", "gpt@first")

put("notice.discard", responses.fallback, "segue:fallback_start", "discard", True)
insert("notice.discard", others.chat_text, 2, note('segue {"type":"segue:fallback_start","from_model":"a","to_model":'
       '"b","reason":"unknown","attempt":1,"discard":true,"elapsed_ms":1}'))  # fmt: skip
insert("notice.discard", others.messages_text, 4, say("segue:fallback_start", **{**responses.HOP, "discard": True}))
swap("notice.discard", others.messages_restart, 7, 8)

# Responses: events and their order
rename("responses.event-name", responses.text, 4, None)
rename("responses.event-name", responses.text, 4, "response.output_text.done")
insert("responses.unknown-event", responses.text, 4, say("response.surprise"))
breaks("responses.bare-error", responses.failed)(
    lambda events: numbered([*events[:-1], say("error", code="server_error", message="broken", param=None)])
)
put("responses.sequence-number", responses.text, 9, "sequence_number", 10)
put("responses.sequence-number", responses.text, 9, "sequence_number", ABSENT)
put("responses.sequence-number", responses.fallback, 7, "sequence_number", 6)
put("responses.fields", responses.text, "response.output_text.delta", "logprobs", ABSENT)
put("responses.fields", responses.text, "response.output_text.done", "logprobs", None)
put("responses.fields", responses.tools, "response.function_call_arguments.done", "name", ABSENT)
put("responses.fields", responses.citation, "response.web_search_call.searching", "item_id", ABSENT)
drop("responses.opening", responses.text, 0)
drop("responses.opening", responses.text, 1)
swap("responses.opening", responses.text, 0, 1)
swap("responses.opening", responses.exhausted, 1, 2)
insert("responses.opening", responses.text, 4, responses.opening()[1])
put("responses.opening-output", responses.text, 0, "response.output", [responses.message(0, "in_progress")])
for member, value in (("id", "resp_2"), ("model", "other"), ("created_at", 1)):
    put("responses.identity", responses.text, "response.completed", f"response.{member}", value)
insert("responses.done-marker", responses.text, 3, bare("[DONE]"))
insert("responses.done-marker", responses.fallback_in_comments, 13, bare("[DONE]"))
insert("responses.after-terminal", responses.text, 10, say("response.audio.done"))
drop("responses.no-terminal", responses.text, 9)


# Responses: items and parts
@breaks("responses.output-index", responses.text)
def _start_at_one(events: list[Event]) -> None:
    for event in events:
        if "output_index" in event.payload:
            event.payload["output_index"] = 1


@breaks("responses.item-overlap", responses.tools)
def _overlap(events: list[Event]) -> None:
    events.insert(5, events.pop(position(events, "response.output_item.added", 1)))
    numbered(events)


put("responses.item-start", responses.text, "response.content_part.added", "part.text", "Gr")
put("responses.item-start", responses.text, "response.output_item.added", "item.status", "completed")
put("responses.item-start", responses.tools, "response.output_item.added", "item.arguments", "{}")
put("responses.item-id", responses.text, "response.output_text.delta", "item_id", "msg_9")


rewrite("responses.item-id", responses.tools, "fc_1", "fc_0")
insert(
    "responses.unknown-item",
    responses.text,
    9,
    say("response.image_generation_call.generating", item_id="ig_1", output_index=3),
)
insert("responses.unknown-item", responses.text, 9, *responses.spoken(0, "late")[2:3])
insert("responses.unknown-item", responses.text, 9, responses.spoken(0, "Grüße, ", "world")[-1])


def replace_everywhere_but_added(rule: str, sample: Sample, old: str, new: str) -> None:
    """The item is added as `old` and done, and finally listed, as `new`."""

    def mutate(events: list[Event]) -> None:
        done, final = named(events, "response.output_item.done"), events[-1]
        for item in (done.payload["item"], final.payload["response"]["output"][0]):
            item.update({key: new for key, value in item.items() if value == old})

    breaks(rule, sample)(mutate)


replace_everywhere_but_added("responses.item-identity", responses.text, "msg_0", "msg_7")
replace_everywhere_but_added("responses.item-identity", responses.tools, responses.CALLS[0], "call_" + "Z" * 24)
replace_everywhere_but_added("responses.item-identity", responses.tools, "weather", "other")
put("responses.item-identity", responses.tools, "response.function_call_arguments.done", "name", "other")
replace_everywhere_but_added("responses.item-status", responses.text, "completed", "in_progress")
drop("responses.part-order", responses.reasoning, 7)
drop("responses.part-order", responses.text, 6)
drop("responses.part-order", responses.text, 7)
drop("responses.part-order", responses.tools, 5)
swap("responses.part-order", responses.text, 6, 7)
insert("responses.part-order", responses.refusal, 4, *responses.spoken(0, "x")[2:3])
put("responses.concatenation", responses.text, "response.output_text.done", "text", "other")
put("responses.concatenation", responses.text, "response.output_text.delta", "delta", "Grüsse, ")
put("responses.concatenation", responses.tools, "response.function_call_arguments.done", "arguments", "{}")
put("responses.concatenation", responses.custom_tool, "response.custom_tool_call_input.delta", "delta", "ls")
put("responses.concatenation", responses.citation, "response.content_part.done", "part.annotations", [])
put("responses.concatenation", responses.reasoning, "response.reasoning_text.delta", "delta", "Then")
put("responses.concatenation", responses.reasoning, "response.reasoning_summary_part.done", "part.text", "no")
drop("responses.unfinished-item", responses.text, 8)
put("responses.final-output", responses.text, "response.completed", "response.output", [])
put("responses.final-output", responses.text, "response.completed", "response.output.0.content.0.text", "other")
put("responses.final-output", responses.void_item, "response.completed", "response.output.0.status", "completed")

said = responses.message(0, "completed", responses.text_part("Hel"))
put("responses.final-output", responses.void_message, "response.completed", "response.output.0", said)
raw("responses.restart", render(responses.whole(responses.voided(0, *responses.spoken(0, "Hel")[:3]))))
raw("responses.restart", render(responses.whole(
    responses.called(0, responses.CALLS[0], "{}"), responses.voided(1, *responses.spoken(1, "Hel")[:3]),
    responses.spoken(2, "Hello"),
)))  # fmt: skip

# Responses: the object
for member in set(responses.response("completed")) - {
    "id",
    "model",
    "created_at",
    "usage",
    "status",
    "output",
    "segue",
}:
    put("responses.object", responses.text, "response.completed", f"response.{member}", ABSENT)
for member in ("tools", "text", "temperature", "service_tier", "metadata", "store"):
    put("responses.object", responses.text, "response.completed", f"response.{member}", None)
put("responses.object", responses.text, "response.completed", "response.tools.0.strict", ABSENT)
put("responses.object", responses.text, "response.completed", "response.tool_choice", {"name": "weather"})
put("responses.status", responses.text, "response.in_progress", "response.status", "cancelled")
put("responses.error", responses.failed, "response.failed", "response.error", None)
put("responses.error", responses.failed, "response.failed", "response.error.message", ABSENT)
put("responses.error", responses.text, "response.completed", "response.error", {"code": "x", "message": "y"})
put("responses.error-code", responses.failed, "response.failed", "response.error.code", "provider_error")
put("responses.incomplete-reason", responses.length, "response.incomplete", "response.incomplete_details", None)
put(
    "responses.incomplete-reason",
    responses.length,
    "response.incomplete",
    "response.incomplete_details.reason",
    "length",
)
put("responses.incomplete-reason", responses.text, "response.completed", "response.incomplete_details", {"reason": "x"})
put("responses.usage", responses.text, "response.completed", "response.usage", None)
put("responses.usage", responses.text, "response.completed", "response.usage.total_tokens", 20)
put("responses.usage", responses.text, "response.completed", "response.usage.input_tokens_details.cached_tokens", 99)
put("responses.usage", responses.text, "response.completed", "response.usage.output_tokens_details", ABSENT)
put("responses.item-fields", responses.text, "response.output_item.added", "item.content", ABSENT)
put("responses.item-fields", responses.citation, "response.content_part.added", "part.annotations", ABSENT)
put("responses.segue-member", responses.text, "response.completed", "response.segue", ABSENT)
put("responses.segue-member", responses.failed, "response.failed", "response.segue.quota", {})


for old, new in (("resp_1", "r1"), ("fc_0", "item0"), (responses.CALLS[1], "toolu_1")):
    rewrite("responses.id-alphabet", responses.tools, old, new)
rewrite("error.scrubbed", responses.failed, "The provider", "https://api.example.com/v1")
rewrite("error.scrubbed", responses.exhausted, "every candidate failed", "invalid key sk-fake-00000000")
rewrite("error.scrubbed", others.chat_broken, "The provider", "req_0123456789")
rewrite("error.scrubbed", others.messages_broken, "The provider", "http://10.0.0.1")
rewrite("error.scrubbed", others.domain_error_only, "The day", "Bearer fake")

# Chat
rename("chat.event-name", others.chat_text, 2, "chunk")
rename("chat.event-name", others.chat_text, 5, "end")
put("chat.fields", others.chat_text, 1, "object", "chat.completion")
put("chat.fields", others.chat_text, 1, "model", ABSENT)
put("chat.fields", others.chat_text, 1, "choices.0.delta.content", 1)
put("chat.fields", others.text_completion, 0, "choices.0.text", None)
for member, value in (("id", "chatcmpl-2"), ("model", "other"), ("created", 1)):
    put("chat.identity", others.chat_text, 2, member, value)
rewrite("chat.id-alphabet", others.chat_text, "chatcmpl-1", "gen-1")
rewrite("chat.id-alphabet", others.chat_tools, responses.CALLS[0], "toolu_1")
rewrite("chat.id-alphabet", others.text_completion, "cmpl-1", "gen-1")
put("chat.role-first", others.chat_text, 0, "choices.0.delta.role", ABSENT)
drop("chat.role-first", others.chat_two_choices, 1)
drop("chat.finish-reason", others.chat_text, 3, 4)
insert("chat.finish-reason", others.chat_text, 3, others.chunk({}, "stop"))
put("chat.finish-reason", others.chat_text, 3, "choices.0.finish_reason", "tool_calls")
insert("chat.finish-reason", lambda: [], 0, bare("[DONE]"))
insert("chat.after-finish", others.chat_text, 4, others.chunk({"content": "more"}))
put("chat.tool-index", others.chat_tools, 3, "choices.0.delta.tool_calls.0.index", 2)
put("chat.tool-identity", others.chat_tools, 1, "choices.0.delta.tool_calls.0.id", ABSENT)
put("chat.tool-identity", others.chat_tools, 1, "choices.0.delta.tool_calls.0.function.name", ABSENT)
put("chat.tool-identity", others.chat_tools, 2, "choices.0.delta.tool_calls.0.id", responses.CALLS[0])
put("chat.tool-identity", others.chat_tools, 2, "choices.0.delta.tool_calls.0.function.name", "weather")
put("chat.tool-identity", others.chat_tools, 3, "choices.0.delta.tool_calls.0.index", 0)
put("chat.tool-identity", others.chat_tools, 3, "choices.0.delta.tool_calls.0.id", responses.CALLS[0])
put("chat.usage", others.chat_text, 4, "usage.prompt_tokens", ABSENT)
put("chat.usage", others.chat_text, 4, "usage.total_tokens", 20)
swap("chat.usage-chunk", others.chat_text, 3, 4)
put("chat.usage-chunk", others.chat_text, 3, "usage", others.CHAT_USAGE)
insert("chat.usage-chunk", others.chat_text, 5, others.chunk(None, usage=others.CHAT_USAGE))
insert("chat.empty-choices", others.chat_text, 1, others.chunk(None))
put("chat.restart", others.text_completion_restart, 1, "choices.0.text", "void")
put("chat.restart", others.text_completion_restart, 1, "segue.fallback_start.discard", False)
put("chat.restart", others.text_completion_restart, 1, "segue.fallback_start.reason", "bad_luck")
put("chat.restart", others.chat_restart, 2, "choices.0.delta.content", "Hello")
insert("chat.restart", others.chat_restart, 2, others.chunk({}, "stop"))
breaks("chat.restart", others.chat_tools)(
    lambda events: [*events[:2], others.chat_restart()[2], others.chunk({}, "stop"), events[-1]]
)
breaks("chat.restart", others.chat_restart_of_two)(
    lambda events: [*events[:2], others.chat_restart()[2], events[3], events[5], events[-1]]
)
put("chat.error", others.chat_broken, 1, "error", "broken")
put("chat.error", others.chat_broken, 1, "error.param", ABSENT)
insert("chat.after-terminal", others.chat_broken, 2, bare("[DONE]"))
insert("chat.after-terminal", others.chat_text, 6, bare("[DONE]"))
insert("chat.after-terminal", others.chat_text, 6, others.chunk({"content": "more"}))
drop("chat.truncated", others.chat_text, 5)

# Messages. In messages_text: 0 start, 1 ping, 2-5 the block, 6 message_delta, 7 message_stop.
rename("messages.event-name", others.messages_text, 3, None)
rename("messages.event-name", others.messages_text, 3, "delta")
insert("messages.unknown-event", others.messages_text, 2, say("surprise"))
put("messages.fields", others.messages_text, 0, "message.model", ABSENT)
put("messages.fields", others.messages_text, 3, "delta.text", ABSENT)
put("messages.fields", others.messages_text, 2, "content_block.text", ABSENT)
put("messages.fields", others.messages_text, 6, "delta.stop_reason", "stop")
drop("messages.start", others.messages_text, 0)
insert("messages.start", others.messages_text, 3, others.message_start())
put("messages.start-empty", others.messages_text, 0, "message.content", [{"type": "text", "text": "x"}])
put("messages.start-empty", others.messages_text, 0, "message.stop_reason", "end_turn")
put("messages.id-alphabet", others.messages_text, 0, "message.id", "chatcmpl-1")
put("messages.id-alphabet", others.messages_tools, 4, "content_block.id", "call:1")
put("messages.block-order", others.messages_text, 2, "index", 1)
put("messages.block-order", others.messages_text, 3, "index", 1)
drop("messages.block-order", others.messages_tools, 3)
insert("messages.block-order", others.messages_text, 6, say("content_block_stop", index=0))
drop("messages.open-block", others.messages_text, 5)
put("messages.delta-type", others.messages_text, 3, "delta.type", "thinking_delta")
put("messages.tool-json", others.messages_tools, 6, "delta.partial_json", "}")
put("messages.tool-json", others.messages_cut_tool, 4, "delta.stop_reason", "tool_use")
swap("messages.signature", others.messages_thinking, 2, 3)
insert("messages.signature", others.messages_thinking, 3, others.messages_thinking()[3])
drop("messages.message-delta", others.messages_text, 6)
insert("messages.message-delta", others.messages_text, 7, *others.text_block(1, "late"))
put("messages.stop-reason", others.messages_text, 6, "delta.stop_reason", None)
put("messages.stop-reason", others.messages_text, 6, "delta.stop_reason", "tool_use")
put("messages.stop-reason", others.messages_tools, -2, "delta.stop_reason", "end_turn")
put("messages.usage", others.messages_text, 0, "message.usage.input_tokens", ABSENT)
put("messages.usage", others.messages_text, 6, "usage.output_tokens", None)
put("messages.usage", others.messages_text, 6, "usage.input_tokens", ABSENT)
put("messages.restart", others.messages_restart_between, 5, "segue.void", False)
breaks("messages.restart", others.messages_restart_between)(lambda events: [*events[:6], *events[-2:]])
breaks("messages.restart", others.messages_tools)(
    lambda events: [
        *[event for event in events[:-2] if event.payload.get("index") != 2],
        *[others.text_block(2)[0], others.void_stop(2), *others.text_block(3, "Hello")],
        *others.message_end("end_turn"),
    ]
)
put("messages.error", others.messages_broken, 3, "error.type", "server_error")
put("messages.error", others.messages_broken, 3, "error.message", ABSENT)
insert("messages.after-terminal", others.messages_text, 8, say("ping"))
insert("messages.after-terminal", others.messages_broken, 4, say("message_stop"))
drop("messages.truncated", others.messages_text, 7)

# Domain. In domain_text: 0 started, 1-2 pings, 3 reasoning, 4 comment, 5-6 text, 7 done.
rename("domain.unknown-event", others.domain_text, 5, None)
insert("domain.unknown-event", others.domain_text, 5, Event("surprise", {}))
put("domain.fields", others.domain_text, 0, "is_new_turn", ABSENT)
put("domain.fields", others.domain_text, 5, "type", "thought")
put("domain.fields", others.domain_text, 7, "quota_decision", "maybe")
put("domain.fields", others.domain_text, 7, "quota_warnings.0.period", ABSENT)
put("domain.fields", others.domain_tool, 1, "phase", "end")
put("domain.fields", others.domain_tool, 4, "items.0.source", "book")
put("domain.fields", others.domain_fallback, 1, "reason", "bad_luck")
put("domain.fields", others.domain_fallback, 1, "discard", ABSENT)
put("domain.fields", others.domain_exhausted, 2, "attempts.0.elapsed_ms", ABSENT)
put("domain.ping", others.domain_text, 1, "at", 1)
drop("domain.phase", others.domain_text, 0)
insert("domain.phase", others.domain_text, 1, others.started())
insert("domain.phase", others.domain_text, 6, Event("ping", {}))
insert("domain.phase", others.domain_tool, 5, others.delta("late"))
insert("domain.phase", others.domain_tool, 5, others.domain_tool()[4])
put("domain.phase", others.domain_restart, 2, "discard", False)
breaks("domain.phase", others.domain_exhausted)(lambda events: [*events[:3], others.done()])
put("domain.error-code", others.domain_exhausted, 3, "code", "server_error")
insert("domain.after-terminal", others.domain_text, 8, others.done())
insert("domain.after-terminal", others.domain_error_only, 1, Event("ping", {}))
drop("domain.no-terminal", others.domain_text, 7)
