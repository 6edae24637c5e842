"""Whether one place of the store is asked at all, after how it did last. Pure but for the breakers' own state."""

from collections.abc import Callable
from typing import NamedTuple

from proxy.errors import Verdict
from proxy.routing.breaker import STATES, Breaker, BreakerSettings, Permit
from proxy.store.down import Kind, kind_of, says_ill_health
from proxy.store.scripts import Script

# One failure is enough: no second request pays for learning what is known. Times in seconds.
_SETTINGS = BreakerSettings(
    consecutive_failures=1, open_time=0.1, longest_open_time=0.5, success_threshold=1, slow_start=0.0
)
_CLOSED = STATES[0]
_NO_WRITES: tuple[Kind, ...] = ("full", "read_only")


class Pass(NamedTuple):
    """The right to ask once; `writes` None: this call tells nothing about writing."""

    answers: Permit
    writes: Permit | None


class Gate:
    """Two breakers. One opens when the server does not answer; then nothing is asked. The other opens when it answers
    but takes no writes; then only what does not write, or may even then, is asked. Callers pass while they are closed;
    at half-open, only who watches the recovery may probe."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._answers = Breaker(_SETTINGS, jitter)
        self._writes = Breaker(_SETTINGS, jitter)
        self.kind: Kind = "refused"  # of the latest failure
        self.in_doubt = False  # an outcome proved nothing, and somebody should look

    @property
    def is_open(self) -> bool:
        return self._answers.state != _CLOSED or self._writes.state != _CLOSED

    def enter(self, script: Script | None, now: float) -> Pass | None:
        """None: do not ask. `script` None is a command that only reads."""
        if self._answers.state != _CLOSED:
            return None
        writes = None
        if script is not None and script.writes:
            if self._writes.state == _CLOSED:
                writes = self._writes.acquire(now)
            elif not (self.kind == "full" and script.runs_when_full):
                return None
        answers = self._answers.acquire(now)
        return Pass(answers, writes) if answers is not None else None

    def probe_in(self, now: float) -> float:
        """Seconds until `probe` may be called."""
        return max(self._answers.retry_in(now), self._writes.retry_in(now))

    def probe(self, now: float) -> Pass | None:
        """For the one who probes, with a script that is refused wherever writes are."""
        answers = self._answers.acquire(now)
        return Pass(answers, self._writes.acquire(now)) if answers is not None else None

    def succeeded(self, entered: Pass, now: float) -> None:
        entered.answers.report(Verdict.SUCCESS, now)
        if entered.writes is not None:
            entered.writes.report(Verdict.SUCCESS, now)
        self.in_doubt = False

    def failed(self, entered: Pass, error: Exception, now: float, is_probe: bool = False) -> bool:
        """The server failed, or said that it does not do this; a probe itself is never what is wrong. Returns whether
        another server should be looked for."""
        kind = kind_of(error)
        if not is_probe and not says_ill_health(error):
            answers = writes = Verdict.NONE
        elif kind in _NO_WRITES:
            answers, writes = Verdict.SUCCESS, Verdict.FAILURE
        else:
            answers, writes = Verdict.FAILURE, Verdict.NONE
        if Verdict.FAILURE in (answers, writes):
            self.kind = kind
            self.in_doubt = False
        entered.answers.report(answers, now)
        if entered.writes is not None:
            entered.writes.report(writes, now)
        return answers is Verdict.FAILURE or kind == "read_only"

    def proved_nothing(self, entered: Pass, now: float) -> None:
        """Too little time was given, or this process was late itself."""
        self.in_doubt = True
        self.leave(entered, now)

    def leave(self, entered: Pass, now: float) -> None:
        """After this the next one may enter, whatever was or was not told of this one."""
        entered.answers.report(Verdict.NONE, now)
        if entered.writes is not None:
            entered.writes.report(Verdict.NONE, now)
