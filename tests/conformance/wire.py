"""Samples as lists of events, and the bytes they become."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Event:
    """One SSE event; `name` None = no event line; a `payload` string is sent as it is; `comment` replaces both."""

    name: str | None
    payload: dict[str, Any] | str
    comment: str | None = None


def say(kind: str, **members: Any) -> Event:
    """An event whose data repeats its name as `type`."""
    return Event(kind, {"type": kind, **members})


def bare(payload: dict[str, Any] | str) -> Event:
    return Event(None, payload)


def note(comment: str) -> Event:
    return Event(None, "", comment)


def render(events: list[Event], newline: str = "\n") -> bytes:
    return "".join(_text(event) for event in events).replace("\n", newline).encode()


def _text(event: Event) -> str:
    if event.comment is not None:
        return f": {event.comment}\n\n"
    payload = event.payload
    text = payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
    head = "" if event.name is None else f"event: {event.name}\n"
    return f"{head}data: {text}\n\n"


def numbered(events: list[Event]) -> list[Event]:
    """The same events with sequence_number counted from 0."""
    number = 0
    for event in events:
        if isinstance(event.payload, dict) and event.comment is None:
            event.payload["sequence_number"] = number
            number += 1
    return events


def named(events: list[Event], name: str, nth: int = 0) -> Event:
    return [event for event in events if event.name == name][nth]


def position(events: list[Event], name: str, nth: int = 0) -> int:
    return events.index(named(events, name, nth))
