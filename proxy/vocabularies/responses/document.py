"""A provider's whole Response object, passed on unchanged but for the rewrites of contract §4."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.canonical.events import Event, UsageReported
from proxy.canonical.usage import Usage
from proxy.vocabularies.responses.adoption import adopt_members, adopted_item, materials
from proxy.vocabularies.responses.response_object import ENCODE, MEMBERS, ResponseObject, raw, usage_completed
from proxy.vocabularies.responses.stream import Stream
from proxy.wire.codec import Head


def relayed_document(
    body: dict[str, Any], events: Sequence[Event], response: ResponseObject, head: Head
) -> dict[str, Any]:
    theirs = response.adopted(MEMBERS.decode(ENCODE(body)), keep_created=True)
    stream = Stream(head.seed)
    tagged = materials(events)
    for index, entry in enumerate(body.get("output") or []):
        members = MEMBERS.decode(ENCODE(entry))
        adopt_members(members, adopted_item(members, index, stream, events, head.seed), tagged, finished=True)
        stream.done.append(members)
    usage = Usage()
    for event in events:
        if isinstance(event, UsageReported):
            usage = usage.merged(event.usage)
    theirs["output"] = raw(stream.done)
    theirs["usage"] = usage_completed(theirs.get("usage"), usage)
    theirs["segue"] = raw(head.account.member())
    answer: dict[str, Any] = msgspec.json.decode(ENCODE(theirs))
    return answer
