"""One target's breaker: closed, open, half-open. pybreaker is the state machine; permits, the rolling window and the
clock are ours, because pybreaker counts only consecutive failures, admits everybody at half-open and knows no async.

Outcomes reach pybreaker through its synchronous `call()` once they are known. Every method takes `now` in seconds on a
monotonic clock. Nothing here waits.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec
import pybreaker
from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN

from proxy.errors import Verdict

# Looked up once: in an enum's class that costs as much as four function calls.
_SUCCESS, _FAILURE, _COOL_DOWN = Verdict.SUCCESS, Verdict.FAILURE, Verdict.COOL_DOWN
_BUCKETS = 10
_LONGEST_DOUBLING = 6


class BreakerSettings(msgspec.Struct, frozen=True):
    """When a target is given up for a while. Times in seconds."""

    consecutive_failures: int = 5
    window: float = 30.0
    minimum_volume: int = 10
    failure_rate: float = 0.5
    open_time: float = 10.0
    longest_open_time: float = 300.0
    success_threshold: int = 2


class _Window(pybreaker.CircuitBreakerStorage):
    """Rolling outcomes in `_BUCKETS` buckets. `counter` reaches the limit by a run of failures or by their rate."""

    def __init__(self, settings: BreakerSettings) -> None:
        super().__init__("window")
        self.settings = settings
        self.now = 0.0
        self._state = STATE_CLOSED
        self._opened_at: datetime | None = None
        self._successes = 0
        self._run = 0
        self._buckets: deque[list[int]] = deque()  # [bucket number, successes, failures]

    def _bucket(self) -> list[int]:
        number = int(self.now * _BUCKETS / self.settings.window)
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
            self._buckets.clear()
            self._run = 0
        self._state = state

    def increment_counter(self) -> None:
        self._bucket()[2] += 1
        self._run += 1

    def reset_counter(self) -> None:
        """pybreaker calls this on every success."""
        self._bucket()[1] += 1
        self._run = 0

    @property
    def counter(self) -> int:
        limit = self.settings.consecutive_failures
        self._bucket()
        good = sum(bucket[1] for bucket in self._buckets)
        bad = sum(bucket[2] for bucket in self._buckets)
        volume = good + bad
        if self._run >= limit or (
            volume >= self.settings.minimum_volume and bad / volume >= self.settings.failure_rate
        ):
            return limit
        return min(self._run, limit - 1)

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


class _TargetFailed(Exception):
    """What pybreaker is told a failure was."""


class Permit:
    """The right to one attempt. Report its verdict; NONE proves nothing but frees a half-open probe."""

    __slots__ = ("_breaker", "_generation", "_probe", "_reported")

    def __init__(self, breaker: "Breaker", generation: int, probe: bool) -> None:
        self._breaker = breaker
        self._generation: int | None = generation
        self._probe = probe
        self._reported: Verdict | None = None

    def report(self, verdict: Verdict, now: float, retry_after: float | None = None) -> None:
        """Tell the outcome. The first report counts; a success told early, while the stream still ran, may be followed
        by one failure: if the success counted, so does that, whatever the breaker has become since."""
        broke_later = self._reported is _SUCCESS and verdict is _FAILURE
        if self._reported is not None and not broke_later:
            return
        probe = self._probe and self._reported is None
        self._reported = verdict
        if self._breaker.settle(self._generation, probe, verdict, now, retry_after):
            self._generation = None


class Breaker:
    """Hands out permits. At half-open one probe at a time; open time doubles with each trip in a row, jittered."""

    def __init__(self, settings: BreakerSettings, jitter: Callable[[], float]) -> None:
        """`jitter` returns a number in [0, 1)."""
        self.settings = settings
        self._jitter = jitter
        self._window = _Window(settings)
        self._machine = pybreaker.CircuitBreaker(
            fail_max=settings.consecutive_failures,
            reset_timeout=settings.open_time,
            success_threshold=settings.success_threshold,
            state_storage=self._window,
            throw_new_error_on_trip=False,
        )
        self._generation = 0
        self._probing = False
        self._trips = 0
        self._open_until = 0.0
        self._cool_until = 0.0

    @property
    def state(self) -> str:
        """closed | open | half-open, as last decided; a cool-down after a rate limit is not a state."""
        return self._window.state

    def retry_in(self, now: float) -> float:
        """Seconds until this target may be asked again; 0 if it may be now."""
        until = self._cool_until
        if self._window.state == STATE_OPEN:
            until = max(until, self._open_until)
        return max(0.0, until - now)

    @property
    def cooling(self) -> bool:
        """Whether what keeps it shut is a rate limit rather than ill health."""
        return self._window.state == STATE_CLOSED

    def acquire(self, now: float) -> Permit | None:
        """A permit, or None: open, cooling down, or half-open with a probe under way."""
        if self._cool_until > now:
            return None
        if self._window.state == STATE_CLOSED:
            return Permit(self, self._generation, False)
        if self._window.state == STATE_OPEN:
            if self._open_until > now:
                return None
            self._machine.half_open()
            self._generation += 1
            self._probing = False
        if self._probing:
            return None
        self._probing = True
        return Permit(self, self._generation, True)

    def settle(
        self, generation: int | None, probe: bool, verdict: Verdict, now: float, retry_after: float | None
    ) -> bool:
        """Called by permits; returns whether the report counted. One from before the last transition is stale and
        changes no state; without a `generation` it is not, but tells an open breaker nothing."""
        if verdict is _COOL_DOWN:
            self._cool_until = max(self._cool_until, now + (retry_after if retry_after is not None else 1.0))
        if self._window.state == STATE_OPEN if generation is None else generation != self._generation:
            return False
        if probe:
            self._probing = False
        if verdict not in (_SUCCESS, _FAILURE):
            return False
        self._window.now = now
        before = self._window.state
        if verdict is _SUCCESS and before == STATE_CLOSED:
            self._window.reset_counter()  # all pybreaker's closed state does with a success, at a tenth of the cost
        elif verdict is _SUCCESS:
            self._machine.call(lambda: None)
        else:
            self._fail()
        if self._window.state != before:
            self._moved(now)
        return True

    def _fail(self) -> None:
        def raise_failure() -> None:
            raise _TargetFailed

        try:
            self._machine.call(raise_failure)
        except _TargetFailed as failed:
            # pybreaker's frames hold the error, and its traceback them; with it, all the request's frames would stay.
            failed.__traceback__ = None

    def _moved(self, now: float) -> None:
        self._generation += 1
        self._probing = False
        if self._window.state == STATE_OPEN:
            doubled = self.settings.open_time * 2 ** min(self._trips, _LONGEST_DOUBLING)
            self._trips += 1
            self._open_until = now + min(doubled, self.settings.longest_open_time) * (0.8 + 0.4 * self._jitter())
        elif self._window.state == STATE_CLOSED:
            self._trips = 0


STATES = (STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN)
