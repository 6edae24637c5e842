"""One target's breaker: closed, open, half-open. pybreaker is the state machine; permits, the rolling window and the
clock are ours, because pybreaker counts only consecutive failures, admits everybody at half-open and knows no async.

Outcomes reach pybreaker through its synchronous `call()` once they are known. Every method takes `now` in seconds on a
monotonic clock. Nothing here waits.
"""

from collections.abc import Callable
from enum import Enum
from math import inf
from typing import NamedTuple, Protocol

import msgspec
import pybreaker
from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN

from proxy.errors import Verdict
from proxy.routing.outcomes import Outcomes
from proxy.routing.standing import Standing

STATES = (STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN)

# Looked up once: in an enum's class that costs as much as four function calls.
_SUCCESS, _FAILURE, _COOL_DOWN = Verdict.SUCCESS, Verdict.FAILURE, Verdict.COOL_DOWN
_CREDENTIAL = Verdict.CREDENTIAL
_LONGEST_DOUBLING = 6
_FIRST_SHARE = 0.1  # of the requests, right after closing
_GRANT = 2.0  # seconds for which leave to probe waits for a request
_SOON = 0.1  # seconds after which leave to probe is usually had
_LATER = 1.0  # seconds after which to look again where nobody knows when


class BreakerSettings(msgspec.Struct, frozen=True):
    """When a target is given up for a while. Times in seconds. `slow_start`: for so long after closing, the share of
    requests that are let through grows until it is all of them."""

    consecutive_failures: int = 5
    window: float = 30.0
    minimum_volume: int = 10
    failure_rate: float = 0.5
    open_time: float = 10.0
    longest_open_time: float = 300.0
    success_threshold: int = 2
    slow_start: float = 10.0


class Change(Enum):
    """What others may want to hear of a breaker."""

    MOVED = "moved"  # outcomes brought it to another state
    COOLED = "cooled"  # the provider asked for a longer pause
    PROBING = "probing"  # the first probe began: it is half-open
    PROBED = "probed"  # a probe ended and left it so


class Objection(NamedTuple):
    """Why a breaker refuses, in a word, and seconds until it may be worth asking again."""

    detail: str
    wait: float


class Credential(Protocol):
    """What a permit needs to know of the credential its attempt was made with. `sound`: there is no doubt about it."""

    sound: bool

    def hear(self, verdict: Verdict, now: float, beside: "Permit | None") -> None: ...


class _TargetFailed(Exception):
    """What pybreaker is told a failure was."""


class Permit:
    """The right to one attempt. Report its verdict; NONE proves nothing but frees a half-open probe. `beside`: the
    permit of the credential's own breaker, where that was in doubt; reported together with this one."""

    __slots__ = ("_breaker", "_generation", "_reported", "beside", "is_probe")

    def __init__(self, breaker: "Breaker", generation: int, is_probe: bool) -> None:
        self._breaker = breaker
        self._generation: int | None = generation
        self._reported: Verdict | None = None
        self.is_probe = is_probe
        self.beside: Permit | None = None

    def report(self, verdict: Verdict, now: float, retry_after: float | None = None) -> None:
        """Tell the outcome. The first report counts; a success told early, while the stream still ran, may be followed
        by one failure: if the success counted, so does that, whatever the breaker has become since."""
        first = self._reported is None
        if not first and not (self._reported is _SUCCESS and verdict is _FAILURE):
            return
        self._reported = verdict
        if self._breaker.settle(self._generation, first and self.is_probe, verdict, now, retry_after):
            self._generation = None
        credential = self._breaker.credential
        if credential is not None and first and (verdict is _CREDENTIAL or not credential.sound):
            credential.hear(verdict, now, self.beside)


def _unheard(breaker: "Breaker", change: Change) -> None: ...


def _granted(breaker: "Breaker") -> bool:
    return True


