"""The guarantees every upstream stream gets, whatever its vocabulary: never raises on bad input, keeps the grammar, and
ends in exactly one terminal event."""

from typing import Any, Protocol

import msgspec

from proxy.canonical.events import (
    TERMINAL,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Skipped,
    Started,
    is_content,
)
from proxy.canonical.grammar import Grammar
from proxy.wire.sse import Frame, FrameSplitter, FrameTooLarge


class Malformed(Exception):
    """A frame's payload is not what its vocabulary says it must be."""


class FrameReader(Protocol):
    """What a frame means in one vocabulary. One per attempt; state is its own."""

    def read(self, frame: Frame, out: list[Event]) -> Any:
        """Append what `frame` says. Raises Malformed (or msgspec's errors, or UnicodeDecodeError) if it is broken.
        Returns the step's `view`."""

    def read_run(self, run: bytes) -> list[Delta] | None:
        """The deltas of a whole chunk of frames that do nothing but continue the block that is open, one a frame; None
        if there is any doubt about that. The express lane for what streams mostly are: parsing a chunk at once costs a
        third of parsing its frames one by one."""

    def end(self, out: list[Event]) -> None:
        """The wire closed: append what it left implicit, if it may (a Finished whose reason is known)."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """A frame and what it meant; or a `run` of frames, as they came, each of which meant one of the deltas. The last
    step of a stream may have neither. `view`: the frame as its vocabulary decoded it, for a relay of the same
    vocabulary; None where that is nobody's business."""

    frame: Frame | None
    events: list[Event]
    run: bytes = b""
    view: Any = None


def apart(step: Step) -> list[Step]:
    """A run as one step for each of its frames."""
    frames = FrameSplitter().feed(step.run)
    return [Step(frame, [event]) for frame, event in zip(frames, step.events, strict=True)]


BROKEN_FRAME = (Malformed, msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last: nested too deeply


class SseDecoder:
    """One attempt's stream. A malformed frame is skipped before the first content and ends the attempt after it; two in
    a row end it anywhere (contract §7)."""

    def __init__(self, reader: FrameReader) -> None:
        self._reader = reader
        self._splitter = FrameSplitter()
        self._grammar = Grammar()
        self.has_content = False  # whether something was said that a client would show, speak or execute
        self._broken_in_a_row = 0
        self._is_empty = True  # nothing but comments, pings and the like so far

    @property
    def ended(self) -> bool:
        return self._grammar.ended

    def feed(self, chunk: bytes) -> list[Step]:
        """What `chunk` completed; empty after the end."""
        if self._grammar.ended:
            return []
        if self.has_content and self._splitter.is_between_frames:
            deltas = self._reader.read_run(chunk)
            if deltas is not None:
                self._broken_in_a_row = 0
                return [Step(None, [*deltas], chunk)]
        try:
            frames = self._splitter.feed(chunk)
        except FrameTooLarge as too_large:
            steps = self._steps(too_large.whole)
            return steps if self._grammar.ended else [*steps, self._failed(FaultKind.OVERSIZED, "a frame is too large")]
        return self._steps(frames)

    def finish(self) -> list[Step]:
        """The upstream closed. After this the stream has had its terminal event."""
        if self._grammar.ended:
            return []
        steps = self._steps(self._splitter.finish())
        if self._grammar.ended:
            return steps
        closing: list[Event] = []
        if not self._is_empty:
            self._reader.end(closing)
        allowed = self._allowed(closing)
        if not self._grammar.ended:
            kind = FaultKind.EMPTY if self._is_empty else FaultKind.TRUNCATED
            message = "the stream said nothing" if self._is_empty else "the stream closed before its end"
            allowed += self._failed(kind, message).events
        steps.append(Step(None, allowed))
        return steps

    def _steps(self, frames: list[Frame]) -> list[Step]:
        steps = []
        for frame in frames:
            events: list[Event] = []
            try:
                view = self._reader.read(frame, events)
            except BROKEN_FRAME as broken:
                steps.append(self._broken(frame, broken))
            else:
                self._broken_in_a_row = 0
                if events:
                    self._is_empty = False
                steps.append(Step(frame, self._allowed(events), b"", view))
            if self._grammar.ended:
                break
        return steps

    def _broken(self, frame: Frame, broken: Exception) -> Step:
        if frame.event == b"error":  # a failure told in words of nobody's wire
            return self._failed(FaultKind.REPORTED, frame.data.decode("utf-8", "replace"))
        self._is_empty = False
        self._broken_in_a_row += 1
        if self.has_content or self._broken_in_a_row > 1:
            return self._failed(FaultKind.MALFORMED, f"a frame could not be read: {broken}")
        return Step(None, [Skipped("malformed")])

    def _allowed(self, events: list[Event]) -> list[Event]:
        if self.has_content and len(events) == 1:
            event = events[0]
            if type(event) is Delta and event.block in self._grammar.open:
                return events  # the hot path: one more delta of a block that is open
        grammar = self._grammar
        out: list[Event] = []
        for event in events:
            kind = type(event)
            if not grammar.started and kind is not Started and kind is not Failed:
                grammar.allows(Started())
                out.append(Started())
            if not grammar.allows(event):
                out.append(Skipped("grammar"))
                continue
            if not self.has_content and is_content(event):
                self.has_content = True
            if kind is Finished:
                out.extend(map(Closed, grammar.open_blocks))
            out.append(event)
            if kind in TERMINAL:
                break
        return out

    def _failed(self, kind: FaultKind, message: str) -> Step:
        self._grammar.ended = True
        return Step(None, [Failed(kind, message)])
