"""The event stream as a state machine: items one after the other, parts inside them, every event numbered. Both what we
encode ourselves and what we relay goes through it, so either may continue or end the other.

Source: openai-python 3.52, `types/responses/` and the accumulator in `lib/streaming/responses/`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from proxy.canonical.events import Citation
from proxy.canonical.ids import item_id
from proxy.vocabularies.responses.annotations import annotation_of
from proxy.vocabularies.responses.channels import PREFIXES, TEXT, Channel
from proxy.vocabularies.responses.patching import Template
from proxy.vocabularies.responses.response_object import ENCODE

_NOTHING: Mapping[str, Any] = MappingProxyType({})
# How an item says that it is void (contract §7).
_TAKEN_BACK = {"status": "incomplete", "content": []}
_VOIDABLE = ("message", "reasoning")


class Part:
    """Words in the making: a part of an item, or the item's own arguments. `block` is the canonical block it shows,
    `offset` how many characters of the part were said before that block began."""

    __slots__ = ("annotations", "block", "channel", "index", "offset", "pieces", "spoken", "template", "upstream")

    def __init__(self, channel: Channel, index: int, block: int = -1) -> None:
        self.channel = channel
        self.index = index
        self.block = block
        self.offset = 0
        self.pieces: list[str] = []
        self.annotations: list[Any] = []
        self.spoken = False  # its text has had its `.done`
        self.upstream = index  # its index there, when it is relayed
        self.template: Template | None = None  # how the provider's deltas become ours, once one was seen

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def member(self, text: str) -> dict[str, Any]:
        """The part object holding `text`."""
        if self.channel is TEXT:
            return {"type": "output_text", "annotations": list(self.annotations), "logprobs": [], "text": text}
        return {"type": self.channel.part, self.channel.text: text}


class Item:
    """One output item. `upstream` is its output_index there, when it is relayed; `more`: members of a relayed message
    that are its provider's own (`phase`), so that whoever closes it repeats them."""

    __slots__ = (
        "call_id",
        "id",
        "index",
        "kind",
        "lists",
        "material",
        "more",
        "name",
        "part",
        "shown",
        "upstream",
        "upstream_id",
    )

    def __init__(self, kind: str, index: int, own_id: str, call_id: str = "", name: str = "") -> None:
        self.kind = kind
        self.index = index
        self.id = own_id
        self.call_id = call_id
        self.name = name
        self.lists: dict[str, list[Any]] = {"content": [], "summary": []}
        self.part: Part | None = None
        self.material: str | None = None
        self.more: Mapping[str, Any] = _NOTHING
        self.shown: dict[str, Any] = {}  # a kind we cannot write, as its provider announced it
        self.known_as(index, own_id)

    def known_as(self, index: int, name: str) -> None:
        """Its output_index and id at the provider."""
        self.upstream = index
        self.upstream_id = name

    def member(self, status: str, text: str = "") -> dict[str, Any]:
        """The item object; `text`: the arguments or input of a call."""
        if self.shown:
            return {**self.shown, "status": status} if "status" in self.shown else self.shown
        if self.kind == "message":
            content = self.lists["content"]
            message = {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}
            return {**message, **self.more}
        if self.kind == "reasoning":
            thoughts: dict[str, Any] = {"id": self.id, "type": "reasoning", "summary": self.lists["summary"]}
            if self.lists["content"]:
                thoughts["content"] = self.lists["content"]
            if self.material is not None:
                thoughts["encrypted_content"] = self.material
            return thoughts
        call = {"id": self.id, "type": self.kind, "status": status, "call_id": self.call_id, "name": self.name}
        return {**call, ("input" if self.kind == "custom_tool_call" else "arguments"): text}

    def voided(self) -> dict[str, Any]:
        """The message or reasoning item as one that was taken back."""
        self.lists = {"content": [], "summary": []}
        self.material = None
        return {**self.member("incomplete"), **_TAKEN_BACK}


def _emptied(finished: Any) -> Any:
    """A closed item of an answer that was taken back, as the finished object shows it: a message has lost its words, so
    that nobody reads them from there; everything else is what its `done` event said."""
    whole = msgspec.json.decode(finished) if isinstance(finished, msgspec.Raw) else finished
    return {**whole, **_TAKEN_BACK} if whole.get("type") == "message" else finished


