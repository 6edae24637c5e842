"""One try with everything it holds: its permit, its place at the target, its connection."""

from typing import NamedTuple

from proxy.dispatch.attempt import Attempt
from proxy.dispatch.capacity import Capacity
from proxy.dispatch.targets import Traffic
from proxy.errors import UpstreamFault, Verdict
from proxy.routing.breaker import Permit
from proxy.telemetry.clocks import Clocks

_HEALTHY_AFTER_SECONDS = 10.0
_NEVER = float("inf")
# Looked up once: in an enum's class that costs as much as four function calls.
_SUCCESS, _NONE = Verdict.SUCCESS, Verdict.NONE


class Left(NamedTuple):
    """A candidate that gave no answer, and why; `was_asked` is False where it was passed over."""

    fault: UpstreamFault
    was_asked: bool


class Served:
    """A try, from the moment it was let in. Once its attempt has committed, whoever relays it reports how it ended; in
    any case it is closed, and that gives everything back."""

    __slots__ = ("_capacity", "_clocks", "_healthy_at", "_is_closed", "_permit", "_traffic", "attempt")

    def __init__(
        self, attempt: Attempt, permit: Permit, capacity: Capacity | None, traffic: Traffic, clocks: Clocks
    ) -> None:
        """`capacity`: where a place has been taken for it, if the target has a limit."""
        self.attempt = attempt
        self._permit = permit
        self._capacity = capacity
        self._traffic = traffic
        self._clocks = clocks
        self._healthy_at = _NEVER
        self._is_closed = False
        traffic.in_flight += 1

    def committed(self, now: float) -> None:
        """The attempt reached its commit point."""
        self._healthy_at = now + _HEALTHY_AFTER_SECONDS

    def flowing(self, now: float) -> None:
        """Content came; after ten healthy seconds the breaker need not wait for the end to hear of it."""
        if now >= self._healthy_at:
            self._healthy_at = _NEVER
            self._permit.report(_SUCCESS, now)

    def succeeded(self) -> None:
        self._permit.report(_SUCCESS, self._clocks.monotonic())

    def broke(self, fault: UpstreamFault) -> None:
        self._permit.report(fault.verdict, self._clocks.monotonic(), fault.retry_after)

    def close(self) -> None:
        """A permit nobody reported on was a departed client's, or a loser's: neutral."""
        if self._is_closed:
            return
        self._is_closed = True
        self._permit.report(_NONE, self._clocks.monotonic())
        self._traffic.in_flight -= 1
        if self._capacity is not None:
            self._capacity.release()
        self.attempt.close()
