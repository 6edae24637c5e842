"""Time limits of tasks, all on one timer. `asyncio.timeout` takes a timer of the event loop for each, which costs
several times what all else of a limit does, though hardly one ever goes off."""

import asyncio
from heapq import heappop, heappush
from types import TracebackType

# Seconds by which it may be late. Who waits for a minute does not mind another second.
_FINE, _COARSE, _COARSEST = 0.02, 0.25, 1.0
_SOON, _LATER = 10.0, 30.0


class TimeLimits:
    """Of one event loop."""

    def __init__(self) -> None:
        self._due: dict[float, set[TimeLimit]] = {}  # by the time at which they go off
        self._times: list[float] = []  # the same times, as a heap
        self._timer: asyncio.TimerHandle | None = None

    def until(self, at: float) -> "TimeLimit":
        """For what must be done by then, on the loop's clock: `with limits.until(at): await ...` raises TimeoutError if
        it is not, at most a fiftieth of a second later, or 4 % of the time it had."""
        return TimeLimit(self, at)

    def due(self, at: float) -> "set[TimeLimit]":
        """Those that go off with one that ends at `at`; it is to be added."""
        loop = asyncio.get_running_loop()
        left = at - loop.time()
        grain = _FINE if left < _SOON else _COARSE if left < _LATER else _COARSEST
        time = (at // grain + 1) * grain
        found = self._due.get(time)
        if found is None:
            found = self._due[time] = set()
            heappush(self._times, time)
            if self._times[0] == time:
                self._wait(loop)
        return found

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._times[0], self._go_off, loop) if self._times else None

    def _go_off(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._times and self._times[0] <= now:
            for limit in self._due.pop(heappop(self._times)):
                limit.pass_()
        self._timer = None
        self._wait(loop)


class TimeLimit:
    """What `asyncio.Timeout` is; the rules by which it tells its own cancellation from others' are those of Python
    3.11's asyncio/timeouts.py."""

    __slots__ = ("_at", "_before", "_due", "_has_passed", "_limits", "_task")

    def __init__(self, limits: TimeLimits, at: float) -> None:
        self._limits = limits
        self._at = at
        self._has_passed = False
        self._before = 0
        self._task: asyncio.Task[object] | None = None
        self._due: set[TimeLimit] | None = None

    def __enter__(self) -> "TimeLimit":
        task = self._task = asyncio.current_task()
        assert task is not None
        self._before = task.cancelling()
        self.reschedule(self._at)
        return self

    def reschedule(self, at: float) -> None:
        """Another time, while it lasts; once it has passed it has passed, or its task would be cancelled twice."""
        if self._has_passed:
            return
        if self._due is not None:
            self._due.discard(self)
        self._due = self._limits.due(at)
        self._due.add(self)

    def pass_(self) -> None:
        """The time has come."""
        self._has_passed = True
        assert self._task is not None
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        assert self._due is not None
        self._due.discard(self)
        assert task is not None
        if self._has_passed and task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error
