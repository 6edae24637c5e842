"""A provider's output items made ours: id, call id, origin tag, and the members strict clients miss (contract §4)."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from proxy.canonical.events import Event, Opened, Signed
from proxy.canonical.ids import call_id
from proxy.vocabularies.responses.channels import BY_CALL, COMPACTIONS, PREFIXES
from proxy.vocabularies.responses.response_object import MEMBERS, Members, is_null, raw
from proxy.vocabularies.responses.stream import Item, Stream

_ABSENT: dict[str, dict[str, Any]] = {
    "message": {"status": "in_progress", "role": "assistant", "content": []},
    "reasoning": {"summary": []},
    "function_call": {"status": "in_progress", "arguments": ""},
    "custom_tool_call": {"input": ""},
}


def text_of(value: msgspec.Raw | None) -> str:
    """A JSON string; empty for anything else."""
    found = None if value is None else msgspec.json.decode(value)
    return found if isinstance(found, str) else ""


def index_of(value: msgspec.Raw | None) -> int:
    found = None if value is None else msgspec.json.decode(value)
    return found if type(found) is int else 0


def object_of(value: msgspec.Raw | None) -> Members:
    """A JSON object's members; none for anything else."""
    return MEMBERS.decode(value) if value is not None and bytes(value).startswith(b"{") else {}


def materials(events: Sequence[Event]) -> Iterator[str]:
    """The tagged materials in the order of the items they belong to."""
    return (event.material for event in events if isinstance(event, Signed))


def adopted_item(theirs: Members, upstream: int, stream: Stream, events: Sequence[Event], seed: str) -> Item:
    """The item we know `theirs` as; kinds with no prefix of ours keep their id. `upstream`: its output_index there."""
    kind = text_of(theirs.get("type"))
    their_id = text_of(theirs.get("id"))
    own_id = stream.own_id(kind) if kind in PREFIXES or not their_id else their_id
    call = text_of(theirs.get("call_id")) or their_id if kind in BY_CALL else ""
    named = (event.block for event in events if isinstance(event, Opened) and event.call_id == call)
    ours = call_id(seed, next(named, upstream), call) if kind in BY_CALL else ""
    item = Item(kind, len(stream.done), own_id, ours, text_of(theirs.get("name")))
    item.known_as(upstream, their_id)
    return item


def adopt_members(theirs: Members, item: Item, tagged: Iterator[str], *, finished: bool) -> None:
    """Rewrite `theirs` in place as `item`. An unfinished item's encrypted content is left out: the finished one has
    it whole, and only there it can be tagged."""
    theirs["id"] = raw(item.id)
    if item.call_id:
        theirs["call_id"] = raw(item.call_id)
    for name, value in _ABSENT.get(item.kind, {}).items():
        if is_null(theirs.get(name)):
            theirs[name] = raw("completed" if name == "status" and finished else value)
    if (item.kind == "reasoning" or item.kind in COMPACTIONS) and text_of(theirs.get("encrypted_content")):
        material = next(tagged, None) if finished else None
        if material is None:
            del theirs["encrypted_content"]
        else:
            theirs["encrypted_content"] = raw(material)
