"""Which event may follow which, within one attempt:

Started (Opened (Delta | Cited | Signed)* Closed | UsageReported | Progress | Foreign | Skipped)* (Finished | Failed)

Blocks may overlap (parallel tool calls by index); `relay/sequencer.py` takes that back where a wire cannot.
"""

from proxy.canonical.events import (
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    Finished,
    Opened,
    Signed,
    Started,
)

_IN_BLOCK = (Delta, Cited, Signed)
_TERMINAL = (Finished, Failed)


class Grammar:
    """Says of each event whether it may come now. Asking advances the state only when the answer is yes."""

    __slots__ = ("_closed", "ended", "open", "started")

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self.open: set[int] = set()
        self._closed: set[int] = set()

    def allows(self, event: Event) -> bool:
        # Compared by type, because `isinstance` asks a struct's metaclass: that costs ten times as much.
        kind = type(event)
        if self.ended:
            return False
        if kind in _IN_BLOCK:
            return event.block in self.open  # type: ignore[union-attr]
        if type(event) is Opened:
            if event.block in self.open or event.block in self._closed:
                return False
            self.open.add(event.block)
        elif type(event) is Closed:
            if event.block not in self.open:
                return False
            self.open.discard(event.block)
            self._closed.add(event.block)
        elif kind is Started:
            if self.started:
                return False
            self.started = True
        elif kind in _TERMINAL:
            self.ended = True
        return True

    @property
    def open_blocks(self) -> list[int]:
        return sorted(self.open)
