"""One block at a time, for wires that cannot interleave: the oldest open block flows, younger ones wait their turn."""

from proxy.canonical.events import Cited, Closed, Delta, Event, Failed, Finished, Opened, Signed

_IN_BLOCK = (Opened, Delta, Cited, Signed, Closed)
_TERMINAL = (Finished, Failed)


class Sequencer:
    """Reorders events so that no two blocks are open at once; everything that concerns no block passes through."""

    __slots__ = ("_current", "_waiting")

    def __init__(self, is_open: int | None = None) -> None:
        """`is_open`: a block that somebody else opened, and that goes on."""
        self._current = is_open
        self._waiting: dict[int, list[Event]] = {}

    def sequence(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if type(event) is Delta and event.block == self._current:
                out.append(event)  # the hot path
            elif type(event) in _IN_BLOCK:
                self._place(event, out)  # type: ignore[arg-type]
            else:
                if type(event) in _TERMINAL:
                    self._flush(out)
                out.append(event)
        return out

    def _place(self, event: Opened | Delta | Cited | Signed | Closed, out: list[Event]) -> None:
        if self._current is None and isinstance(event, Opened):
            self._current = event.block
        if event.block != self._current:
            self._waiting.setdefault(event.block, []).append(event)
            return
        out.append(event)
        if isinstance(event, Closed):
            self._promote(out)

    def _promote(self, out: list[Event]) -> None:
        """The current block closed: the next oldest flows, and the one after it if that is closed already."""
        self._current = None
        while self._waiting and self._current is None:
            block = next(iter(self._waiting))
            held = self._waiting.pop(block)
            out.extend(held)
            if not isinstance(held[-1], Closed):
                self._current = block

    def _flush(self, out: list[Event]) -> None:
        """The end: what is still open is closed, so that nothing that was said is lost."""
        while self._current is not None:
            out.append(Closed(self._current))
            self._promote(out)
