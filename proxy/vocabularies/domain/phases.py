"""The phase machine of contract §2, as a table: what may be sent when, and where it leads."""

from enum import StrEnum


class Phase(StrEnum):
    IDLE = "idle"
    STARTED = "started"
    PINGING = "pinging"
    STREAMING = "streaming"
    CITATIONS = "citations"
    EXHAUSTED = "exhausted"
    TERMINAL = "terminal"


class Name(StrEnum):
    """The events of the vocabulary."""

    STREAM_STARTED = "stream_started"
    PING = "ping"
    DELTA = "delta"
    TOOL = "tool"
    CITATIONS = "citations"
    FALLBACK_START = "fallback_start"
    FALLBACK_EXHAUSTED = "fallback_exhausted"
    DONE = "done"
    ERROR = "error"


_ENDING = {Name.DONE: Phase.TERMINAL, Name.ERROR: Phase.TERMINAL}
_FLOWING = {
    Name.DELTA: Phase.STREAMING,
    Name.TOOL: Phase.STREAMING,
    Name.CITATIONS: Phase.CITATIONS,
    Name.FALLBACK_EXHAUSTED: Phase.EXHAUSTED,
    **_ENDING,
}
TABLE: dict[Phase, dict[Name, Phase]] = {
    Phase.IDLE: {Name.STREAM_STARTED: Phase.STARTED, **_ENDING},
    Phase.STARTED: {Name.PING: Phase.PINGING, Name.FALLBACK_START: Phase.STARTED, **_FLOWING},
    Phase.PINGING: {Name.PING: Phase.PINGING, Name.FALLBACK_START: Phase.PINGING, **_FLOWING},
    Phase.STREAMING: {Name.FALLBACK_START: Phase.STREAMING, **_FLOWING},
    Phase.CITATIONS: _ENDING,
    Phase.EXHAUSTED: {Name.ERROR: Phase.TERMINAL},
    Phase.TERMINAL: {},
}


def following(phase: Phase, name: Name, *, discards: bool = False) -> Phase | None:
    """The phase after sending `name`; None if it may not be sent now. `discards`: a fallback_start that voids what was
    sent, so that the stream is as good as new."""
    if discards and phase is Phase.STREAMING and name is Name.FALLBACK_START:
        return Phase.STARTED
    return TABLE[phase].get(name)
