"""The breaker of a credential: three refusals in a row, whichever targets they came from, and nobody is asked with it
for a while; a success of any of them, and it is trusted again. None of that says anything about a target's health."""

from collections.abc import Callable

from proxy.errors import Verdict
from proxy.routing.breaker import STATES, Breaker, BreakerSettings, Change, Permit

_CLOSED = STATES[0]
_NEVER = 2**62
# Only the run counts. A key that was revoked, or an account without money, stays so for a while; but whoever has put
# that right does not want to wait for long. Times in seconds.
_SETTINGS = BreakerSettings(
    consecutive_failures=3,
    minimum_volume=_NEVER,
    open_time=30.0,
    longest_open_time=60.0,
    success_threshold=1,
    slow_start=0.0,
)


class CredentialBreaker(Breaker):
    """`sound`: there was no refusal since the last success. While it is, nobody needs a permit of this one."""

    sound = True

    def __init__(
        self,
        jitter: Callable[[], float],
        changed: Callable[[Breaker, Change], None],
        may_probe: Callable[[Breaker], bool],
    ) -> None:
        super().__init__(_SETTINGS, jitter, changed, may_probe)

    def hear(self, verdict: Verdict, now: float, beside: Permit | None) -> None:
        """What became of an attempt with this credential. `beside`: the probe that it was."""
        if verdict is Verdict.CREDENTIAL and beside is not None:
            beside.report(Verdict.FAILURE, now)
        elif verdict is Verdict.CREDENTIAL and self.state == _CLOSED:
            self.settle(self._generation, False, Verdict.FAILURE, now, None)
        elif verdict is Verdict.SUCCESS:
            self._trust(now)
        elif beside is not None:
            beside.report(Verdict.NONE, now)
        self._reckon()

    def _trust(self, now: float) -> None:
        """Also when the success is that of a request begun before the refusals: one that was accepted at one target may
        be refused at another, and the first is not to suffer for that."""
        was_closed = self.state == _CLOSED
        self._outcomes.now = now
        self._close(now)
        self._trips = 0
        if not was_closed:
            self._reckon()
            self._changed(self, Change.MOVED)

    def _reckon(self) -> None:
        super()._reckon()
        self.sound = self.state == _CLOSED and not self._outcomes.run
