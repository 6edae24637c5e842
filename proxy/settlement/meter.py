"""Watches one answer's events: usage, first content, gaps. Knows nothing of bytes or vocabularies."""

from collections.abc import Callable

from proxy.canonical.events import (
    Delta,
    Event,
    Finished,
    Foreign,
    Skipped,
    Started,
    StopReason,
    UsageReported,
    is_content,
)
from proxy.canonical.usage import Usage
from proxy.telemetry.clocks import Clocks
from proxy.wire.decoder import Step

_INCOMPLETE = (StopReason.LENGTH, StopReason.CONTENT_FILTER)


class Meter:
    """`first_content_at` is on the monotonic clock; `dropped` counts by cause what never reached the client."""

    def __init__(self, clocks: Clocks) -> None:
        self.usage = Usage()
        self.usage_is_final = False
        self.first_content_at: float | None = None
        self.finished: Finished | None = None
        self.dropped: dict[str, int] = {}
        self.observe_gap: Callable[[float], None] | None = None
        self.foreign_is_dropped = False  # set where the answer is translated
        self._clocks = clocks
        self._last: float | None = None

    def hand_over(self, *, void: bool) -> None:
        """Somebody else goes on, and the time that took is no gap of theirs. `void`: they begin anew, so that only what
        they report counts."""
        self._last = None
        self.usage_is_final = False
        if void:
            self.usage = Usage()
            self.finished = None

    def observe(self, steps: list[Step]) -> float:
        """Account for one read's worth of steps; returns the time, on the monotonic clock."""
        now = self._clocks.monotonic()
        for step in steps:
            for event in step.events:
                if type(event) is Delta:
                    if self.first_content_at is None and event.text:
                        self.first_content_at = now
                else:
                    self._observe_rare(event, now)
        if self._last is not None and self.observe_gap is not None:
            self.observe_gap(now - self._last)
        self._last = now
        return now

    def _observe_rare(self, event: Event, now: float) -> None:
        if self.first_content_at is None and is_content(event):
            self.first_content_at = now
        # By type, not by class pattern: a pattern asks a struct's metaclass, which costs ten times as much.
        if type(event) is UsageReported:
            self.usage = self.usage.merged(event.usage)
            self.usage_is_final = self.usage_is_final or event.final
        elif type(event) is Started:
            if event.usage is not None:
                self.usage = self.usage.merged(event.usage)
        elif type(event) is Finished:
            self.finished = event
        elif type(event) is Skipped:
            self._drop(event.why)
        elif type(event) is Foreign and self.foreign_is_dropped:
            self._drop("foreign")

    def _drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1

    @property
    def outcome(self) -> str:
        """ok | incomplete, for an answer that reached its end."""
        return "incomplete" if self.finished is not None and self.finished.reason in _INCOMPLETE else "ok"
