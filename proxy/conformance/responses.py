"""The Responses vocabulary as a state machine: which event may follow which, and what must agree with what.

Sources: contract §3; the accumulator of openai-python 3.52 (`lib/streaming/responses/_responses.py`), which raises on
changed identities, repeated indexes and unfinished items; client-expectations.md for what the other clients insist on.
"""

from typing import Any

from proxy.conformance import response_object
from proxy.conformance.framing import Frame
from proxy.conformance.notices import PREFIX, Notices
from proxy.conformance.report import Findings, ToolCall
from proxy.conformance.response_items import CHANNELS, PART_LISTS, Channel, Item, Text, agree, text_member
from proxy.conformance.response_object import EVENTS, check_item, check_part, check_response, objects

RULES = response_object.RULES | {
    "responses.event-name": "write an event line equal to data.type before each data line",
    "responses.unknown-event": "invent no event types; an extension carries the prefix `segue:`",
    "responses.bare-error": "report a failure by response.failed with response.error",
    "responses.sequence-number": "number every event from 0 without gaps, extension events included",
    "responses.fields": "send every field the event type requires",
    "responses.opening": "begin with response.created, then response.in_progress, each exactly once",
    "responses.opening-output": "open with output [] (a client counts items already there as indexes)",
    "responses.identity": "keep id, model and created_at the same in every lifecycle event",
    "responses.output-index": "give each added item the next output_index, counted from 0",
    "responses.item-overlap": "close an item with output_item.done before the next is added",
    "responses.item-start": "add an item empty; its content follows as deltas",
    "responses.item-id": "give each item an id of its own and name it in every event of that item",
    "responses.unknown-item": "send an item's events only between its output_item.added and output_item.done",
    "responses.item-identity": "keep type, id, call_id, name and role of an item from added to done",
    "responses.item-status": "close an item with status completed or incomplete",
    "responses.part-order": "open one part at a time, by index; its text inside, the text's .done, then the part's",
    "responses.concatenation": "let every done text, part and item equal what the deltas said",
    "responses.unfinished-item": "send output_item.done for every item before the end",
    "responses.final-output": "let the final output equal the done items, in order",
    "responses.restart": "void an item (status incomplete, content []) only to answer anew after it, and after no call",
    "responses.done-marker": "send [DONE] at most once and only after the terminal event",
    "responses.after-terminal": "send nothing after the terminal event",
    "responses.no-terminal": "end with exactly one of response.completed, response.incomplete, response.failed",
}


TERMINALS = {f"response.{status}": status for status in ("completed", "incomplete", "failed")}
_IDENTITY = ("type", "id", "call_id", "name", "role")
# Members whose absence says nothing about where an event belongs: the machine still follows the event.
_INCIDENTAL = {"logprobs", "name", "annotation", "annotation_index"}