class Breaker:
    """Hands out permits. At half-open one probe at a time; open time doubles with each trip in a row, jittered.

    Where others mind the same target, `may_probe` asks them for leave without waiting; False: not yet, and `grant` or
    `deny` will be called. `changed` is told what they may want to hear."""

    credential: Credential | None = None

    def __init__(
        self,
        settings: BreakerSettings,
        jitter: Callable[[], float],
        changed: "Callable[[Breaker, Change], None]" = _unheard,
        may_probe: "Callable[[Breaker], bool]" = _granted,
    ) -> None:
        """`jitter` returns a number in [0, 1)."""
        self.settings = settings
        self._jitter = jitter
        self._changed = changed
        self._may_probe = may_probe
        self._outcomes = Outcomes(
            settings.consecutive_failures, settings.window, settings.minimum_volume, settings.failure_rate
        )
        self._machine = pybreaker.CircuitBreaker(
            fail_max=settings.consecutive_failures,
            reset_timeout=settings.open_time,
            success_threshold=settings.success_threshold,
            state_storage=self._outcomes,
            throw_new_error_on_trip=False,
        )
        self._generation = 0
        self._probing = False
        self._trips = 0
        self._is_forced = False
        self._open_until = -inf
        self._cool_until = -inf
        self._closed_at = -inf
        self._admitted = 0.0  # of the next request, in slow start
        self._granted_until = -inf
        self._grant_used = True
        self._ask_from = -inf
        self._wanted_at = -inf
        self._wanted_every = 0.0
        self._free_from = -inf  # when everybody gets a permit, inf while not closed: all the usual case looks at

    @property
    def state(self) -> str:
        """closed | open | half-open, as last decided; a cool-down after a rate limit is not a state."""
        return self._outcomes.state

    def retry_in(self, now: float) -> float:
        """Seconds until this target may be asked again; 0 if it may be now."""
        until = self._cool_until
        if self._outcomes.state == STATE_OPEN:
            until = max(until, self._open_until)
        return max(0.0, until - now)

    def acquire(self, now: float, is_last: bool = False) -> Permit | None:
        """A permit, or None; then `objection` says why. `is_last`: the caller has nobody else to ask, so a slow start
        does not hold it up."""
        if now >= self._free_from:
            return Permit(self, self._generation, False)
        if self._cool_until > now:
            return None
        if self._outcomes.state == STATE_CLOSED:
            return Permit(self, self._generation, False) if self._takes_part(now) or is_last else None
        self._wanted_every, self._wanted_at = now - self._wanted_at, now
        if self._open_until > now or self._probing:
            return None
        if self._granted_until <= now and not self._may_probe(self):
            return None
        return self._probe()

    def objection(self, now: float) -> Objection | None:
        """Why `acquire` refuses now, or could; None if it does not."""
        wait = self.retry_in(now)
        state = self._outcomes.state
        if state == STATE_OPEN and self._open_until > now:
            return Objection("forced_open" if self._is_forced else "breaker_open", wait)
        if wait:
            return Objection("cooling_down", wait)
        if state != STATE_CLOSED:
            return Objection("probe_pending", _LATER if self._probing else max(_SOON, self._ask_from - now))
        if self._free_from > now:
            return Objection("slow_start", min(_LATER, self._free_from - now))
        return None

    def settle(
        self, generation: int | None, probe: bool, verdict: Verdict, now: float, retry_after: float | None
    ) -> bool:
        """Called by permits; returns whether the report counted. One from before the last transition is stale and
        changes no state; without a `generation` it is not, but tells an open breaker nothing."""
        if verdict is _SUCCESS and self._free_from < inf and generation == self._generation:
            # All pybreaker's closed state does with a success, at a tenth of the cost.
            self._outcomes.now = now
            self._outcomes.reset_counter()
            return True
        if verdict is _COOL_DOWN:
            self._cool(now + (retry_after if retry_after is not None else 1.0))
        before = self._outcomes.state
        if before == STATE_OPEN if generation is None else generation != self._generation:
            return False
        if probe:
            self._probing = False
        self._outcomes.now = now
        if verdict is _FAILURE:
            self._fail()
        elif verdict is _SUCCESS:
            self._machine.call(lambda: None)
        if self._outcomes.state != before:
            self._moved(now)
        elif probe:
            if self._granted_until > -inf:  # who has leave goes on probing
                self._granted_until = max(self._granted_until, now + _GRANT)
            self._changed(self, Change.PROBED)
        return verdict is _SUCCESS or verdict is _FAILURE

    @property
    def hold(self) -> float:
        """Seconds for which leave to probe is to wait for a request: 2, or, once that was too short, long enough for
        requests as rare as they are. Else a target that is seldom asked for would never be found well again."""
        if self._grant_used:
            return _GRANT
        return max(_GRANT, min(2 * self._wanted_every, self.settings.longest_open_time))

    def grant(self, until: float) -> None:
        """The next request before `until` may probe."""
        self._granted_until = until
        self._grant_used = False
        self._ask_from = -inf

    def deny(self, until: float) -> None:
        """Somebody else probes, or may; there is no point in asking before `until`."""
        self._granted_until = -inf
        self._ask_from = until

    def may_ask(self, now: float) -> bool:
        """Whether leave to probe, which it needs now, may be asked for again after it was denied."""
        return now >= self._ask_from

    def leave_for(self, now: float) -> float:
        """Seconds for which leave to probe is still of use: no end while a probe is under way, 0 once it is not."""
        if self._outcomes.state == STATE_CLOSED or self._open_until > now:
            return 0.0
        return inf if self._probing else max(0.0, self._granted_until - now)

    def standing(self, now: float) -> Standing:
        """For others: half-open is nobody else's business, and counts as open."""
        is_open = self._outcomes.state != STATE_CLOSED
        seconds = self._open_until - now if is_open else now - self._closed_at
        return Standing(is_open, seconds, self._trips, is_open and self._is_forced, max(0.0, self._cool_until - now))

    def adopt(self, told: Standing, now: float) -> None:
        """Stand as others say, who know better."""
        self._outcomes.now = now
        self._cool_until = max(self._cool_until, now + told.cooling)
        self._trips = told.trips
        if told.is_open:
            self._open(now, now + told.seconds, told.is_forced)
        elif self._outcomes.state != STATE_CLOSED:
            self._close(now - told.seconds)
        self._reckon()

    def cool(self, until: float) -> None:
        """Others were asked for a pause until then."""
        self._cool_until = max(self._cool_until, until)
        self._reckon()

    def force_open(self, now: float, seconds: float) -> None:
        """Let nobody through for so long, whatever comes of requests under way; a probe follows."""
        self._open(now, now + seconds, True)
        self._reckon()

    def reset(self, now: float) -> None:
        """As if nothing had ever happened; what is under way proves nothing any more."""
        self._close(-inf)
        self._outcomes.forget()
        self._trips = 0
        self._cool_until = -inf
        self._reckon()

    def forced_for(self, now: float) -> float:
        """Seconds for which an operator holds it open; 0 = nobody does."""
        is_forced = self._is_forced and self._outcomes.state == STATE_OPEN
        return max(0.0, self._open_until - now) if is_forced else 0.0

    def volume(self, now: float) -> tuple[int, int]:
        """Successes and failures that this process saw within the window."""
        return self._outcomes.volume(now)

    def _takes_part(self, now: float) -> bool:
        """Whether this request is among the share that is let through."""
        share = (now - self._closed_at) / self.settings.slow_start
        self._admitted += _FIRST_SHARE + (1 - _FIRST_SHARE) * max(0.0, share)
        if self._admitted < 1:
            return False
        self._admitted -= 1
        return True

    def _probe(self) -> Permit:
        if self._outcomes.state == STATE_OPEN:
            self._machine.half_open()
            self._generation += 1
            self._changed(self, Change.PROBING)
        self._probing = True
        self._grant_used = True
        return Permit(self, self._generation, True)

    def _cool(self, until: float) -> None:
        if until > self._cool_until:
            self._cool_until = until
            self._reckon()
            self._changed(self, Change.COOLED)

    def _fail(self) -> None:
        def raise_failure() -> None:
            raise _TargetFailed

        try:
            self._machine.call(raise_failure)
        except _TargetFailed as failed:
            # pybreaker's frames hold the error, and its traceback them; with it, all the request's frames would stay.
            failed.__traceback__ = None

    def _moved(self, now: float) -> None:
        """After pybreaker moved to another state."""
        self._transition()
        if self._outcomes.state == STATE_OPEN:
            doubled = self.settings.open_time * 2 ** min(self._trips, _LONGEST_DOUBLING)
            self._trips += 1
            wait = min(doubled, self.settings.longest_open_time) * (0.8 + 0.4 * self._jitter())
            self._open_until, self._is_forced, self._wanted_at = now + wait, False, now
        else:
            self._trips = 0
            self._closed_at = now
        self._reckon()
        self._changed(self, Change.MOVED)

    def _open(self, now: float, until: float, is_forced: bool) -> None:
        self._machine.open()
        self._transition()
        self._open_until, self._is_forced, self._wanted_at = until, is_forced, now

    def _close(self, since: float) -> None:
        self._machine.close()
        self._transition()
        self._closed_at = since

    def _transition(self) -> None:
        self._generation += 1
        self._probing = False
        self._granted_until = self._ask_from = -inf
        self._grant_used = True
        self._admitted = 1.0  # so that the first request after closing is let through

    def _reckon(self) -> None:
        if self._outcomes.state != STATE_CLOSED:
            self._free_from = inf
        else:
            self._free_from = max(self._cool_until, self._closed_at + self.settings.slow_start)
