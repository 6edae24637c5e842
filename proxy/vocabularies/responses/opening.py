"""How a stream begins: its two opening events, then the notices that came before them. Encoder and relay share one, so
that either may write what the other has not: held by both, it refers to neither."""

from proxy.canonical.account import Exhausted, Hop
from proxy.vocabularies.responses.response_object import ENCODE, ResponseObject
from proxy.vocabularies.responses.stream import Stream
from proxy.wire.codec import Head
from proxy.wire.sse import comment_bytes

OPENINGS = ("response.created", "response.in_progress")


class Opening:
    """`written`: how many of the two events are out; `over`: both, and the notices after them."""

    def __init__(self, head: Head, response: ResponseObject, stream: Stream) -> None:
        self.written = 0
        self.over = False
        self._mode = head.notices
        self._object = response
        self._stream = stream
        self._waiting: list[Hop | Exhausted] = []

    def finish(self) -> None:
        """Write what is missing; no effect if nothing is."""
        if self.over:
            return
        for kind in OPENINGS[self.written :]:
            self._stream.emit(kind, {"response": self._object.members("in_progress", [])})
            self.written += 1
        self.over = True
        for notice in self._waiting:
            self._announce(notice)
        self._waiting.clear()

    def notice(self, notice: Hop | Exhausted) -> None:
        """Write a notice, or keep it until the opening is over."""
        if self.over:
            self._announce(notice)
        else:
            self._waiting.append(notice)

    def _announce(self, notice: Hop | Exhausted) -> None:
        name = "fallback_start" if isinstance(notice, Hop) else "fallback_exhausted"
        if self._mode == "events":
            self._stream.emit(f"segue:{name}", notice.members())
        elif self._mode == "comments":
            self._stream.comment(comment_bytes(b"segue " + ENCODE({"event": name, **notice.members()})))
