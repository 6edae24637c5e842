"""What the client was told, so what may follow. Owns the order of everything that reaches one client stream."""

from enum import IntEnum

from proxy.canonical.account import Exhausted, Hop
from proxy.errors import ProxyError
from proxy.relay.writers import Writer
from proxy.wire.codec import Encoder
from proxy.wire.decoder import Step


class Told(IntEnum):
    NOTHING = 0  # any status may still be chosen
    HEADERS = 1  # opening events, pings, notices, void content: the candidate may change, saying so
    CONTENT = 2  # only more of the same answer, or a failure
    THE_END = 3  # nothing


# Looking a member up in an enum's class costs as much as four function calls, and this is asked for each event.
_NOTHING, _HEADERS, _CONTENT, _THE_END = Told


class Downstream:
    """Every method returns the bytes to send now. Nothing follows a terminal."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._writer: Writer | None = None
        self.told = _NOTHING

    def open(self) -> bytes:
        """Tell the client that an answer is coming, if only by a ping where the wire has no opening; no effect if it
        knows."""
        if self.told is not _NOTHING:
            return b""
        self.told = _HEADERS
        return self._encoder.opening() or self._encoder.ping()

    def notice(self, notice: Hop | Exhausted) -> bytes:
        """A fallback notice; kept by the encoder until the opening events are out."""
        return b"" if self.told is _THE_END else self._encoder.notice(notice)

    def commit(self, writer: Writer) -> None:
        """An attempt reached its commit point: from here on `writer` speaks."""
        self._writer = writer

    def resume(self, text: str, block: int) -> bytes:
        """The answer broke and goes on by somebody else: what the wire needs for that. `text`: what was said of the
        one text that is open, which goes on as canonical block `block`."""
        return b"" if self.told is _THE_END else self._encoder.resume(text, block)

    def restart(self, hop: Hop) -> bytes:
        """All that was sent is void: the candidate may change, and `hop` says to whom."""
        if self.told is _THE_END:
            return b""
        self.told = _HEADERS
        return self._encoder.restart(hop)

    def write(self, steps: list[Step]) -> bytes:
        if self.told is _THE_END or self._writer is None:
            return b""
        wire = self._writer.write(steps)
        if wire:
            self.told = _CONTENT
        return wire

    def end(self) -> None:
        """The answer's own terminal was written."""
        self.told = _THE_END

    def fail(self, error: ProxyError) -> bytes:
        """The in-stream failure; empty if the stream has ended."""
        if self.told is _THE_END:
            return b""
        self.told = _THE_END
        return self._encoder.fail(error)

    def ping(self) -> bytes:
        """What fills silence now."""
        return b"" if self.told in (_NOTHING, _THE_END) else self._encoder.ping()