class Stream:
    """Invariant: at most one item is open, at most one part in it; `done` holds the closed items in order."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self.number = 0
        self.item: Item | None = None
        self.done: list[Any] = []
        self._out: list[bytes] = []
        self._hot = (b"", b"", b"")

    def take(self) -> bytes:
        """What was written since the last call."""
        written = b"".join(self._out)
        self._out.clear()
        return written

    def write(self, frame: bytes) -> None:
        """A finished frame that carries the current `number`, which then goes up."""
        self._out.append(frame)
        self.number += 1

    def comment(self, frame: bytes) -> None:
        self._out.append(frame)

    def emit(self, kind: str, members: dict[str, Any]) -> None:
        payload = ENCODE({"type": kind, "sequence_number": self.number, **members})
        self.write(b"event: %b\ndata: %b\n\n" % (kind.encode(), payload))

    def own_id(self, kind: str) -> str:
        return item_id(PREFIXES.get(kind, "item_"), self._seed, len(self.done))

    def open_item(self, kind: str, call_id: str = "", name: str = "") -> Item:
        """A fresh item, the one before closed."""
        self.close_item()
        self.item = item = Item(kind, len(self.done), self.own_id(kind), call_id, name)
        self.emit("response.output_item.added", {"output_index": item.index, "item": item.member("in_progress")})
        return item

    def adopt_item(self, item: Item) -> None:
        """An item whose `added` event somebody else writes."""
        self.close_item()
        self.item = item

    def open_part(self, channel: Channel, block: int, *, announce: bool = True) -> Part:
        """The next part of the open item, or a call's words. `announce`: write its bracket."""
        assert self.item is not None
        self.close_part()
        index = len(self.item.lists[channel.list]) if channel.list else 0
        self.item.part = part = Part(channel, index, block)
        if channel.bracket and announce:
            self.emit(channel.bracket + ".added", {**self._place(part), "part": part.member("")})
        self._prepare(part)
        return part

    def _place(self, part: Part) -> dict[str, Any]:
        assert self.item is not None
        place: dict[str, Any] = {"item_id": self.item.id, "output_index": self.item.index}
        if part.channel.number:
            place[part.channel.number] = part.index
        return place

    def _prepare(self, part: Part) -> None:
        """Everything of the part's delta events that stays the same."""
        kind = f"{part.channel.event}.delta".encode()
        before = b'event: %b\ndata: {"type":"%b","sequence_number":' % (kind, kind)
        place = b"," + ENCODE(self._place(part))[1:-1] + b',"delta":'
        self._hot = (before, place, b',"logprobs":[]}\n\n' if part.channel is TEXT else b"}\n\n")

    def say(self, part: Part, text: str) -> None:
        """A delta of the open part."""
        part.pieces.append(text)
        before, place, after = self._hot
        self._out.append(b"%b%d%b%b%b" % (before, self.number, place, ENCODE(text), after))
        self.number += 1

    def cite(self, part: Part, citation: Citation) -> None:
        annotation = annotation_of(citation.moved(part.offset))
        place = {**self._place(part), "annotation_index": len(part.annotations), "annotation": annotation}
        part.annotations.append(annotation)
        self.emit("response.output_text.annotation.added", place)

    def close_part(self) -> None:
        """The done events the open part still lacks."""
        item = self.item
        if item is None or (part := item.part) is None:
            return
        self.end_text(part)
        if part.channel.bracket:
            finished = part.member(part.text)
            self.emit(part.channel.bracket + ".done", {**self._place(part), "part": finished})
            self.part_closed(finished)

    def end_text(self, part: Part) -> None:
        """The done event of the words themselves, unless it is out."""
        if part.spoken:
            return
        assert self.item is not None
        part.spoken = True
        channel = part.channel
        done: dict[str, Any] = {**self._place(part), channel.text: part.text}
        if channel is TEXT:
            done["logprobs"] = []
        elif channel.item == "function_call":
            done["name"] = self.item.name
        self.emit(channel.event + ".done", done)

    def part_closed(self, finished: dict[str, Any] | msgspec.Raw) -> None:
        """The open part has had its bracket's `done` event."""
        assert self.item is not None
        assert self.item.part is not None
        self.item.lists[self.item.part.channel.list].append(finished)
        self.item.part = None

    def close_item(self, status: str = "completed") -> None:
        """The done events the open item still lacks."""
        if (item := self.item) is None:
            return
        self.close_part()
        finished = item.member(status, item.part.text if item.part else "")
        self.emit("response.output_item.done", {"output_index": item.index, "item": finished})
        self.closed(finished)

    def closed(self, finished: dict[str, Any] | msgspec.Raw) -> None:
        """The open item has had its `done` event."""
        self.done.append(finished)
        self.item = None

    def void(self) -> None:
        """Take back everything so far: the open item is closed with nothing in it, or, where none is open that could
        be, a message that is opened for it."""
        if self.item is not None and self.item.kind not in _VOIDABLE:
            self.close_item("incomplete")
        item = self.item or self.open_item("message")
        finished = item.voided()
        self.emit("response.output_item.done", {"output_index": item.index, "item": finished})
        self.done = [_emptied(closed) for closed in self.done]
        self.closed(finished)

    def unfinished(self) -> list[Any]:
        """The closed items and the open one as it stands."""
        if (item := self.item) is None:
            return self.done
        part = item.part
        if part is not None and part.channel.list and part.text:
            item.lists[part.channel.list].append(part.member(part.text))
        return [*self.done, item.member("incomplete", part.text if part else "")]
