"""What a breaker remembers of its target's outcomes, in the form in which pybreaker asks for it."""

from collections import deque
from datetime import datetime

import pybreaker
from pybreaker import STATE_CLOSED

_BUCKETS = 10


class Outcomes(pybreaker.CircuitBreakerStorage):
    """The rolling window in `_BUCKETS` buckets, and the state. `counter` reaches `limit` by a run of that many failures
    or by their rate, once the window holds `minimum_volume` outcomes. Whoever tells an outcome sets `now` first, in
    seconds on a monotonic clock."""

    def __init__(self, limit: int, window: float, minimum_volume: int, failure_rate: float) -> None:
        super().__init__("outcomes")
        self.now = 0.0
        self.run = 0  # failures since the last success
        self._limit = limit
        self._window = window
        self._minimum_volume = minimum_volume
        self._failure_rate = failure_rate
        self._state = STATE_CLOSED
        self._opened_at: datetime | None = None
        self._successes = 0
        self._buckets: deque[list[int]] = deque()  # [bucket number, successes, failures]

    def forget(self) -> None:
        """All outcomes so far."""
        self._buckets.clear()
        self.run = 0

    def volume(self, now: float) -> tuple[int, int]:
        """Successes and failures within the window."""
        oldest = int(now * _BUCKETS / self._window) - _BUCKETS
        counted = [bucket for bucket in self._buckets if bucket[0] > oldest]
        return sum(bucket[1] for bucket in counted), sum(bucket[2] for bucket in counted)

    def _bucket(self) -> list[int]:
        number = int(self.now * _BUCKETS / self._window)
        if not self._buckets or self._buckets[-1][0] != number:
            self._buckets.append([number, 0, 0])
        while self._buckets[0][0] <= number - _BUCKETS:
            self._buckets.popleft()
        return self._buckets[-1]

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        if state == STATE_CLOSED and self._state != STATE_CLOSED:
            self.forget()
        self._state = state

    def increment_counter(self) -> None:
        self._bucket()[2] += 1
        self.run += 1

    def reset_counter(self) -> None:
        """pybreaker calls this on every success."""
        self._bucket()[1] += 1
        self.run = 0

    @property
    def counter(self) -> int:
        good, bad = self.volume(self.now)
        volume = good + bad
        if self.run >= self._limit or (volume >= self._minimum_volume and bad / volume >= self._failure_rate):
            return self._limit
        return min(self.run, self._limit - 1)

    def increment_success_counter(self) -> None:
        self._successes += 1

    def reset_success_counter(self) -> None:
        self._successes = 0

    @property
    def success_counter(self) -> int:
        return self._successes

    @property
    def opened_at(self) -> datetime | None:
        return self._opened_at

    @opened_at.setter
    def opened_at(self, moment: datetime) -> None:
        self._opened_at = moment