class Responses:
    """Reads one stream. Invariant: only the last of `items` may be open."""

    def __init__(self, findings: Findings, notices: Notices) -> None:
        self.findings = findings
        self.notices = notices
        self.report = findings.report
        self.items: list[Item] = []
        self.opening: list[str] = []
        self.first: dict[str, Any] = {}
        self.expected_number = 0
        self.is_marked_done = False

    def read(self, frame: Frame) -> None:
        if frame.is_done_marker:
            fits = self.report.terminal is not None and not self.is_marked_done
            self.findings.require(fits, "responses.done-marker", "[DONE] comes before the end, or twice")
            self.is_marked_done = True
            return
        event = frame.payload or {}
        name = str(event.get("type"))
        same = frame.event == name
        self.findings.require(same, "responses.event-name", f"event is {frame.event!r}, data.type is {name!r}")
        self._count(event)
        if self.report.terminal is not None:
            self.findings.add("responses.after-terminal", f"{name} follows {self.report.terminal}")
        elif name == "error":
            self.findings.require(not self.findings.ours, "responses.bare-error", "a bare error event")
            self.report.terminal = name
        elif name.startswith(PREFIX):
            self._expect_opened(name)
            self.notices.read(name, event)
        elif name not in EVENTS:
            self.findings.add("responses.unknown-event", f"the type is {name!r}")
        elif not self.findings.check("responses.fields", event, EVENTS[name]) - _INCIDENTAL:
            self._step(name, event)

    def end(self, *, cancelled: bool) -> None:
        ended = cancelled or self.report.terminal is not None
        self.findings.require(ended, "responses.no-terminal", "the stream ends without a terminal event")
        for item in self.items:
            if not item.is_void and not item.is_taken_back:
                spoken = [part.text for part in item.parts["content"] if part.kind == "output_text"]
                self.report.text += "".join(spoken)
                self.report.reasoning += "".join(part.text for part in item.all_parts() if item.kind == "reasoning")
                if item.kind in ("function_call", "custom_tool_call"):
                    call_id, called = str(item.added.get("call_id")), str(item.added.get("name"))
                    self.report.tool_calls.append(ToolCall(call_id, called, item.call.text))

    def _count(self, event: dict[str, Any]) -> None:
        number, expected = event.get("sequence_number"), self.expected_number
        wrong = f"sequence_number is {number!r}, expected {expected}"
        self.findings.require(number == expected, "responses.sequence-number", wrong)
        self.expected_number = (number if isinstance(number, int) else expected) + 1

    def _step(self, name: str, event: dict[str, Any]) -> None:
        family, _, verb = name.rpartition(".")
        if name in TERMINALS or name in ("response.created", "response.queued", "response.in_progress"):
            self._lifecycle(name, event["response"])
            return
        self._expect_opened(name)
        if name == "response.output_item.added":
            self._item_added(event["item"], event["output_index"])
        elif name == "response.output_item.done":
            self._item_done(event["item"], event["output_index"])
        elif "output_index" in event and (item := self._open_item(name, event)) is not None:
            if family in PART_LISTS:
                self._part(item, *PART_LISTS[family], verb, event)
            elif family in CHANNELS:
                self._channel(item, CHANNELS[family], verb, event)
            elif name == "response.output_text.annotation.added":
                part = self._open_part(item, CHANNELS["response.output_text"], event)
                if part is not None:
                    part.annotations.append(event.get("annotation"))

    def _expect_opened(self, name: str) -> None:
        complete = "response.in_progress" in self.opening
        self.findings.require(complete, "responses.opening", f"{name} comes before the opening events")

    def _lifecycle(self, name: str, response: dict[str, Any]) -> None:
        findings = self.findings
        for key in ("id", "model", "created_at"):
            before, now = self.first.setdefault(key, response.get(key)), response.get(key)
            findings.require(before == now, "responses.identity", f"response.{key} was {before!r}, now {now!r}")
        if name in TERMINALS:
            self._expect_opened(name)
            check_response(findings, response, TERMINALS[name])
            self._finish(name, response)
            return
        starts_well = (name == "response.created") == (not self.opening) and name not in self.opening
        findings.require(starts_well, "responses.opening", f"{name} after {self.opening or 'nothing'}")
        if not self.opening and not starts_well:
            self.opening.append("response.created")
        self.opening.append(name)
        check_response(findings, response, "queued" if name == "response.queued" else "in_progress", "queued")
        findings.require(not response.get("output"), "responses.opening-output", f"{name} has items in its output")

    def _finish(self, name: str, response: dict[str, Any]) -> None:
        self.report.terminal, self.report.usage = name, response.get("usage")
        final = response.get("output")
        done = [item.final for item in self.items if item.final is not None]
        if name == "response.failed":
            final_by_id = {str(one.get("id")): one for one in objects(final)}
            same = all(final_by_id.get(str(item.get("id")), item) == item for item in done)
        else:
            for item in self.items:
                wrong = f"item {item.index} is still open at {name}"
                self.findings.require(item.done is not None, "responses.unfinished-item", wrong)
            unsaid = self.items and self.items[-1].is_void and self.items[-1].all_parts()
            self.findings.require(not unsaid, "responses.restart", f"nothing follows the void item before {name}")
            same = final == done or len(done) < len(self.items)
        self.findings.require(same, "responses.final-output", f"the output of {name} differs from the done items")

    def _item_added(self, item: dict[str, Any], index: int) -> None:
        findings = self.findings
        if self.items and self.items[-1].done is None:
            findings.add("responses.item-overlap", f"item {index} is added while item {self.items[-1].index} is open")
        if self.items and self.items[-1].is_void:
            self._begin_anew()
        self.notices.is_void = False
        expected = len(self.items)
        findings.require(index == expected, "responses.output-index", f"output_index is {index}, expected {expected}")
        taken = item.get("id") in [other.added.get("id") for other in self.items]
        findings.require(not taken, "responses.item-id", f"the id {item.get('id')!r} is taken by an earlier item")
        check_item(findings, item)
        started = [item.get(key) for key in ("content", "summary", "arguments", "input") if item.get(key)]
        fits = not started and item.get("status") in (None, "in_progress")
        if str(item.get("type")) in response_object.ITEMS:
            findings.require(fits, "responses.item-start", f"item {index} is added with content or already closed")
        self.items.append(Item(item, index))

    def _item_done(self, done: dict[str, Any], index: int) -> None:
        findings = self.findings
        item = next((item for item in self.items if item.index == index and item.done is None), None)
        if item is None:
            findings.add("responses.unknown-item", f"output_item.done for output_index {index}, which is not open")
            return
        item.done = done
        check_item(findings, done)
        for key in _IDENTITY:
            was, now = item.added.get(key), done.get(key)
            findings.require(was == now, "responses.item-identity", f"{key} of item {index} was {was!r}, now {now!r}")
        closed = done.get("status") != "in_progress"
        findings.require(closed, "responses.item-status", f"item {index} is done with status in_progress")
        self.notices.is_void = item.is_void
        if item.kind in response_object.ITEMS and not item.is_void:
            self._compare(item, done)

    def _begin_anew(self) -> None:
        """An item follows a void one: whatever came before was taken back, which a tool call cannot be."""
        for item in self.items:
            item.is_taken_back = True
            is_call = item.kind in ("function_call", "custom_tool_call")
            self.findings.require(not is_call, "responses.restart", f"item {item.index}, a call, is taken back")

    def _compare(self, item: Item, done: dict[str, Any]) -> None:
        """What the deltas built against what output_item.done says."""
        unfinished = [part for part in item.all_parts() if part.is_open]
        if item.kind.endswith("_call") and not item.call.is_done:
            unfinished.append(item.call)
        fits = not unfinished or done.get("status") == "incomplete"
        self.findings.require(fits, "responses.part-order", f"item {item.index} is done before its parts are")
        for name, parts in item.parts.items():
            final = objects(done.get(name))
            same = len(final) == len(parts) and all(map(agree, parts, final))
            self.findings.require(
                same, "responses.concatenation", f"`{name}` of item {item.index} is not what was streamed"
            )
        if item.kind.endswith("_call"):
            said = done.get("arguments", done.get("input"))
            wrong = f"item {item.index} ends with {said!r}, the deltas said {item.call.text!r}"
            self.findings.require(said == item.call.text, "responses.concatenation", wrong)

    def _open_item(self, name: str, event: dict[str, Any]) -> Item | None:
        index = event["output_index"]
        item = next((item for item in self.items if item.index == index and item.done is None), None)
        if item is None:
            self.findings.add("responses.unknown-item", f"{name} for output_index {index}, which is not open")
        elif event.get("item_id", item.added.get("id")) != item.added.get("id"):
            wrong = f"item_id is {event['item_id']!r}, item {index} has {item.added.get('id')!r}"
            self.findings.add("responses.item-id", wrong)
        return item

    def _part(self, item: Item, list_name: str, index_name: str, verb: str, event: dict[str, Any]) -> None:
        parts, part, index = item.parts[list_name], event["part"], event[index_name]
        check_part(self.findings, part)
        kind = str(part.get("type"))
        text = part.get(text_member(kind))
        if verb == "added":
            fits = index == len(parts) and all(other.closing for other in parts if other.is_announced)
            self.findings.require(fits, "responses.part-order", f"part {index} is added out of turn")
            self.findings.require(not text, "responses.item-start", f"part {index} is added with text")
            parts.append(Text(kind, is_done=kind not in response_object.PARTS))
            return
        current = parts[index] if index < len(parts) else None
        if current is None or current.closing or not current.is_done:
            self.findings.add(
                "responses.part-order", f"part {index} is closed before its text, or twice, or never opened"
            )
        if current is not None:
            current.closing = part
            same = kind == current.kind and agree(current, part)
            self.findings.require(same, "responses.concatenation", f"part {index} ends as {part}, not as streamed")

    def _channel(self, item: Item, channel: Channel, verb: str, event: dict[str, Any]) -> None:
        text = self._open_part(item, channel, event)
        if text is None:
            return
        if verb == "delta":
            text.text += event["delta"]
            return
        text.is_done = True
        said = event[channel.text]
        wrong = f"{channel.text} is {said!r}, the deltas said {text.text!r}"
        self.findings.require(said == text.text, "responses.concatenation", wrong)
        if channel.item == "function_call" and "name" in event:
            same = event["name"] == item.added.get("name")
            self.findings.require(same, "responses.item-identity", f"name is {event['name']!r} in arguments.done")

    def _open_part(self, item: Item, channel: Channel, event: dict[str, Any]) -> Text | None:
        """The text a delta or done belongs to, if it may still grow. Reasoning text needs no announced part."""
        if item.kind != channel.item:
            self.findings.add("responses.part-order", f"{event['type']} for an item of type {item.kind}")
            return None
        if not channel.parts:
            text: Text | None = item.call
        else:
            parts, index = item.parts[channel.parts], event[channel.index_name]
            if channel.part == "reasoning_text" and index == len(parts):
                parts.append(Text(channel.part, is_announced=False))
            text = parts[index] if index < len(parts) and parts[index].kind == channel.part else None
        if text is None or text.is_done:
            self.findings.add("responses.part-order", f"{event['type']} for a part that is not open")
            return None
        return text
