"""Guards a committed stream against silence, and slowness if that was asked for. One timer, re-armed lazily: a chunk
costs an assignment, not a timer."""

import asyncio

from proxy.clock import Deadline
from proxy.dispatch.pace import Pace
from proxy.errors import Cause, UpstreamFault
from proxy.routing.settings import Timeouts
from proxy.transport.exchange import Exchange


class Watch:
    """Aborts `exchange` when nothing came for `timeouts.idle` seconds, when too little came in a while, or at the
    request's deadline. Stop it when done.

    Time spent waiting for a slow reader is not the provider's silence: `pause` and `resume` bracket it. It begins
    paused, because what was held goes to the client first. `pace`, where the target has a least rate, is to be told
    what is heard.
    """

    def __init__(self, exchange: Exchange, timeouts: Timeouts, deadline: Deadline) -> None:
        self.pace = Pace(timeouts.least_rate, timeouts.rate_window) if timeouts.least_rate > 0 else None
        self._loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._timeouts = timeouts
        self._deadline = deadline.at
        self._is_callers = deadline.is_callers
        self._last = self._loop.time()
        self._paused = True
        self._timer = self._loop.call_at(self._next_look(self._last), self._look)

    def resume(self) -> float:
        """Reading begins; returns the loop's time."""
        self._paused = False
        self._last = now = self._loop.time()
        return now

    def pause(self) -> float:
        """A chunk came: what follows is the client's time. Returns the loop's time."""
        self._paused = True
        return self._loop.time()

    def stop(self) -> None:
        self._timer.cancel()

    def _next_look(self, now: float) -> float:
        silent_since = now if self._paused else self._last
        due = min(silent_since + self._timeouts.idle, self._deadline)
        return due if self.pace is None else min(due, now + self.pace.look_every)

    def _look(self) -> None:
        now = self._loop.time()
        fault = self._fault(now)
        if fault is None:
            self._timer = self._loop.call_at(self._next_look(now), self._look)
        else:
            self._exchange.abort(fault)

    def _fault(self, now: float) -> UpstreamFault | None:
        idle, waiting = self._timeouts.idle, 0.0 if self._paused else now - self._last
        if now >= self._deadline:
            return UpstreamFault(
                Cause.TIMED_OUT,
                "The request's deadline passed.",
                detail="deadline_exceeded",
                blames_target=not self._is_callers,
            )
        if waiting >= idle:
            return UpstreamFault(
                Cause.STALLED, f"The provider sent nothing for {idle:g} seconds.", detail="stream_stalled"
            )
        if self.pace is not None and self.pace.is_too_slow(waiting):
            least, window = self._timeouts.least_rate, self._timeouts.rate_window
            return UpstreamFault(
                Cause.TOO_SLOW,
                f"The provider sent less than {least:g} characters a second for {window:g} seconds.",
                detail="too_slow",
            )
        return None
