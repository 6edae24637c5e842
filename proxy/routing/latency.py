"""How long a target takes, from what it took lately: a moving average that learns of trouble at once and forgets it
slowly, and a quantile. Times in seconds; `now` on a monotonic clock. Both keep a bounded amount and cost about a
microsecond."""

import math
from bisect import bisect_left, insort
from collections import deque

# Seconds in which an observation loses 63 % of its weight. Finagle's 10 are meant for thousands of calls a second; with
# one call in several seconds, a slow target would be tried again all the time.
_FORGETS_AFTER = 30.0
_REMEMBERED = 256
_LEAST = 20


class PeakEwma:
    """Peak EWMA (twitter/finagle, loadbalancer/PeakEwma.scala): a slower answer counts at once and whole, a faster one
    the more, the longer ago the last was. Without observations it sinks: a target that was slow is tried again."""

    __slots__ = ("_at", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._at = 0.0

    def observe(self, seconds: float, now: float) -> None:
        kept = math.exp(-max(0.0, now - self._at) / _FORGETS_AFTER)
        self._value = seconds if seconds > self._value else self._value * kept + seconds * (1.0 - kept)
        self._at = now

    def value(self, now: float) -> float:
        """0 while nothing was observed."""
        return self._value * math.exp(-max(0.0, now - self._at) / _FORGETS_AFTER)


class Quantile:
    """The 95th percentile of the last 256 observations."""

    __slots__ = ("_in_order", "_recent")

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._in_order: list[float] = []

    def observe(self, seconds: float) -> None:
        if len(self._recent) == _REMEMBERED:
            del self._in_order[bisect_left(self._in_order, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._in_order, seconds)

    def p95(self) -> float | None:
        """None until there are 20 observations: fewer say nothing of the slowest twentieth."""
        count = len(self._in_order)
        return self._in_order[math.ceil(0.95 * count) - 1] if count >= _LEAST else None
