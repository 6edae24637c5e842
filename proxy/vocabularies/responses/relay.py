"""A provider's frames of this vocabulary, passed on with our ids and numbers (contract §4), and mended where their
lifecycle has holes: missing announcements and ends are written, overlapping items are put one after the other.

Deltas are patched as bytes; frames that tell something are taken apart one level deep, so that every value we do not
rewrite keeps its bytes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from proxy.canonical.events import Delta, Event, Failed, Opened, Skipped, UsageReported
from proxy.canonical.usage import Usage
from proxy.vocabularies.responses.adoption import adopt_members, adopted_item, index_of, materials, object_of, text_of
from proxy.vocabularies.responses.channels import (
    BY_CALL,
    BY_EVENT,
    BY_PART,
    PREFIXES,
    RAW_REASONING,
    SUMMARY,
    TEXT,
    Channel,
)
from proxy.vocabularies.responses.opening import OPENINGS, Opening
from proxy.vocabularies.responses.patching import learn
from proxy.vocabularies.responses.response_object import (
    ENCODE,
    ENTRIES,
    MEMBERS,
    Members,
    ResponseObject,
    is_null,
    raw,
    usage_completed,
)
from proxy.vocabularies.responses.stream import Item, Part, Stream
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.sse import Frame, frame_bytes

_TERMINALS = ("response.completed", "response.incomplete")
_BRACKETS = ("response.content_part", "response.reasoning_summary_part")
_MESSAGE = ("id", "type", "status", "role", "content")
_LISTS = {"content": {"output_text": TEXT, "reasoning_text": RAW_REASONING}, "summary": {"summary_text": SUMMARY}}


class Relay:
    """Shares `response`, `stream` and `opening` with the encoder, which may have to go on where the relay stops."""

    def __init__(self, head: Head, response: ResponseObject, stream: Stream, opening: Opening) -> None:
        self._head = head
        self._object = response
        self._stream = stream
        self._opening = opening
        self._held: list[Step] = []
        self._final: dict[str, Any] | None = None
        self.usage = Usage()

    def write(self, steps: Sequence[Step]) -> dict[str, Any] | None:
        """Write the steps' frames; the finished Response object once the terminal event is out."""
        for step in steps:
            frame, events = step.frame, step.events
            if frame is None or (events and type(events[-1]) is Failed):
                continue
            if len(events) == 1 and type(events[0]) is Delta and self._patch(frame, events[0]):
                continue
            self._take_apart(frame, events)
        return self._final

    def _patch(self, frame: Frame, delta: Delta) -> bool:
        """The hot path: another delta of the open part. False if bytes alone will not do."""
        item = self._stream.item
        part = item.part if item is not None else None
        if part is None or part.block != delta.block or part.template is None:
            return False
        patched = part.template.apply(frame.data, self._stream.number)
        if patched is None:
            return False
        part.pieces.append(delta.text)
        self._stream.write(patched)
        return True

    def _take_apart(self, frame: Frame, events: Sequence[Event]) -> None:
        if frame.data == b"[DONE]" or (events and all(type(event) is Skipped for event in events)):
            return
        members = MEMBERS.decode(frame.data)
        kind = text_of(members.get("type"))
        for event in events:
            if isinstance(event, UsageReported):
                self.usage = self.usage.merged(event.usage)
        if kind in OPENINGS or kind == "response.queued":
            self._lifecycle(kind, members)
            return
        self._opening.finish()
        item = self._stream.item
        if kind in _TERMINALS:
            self._finish(kind, members, events)
        elif item is not None and "output_index" in members and index_of(members["output_index"]) != item.upstream:
            self._held.append(Step(frame, list(events)))
        else:
            self._item_event(kind, members, events, frame)

    def _item_event(self, kind: str, members: Members, events: Sequence[Event], frame: Frame) -> None:
        family, _, verb = kind.rpartition(".")
        if kind == "response.output_item.added":
            self._item_added(kind, members, events)
        elif kind == "response.output_item.done":
            self._item_done(kind, members, events, materials(events))
            self._replay()
        elif family in BY_EVENT:
            self._channel(BY_EVENT[family], verb, members, events, frame)
        elif family in _BRACKETS and (channel := self._channel_of(members)) is not None:
            self._bracket(channel, verb, kind, members, events)
        elif self._stream.item is not None or "output_index" not in members:
            if kind == "response.output_text.annotation.added" and self._stream.item and self._stream.item.part:
                self._stream.item.part.annotations.append(members.get("annotation"))
            self._write(kind, members)

    def _write(self, kind: str, members: Members) -> None:
        """The frame with our number, and with the open item's id and place if it speaks of that."""
        item = self._stream.item
        members["sequence_number"] = raw(self._stream.number)
        if item is not None and ("item_id" in members or "output_index" in members):
            if item.kind in PREFIXES and kind.rpartition(".")[0] != "response.output_item":
                members["item_id"] = raw(item.id)
            members["output_index"] = raw(item.index)
        self._stream.write(frame_bytes(ENCODE(members), kind.encode()))

    def _lifecycle(self, kind: str, members: Members) -> None:
        opening = self._opening
        if opening.over or (kind == "response.created" and opening.written):
            return
        if kind != "response.created" and not opening.written:
            response = self._object.members("in_progress", [])
            self._stream.emit("response.created", {"response": response})
            opening.written = 1
        theirs = object_of(members.get("response"))
        response = self._object.adopted(theirs, keep_created=kind == "response.created")
        response["output"] = raw([])
        if is_null(response.get("status")):
            response["status"] = raw("in_progress")
        self._write(kind, {**members, "response": raw(response)})
        if kind in OPENINGS:
            opening.written = OPENINGS.index(kind) + 1
            if opening.written == len(OPENINGS):
                opening.finish()

    def _item_added(self, kind: str, members: Members, events: Sequence[Event]) -> None:
        theirs = MEMBERS.decode(members["item"])
        upstream = index_of(members.get("output_index"))
        item = adopted_item(theirs, upstream, self._stream, events, self._head.seed)
        self._stream.adopt_item(item)
        adopt_members(theirs, item, iter(()), finished=False)
        if item.kind not in PREFIXES:
            item.shown = dict(theirs)
        elif item.kind == "message":
            item.more = {name: value for name, value in theirs.items() if name not in _MESSAGE}
        self._write(kind, {**members, "output_index": raw(item.index), "item": raw(theirs)})
        if (channel := BY_CALL.get(item.kind)) is not None:
            self._stream.open_part(channel, _block(events))

    def _item_done(self, kind: str, members: Members, events: Sequence[Event], tagged: Iterator[str]) -> None:
        theirs = MEMBERS.decode(members["item"])
        item = self._stream.item
        if item is None:
            item = adopted_item(theirs, index_of(members.get("output_index")), self._stream, events, self._head.seed)
            self._announce(item, theirs)
        self._complete(item, theirs)
        adopt_members(theirs, item, tagged, finished=True)
        self._write(kind, {**members, "output_index": raw(item.index), "item": raw(theirs)})
        self._stream.closed(raw(theirs))

    def _announce(self, item: Item, theirs: Members) -> None:
        """The `added` event the provider never sent."""
        self._stream.adopt_item(item)
        if item.kind not in PREFIXES:
            item.shown = dict(theirs)
            adopt_members(item.shown, item, iter(()), finished=False)
        shown = item.member("in_progress")
        self._stream.emit("response.output_item.added", {"output_index": item.index, "item": shown})
        if (channel := BY_CALL.get(item.kind)) is not None:
            self._stream.open_part(channel, -1)

    def _complete(self, item: Item, theirs: Members) -> None:
        """What the finished item says and no event told of."""
        stream = self._stream
        if (call := BY_CALL.get(item.kind)) is not None:
            if item.part is not None:
                self._catch_up(item.part, text_of(theirs.get(call.text)))
            stream.close_part()
            return
        for name, channels in _LISTS.items():
            entries = [] if is_null(theirs.get(name)) else ENTRIES.decode(theirs[name])
            for index, entry in enumerate(entries):
                if index < len(item.lists[name]):
                    continue
                part = MEMBERS.decode(entry)
                channel = BY_PART.get(text_of(part.get("type")), next(iter(channels.values())))
                if item.part is None or item.part.channel is not channel:
                    stream.open_part(channel, -1)
                assert item.part is not None
                self._catch_up(item.part, text_of(part.get(channel.text)))
                stream.close_part()
        stream.close_part()

    def _catch_up(self, part: Part, words: str) -> None:
        if words and not part.pieces and not part.spoken:
            self._stream.say(part, words)

    def _channel(self, channel: Channel, verb: str, members: Members, events: Sequence[Event], frame: Frame) -> None:
        kind = f"{channel.event}.{verb}"
        upstream = index_of(members.get(channel.number)) if channel.number else 0
        part = self._ensure_part(channel, upstream, members)
        if part is None:
            return
        expected = {"item_id", "output_index", "sequence_number", *([channel.number] if channel.number else [])}
        if channel is TEXT:
            expected.add("logprobs")
        whole = expected <= members.keys()
        self._fill(channel, part, members)
        if verb == "delta":
            block = _block(events)
            part.block = block if block >= 0 else part.block
            part.pieces.append(text_of(members.get("delta")))
            item = self._stream.item
            if whole and item is not None and item.index == item.upstream and part.index == upstream:
                part.template = learn(frame.data, kind.encode(), ENCODE(item.upstream_id), ENCODE(item.id))
            self._write(kind, members)
        elif verb == "done" and not part.spoken:
            self._catch_up(part, text_of(members.get(channel.text)))
            part.spoken = True
            if channel.item == "function_call" and self._stream.item is not None and is_null(members.get("name")):
                members["name"] = raw(self._stream.item.name)
            self._write(kind, members)

    def _ensure_part(self, channel: Channel, upstream: int, members: Members) -> Part | None:
        """The open part the event speaks of, announced by us if the provider did not; None for a call nobody named."""
        item = self._ensure_item(channel, members)
        if item is None:
            return None
        part = item.part
        if part is None or part.channel is not channel or (channel.list and part.upstream != upstream):
            if not channel.list or item.kind != channel.item:
                return None
            part = self._stream.open_part(channel, -1)
            part.upstream = upstream
        return part

    def _ensure_item(self, channel: Channel, members: Members) -> Item | None:
        if self._stream.item is None and channel.list:
            item = self._stream.open_item(channel.item)
            item.known_as(index_of(members.get("output_index")), text_of(members.get("item_id")))
        return self._stream.item

    def _fill(self, channel: Channel, part: Part, members: Members) -> None:
        """The place every event of a part must name, and logprobs where typed clients insist."""
        members.setdefault("item_id", raw(""))
        members.setdefault("output_index", raw(0))
        if channel.number and (channel.number not in members or index_of(members[channel.number]) != part.index):
            members[channel.number] = raw(part.index)
        if channel is TEXT and is_null(members.get("logprobs")):
            members["logprobs"] = raw([])

    def _channel_of(self, members: Members) -> Channel | None:
        return BY_PART.get(text_of(object_of(members.get("part")).get("type")))

    def _bracket(self, channel: Channel, verb: str, kind: str, members: Members, events: Sequence[Event]) -> None:
        upstream = index_of(members.get(channel.number))
        if verb == "added":
            item = self._ensure_item(channel, members)
            if item is None or item.kind != channel.item:
                return
            part: Part | None = self._stream.open_part(channel, _block(events), announce=False)
            assert part is not None
            part.upstream = upstream
            self._fill(channel, part, members)
            members.pop("logprobs", None)
            self._write(kind, members)
        elif verb == "done" and (part := self._ensure_part(channel, upstream, members)) is not None:
            self._catch_up(part, text_of(MEMBERS.decode(members["part"]).get(channel.text)))
            self._stream.end_text(part)
            self._fill(channel, part, members)
            members.pop("logprobs", None)
            self._write(kind, members)
            self._stream.part_closed(members["part"])

    def _replay(self) -> None:
        """The frames that waited for the item before theirs to be closed."""
        held, self._held = self._held, []
        for step in held:
            if step.frame is not None:
                self._take_apart(step.frame, step.events)

    def _finish(self, kind: str, members: Members, events: Sequence[Event]) -> None:
        stream = self._stream
        status = kind.rpartition(".")[2]
        theirs = MEMBERS.decode(members["response"])
        entries = [] if is_null(theirs.get("output")) else ENTRIES.decode(theirs["output"])
        tagged = materials(events)
        while (item := stream.item) is not None or self._held:
            if item is not None and self._is_told(item, entries):
                self._entry_done(item.upstream, entries, events, tagged)
            stream.close_item(status)
            self._replay()
        if not stream.done:
            for index in range(len(entries)):
                self._entry_done(index, entries, events, tagged)
        response = self._object.adopted(theirs, keep_created=False)
        response["output"] = raw(stream.done)
        response["usage"] = usage_completed(theirs.get("usage"), self.usage)
        if is_null(theirs.get("status")):
            response["status"] = raw(status)
        response["segue"] = raw(self._head.account.member())
        self._final = dict(response)
        self._write(kind, {**members, "response": raw(response)})

    def _is_told(self, item: Item, entries: list[msgspec.Raw]) -> bool:
        """Whether the finished object knows the open item, whose own end never came."""
        return item.upstream < len(entries) and text_of(object_of(entries[item.upstream]).get("type")) == item.kind

    def _entry_done(
        self, index: int, entries: list[msgspec.Raw], events: Sequence[Event], tagged: Iterator[str]
    ) -> None:
        """The end of an item that only the finished object tells of."""
        kind = "response.output_item.done"
        self._item_done(kind, {"type": raw(kind), "output_index": raw(index), "item": entries[index]}, events, tagged)


def _block(events: Sequence[Event]) -> int:
    """The block a frame speaks of; -1 if its events do not tell."""
    return next((event.block for event in reversed(events) if isinstance(event, (Delta, Opened))), -1)
