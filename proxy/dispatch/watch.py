"""Guards a committed stream against silence. One timer, re-armed lazily: a chunk costs an assignment, not a timer."""

import asyncio

from proxy.clock import Deadline
from proxy.errors import Cause, UpstreamFault
from proxy.transport.exchange import Exchange


class Watch:
    """Aborts `exchange` when nothing came for `idle` seconds, or at the request's deadline. Stop it when done.

    Time spent waiting for a slow reader is not the provider's silence: `pause` and `resume` bracket it. It begins
    paused, because what was held goes to the client first.
    """

    def __init__(self, exchange: Exchange, idle: float, deadline: Deadline) -> None:
        self._loop = asyncio.get_running_loop()
        self._exchange = exchange
        self._idle = idle
        self._deadline = deadline.at
        self._is_callers = deadline.is_callers
        self._last = self._loop.time()
        self._paused = True
        self._timer = self._loop.call_at(self._due(), self._look)

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

    def _due(self) -> float:
        return min(self._last + self._idle, self._deadline)

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._deadline:
            self._exchange.abort(
                UpstreamFault(
                    Cause.TIMED_OUT,
                    "The request's deadline passed.",
                    detail="deadline_exceeded",
                    blames_target=not self._is_callers,
                )
            )
        elif self._paused:
            self._timer = self._loop.call_at(min(now + self._idle, self._deadline), self._look)
        elif now >= self._due():
            self._exchange.abort(
                UpstreamFault(
                    Cause.STALLED, f"The provider sent nothing for {self._idle:g} seconds.", detail="stream_stalled"
                )
            )
        else:
            self._timer = self._loop.call_at(self._due(), self._look)
