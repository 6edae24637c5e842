"""The breakers of this process: one per target, one per credential. They survive a change of configuration."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Protocol

from proxy.errors import Cause, UpstreamFault, Verdict
from proxy.routing.breaker import STATES, Breaker, Change, Objection, Permit
from proxy.routing.candidates import Target
from proxy.routing.credentials import CredentialBreaker
from proxy.routing.standing import CREDENTIAL, BreakerRow
from proxy.telemetry.clocks import Clocks

_HALF_OPEN = STATES[1]
_SOON = 0.1  # seconds
_TOLD = {
    "breaker_open": (Cause.BREAKER_OPEN, "The target's breaker is open."),
    "forced_open": (Cause.BREAKER_OPEN, "An operator holds the target's breaker open."),
    "probe_pending": (Cause.BREAKER_OPEN, "The target's breaker is being probed."),
    "slow_start": (Cause.BREAKER_OPEN, "The target has only just recovered and is spared some of its requests."),
    "cooling_down": (Cause.RATE_LIMITED, "The provider asked for a pause."),
    "credential_rejected": (Cause.CREDENTIAL_REJECTED, "The provider rejected the target's credential."),
}


class Fleet(Protocol):
    """The other processes that mind the same targets, reached in the background. Nothing of it waits."""

    def may_probe(self, name: str) -> bool:
        """Whether this process need not ask for leave. If it must, that is being asked for now."""

    def changed(self, name: str, change: Change) -> None:
        """This may be worth telling."""

    def ordered(self, name: str) -> None:
        """Somebody forced it open, or reset it; that counts whatever others say."""

    def kept(self) -> None:
        """Breakers came or went."""


class Breakers:
    """`NAME` in what follows: a target's name, or `credential:LABEL`."""

    def __init__(
        self,
        clocks: Clocks,
        jitter: Callable[[], float],
        moved: Callable[[str, str], None] = lambda name, state: None,
    ) -> None:
        """`jitter` returns a number in [0, 1). `moved` is told the name and the state whenever outcomes that this
        process saw bring a breaker to another one."""
        self._clocks = clocks
        self._jitter = jitter
        self._moved = moved
        self._fleet: Fleet | None = None
        self._by_target: dict[str, Breaker] = {}
        self._by_credential: dict[str, CredentialBreaker] = {}
        self._labels: dict[str, str] = {}  # target -> credential
        self._headers: dict[str, tuple[tuple[str, str], ...]] = {}  # credential -> what it was sent as
        self._kept: frozenset[str] | None = None

    def of(self, target: Target) -> Breaker:
        """The target's breaker, made when first asked for."""
        return self._by_target.get(target.name) or self._made(target)

    def acquire(self, target: Target, *, is_last: bool = False) -> Permit | None:
        """Leave for one attempt, to be reported; None: not now, and `refusal` says why. `is_last`: nobody else is left
        to ask, so a slow start does not hold it up."""
        breaker = self.of(target)
        now = self._clocks.monotonic()
        credential = breaker.credential
        if credential is None or credential.sound:
            return breaker.acquire(now, is_last)
        return self._doubted(breaker, self._credential(target), now, is_last)

    def refusal(self, target: Target) -> UpstreamFault:
        """Why `acquire` gave no permit just now; `retry_after`: seconds until it may give one. `detail`: breaker_open,
        forced_open, probe_pending, slow_start, cooling_down, credential_rejected."""
        now = self._clocks.monotonic()
        health = self.of(target).objection(now)
        credential = self._credential(target)
        rejected = _of_credential(credential, now)
        detail, wait = rejected or health or Objection("probe_pending", _SOON)  # the last: whatever it was is over
        if rejected is not None and health is not None:
            wait = max(wait, health.wait)
        cause, message = _TOLD[detail]
        if rejected is not None and not credential.retry_in(now):
            # It is about to be found out whether it is accepted again: as worth waiting for as at a target's breaker.
            cause = Cause.BREAKER_OPEN
        return UpstreamFault(cause, message, detail=detail, retry_after=wait)

    def keep(self, targets: Iterable[Target]) -> None:
        """These are all there are. Those of all others are forgotten: they were taken out of the configuration. Changed
        settings, or another credential, make a new one; a credential that was changed is trusted again."""
        kept = {target.name: target for target in targets}
        for target in kept.values():
            if self.of(target).settings != target.breaker or self._labels[target.name] != target.credential:
                self._made(target)
            self._renew(target)
        self._kept = frozenset(kept)
        for name in self._by_target.keys() - self._kept:
            del self._by_target[name], self._labels[name]
        for label in self._by_credential.keys() - set(self._labels.values()):
            del self._by_credential[label], self._headers[label]
        if self._fleet is not None:
            self._fleet.kept()

    def table(self) -> list[BreakerRow]:
        """All that the configuration has: the targets', then the credentials'. Without those that only requests begun
        under an earlier one still ask for."""
        return [self._row(name, breaker) for name in self.names() if (breaker := self.named(name)) is not None]

    def force_open(self, name: str, seconds: float) -> bool:
        """Let nobody through for so long. The fleet is told. False: there is no breaker of this name."""
        breaker = self.named(name)
        if breaker is None:
            return False
        breaker.force_open(self._clocks.monotonic(), seconds)
        self._order(name)
        return True

    def reset(self, name: str) -> bool:
        """Close it and forget all it knows, of a target also what its credential's knows. The fleet is told. False:
        there is no breaker of this name."""
        breaker = self.named(name)
        if breaker is None:
            return False
        breaker.reset(self._clocks.monotonic())
        self._order(name)
        return name not in self._labels or self.reset(CREDENTIAL + self._labels[name])

    def named(self, name: str) -> Breaker | None:
        """The breaker of this name, if there is one."""
        if name in self._by_target:
            return self._by_target[name]
        return self._by_credential.get(name.removeprefix(CREDENTIAL)) if name.startswith(CREDENTIAL) else None

    def names(self) -> list[str]:
        """Of all breakers that the configuration has."""
        shown = list(self._shown())
        return [*shown, *(CREDENTIAL + label for label in dict.fromkeys(self._labels[name] for name in shown))]

    def share(self, fleet: Fleet | None) -> None:
        """From now on; None: with nobody."""
        self._fleet = fleet

    def _shown(self) -> Iterator[str]:
        return (name for name in self._by_target if self._kept is None or name in self._kept)

    def _credential(self, target: Target) -> CredentialBreaker:
        return self._by_credential[self._labels[target.name]]

    def _made(self, target: Target) -> Breaker:
        name, label = target.name, target.credential
        credential = self._by_credential.get(label)
        if credential is None:
            credential = CredentialBreaker(self._jitter, *self._hooks(CREDENTIAL + label))
            self._by_credential[label] = credential
            self._headers[label] = target.headers
        breaker = Breaker(target.breaker, self._jitter, *self._hooks(name))
        self._by_target[name] = breaker
        breaker.credential = credential
        self._labels[name] = label
        return breaker

    def _renew(self, target: Target) -> None:
        label = target.credential
        if self._headers[label] != target.headers:
            self._headers[label] = target.headers
            self.reset(CREDENTIAL + label)

    def _hooks(self, name: str) -> tuple[Callable[[Breaker, Change], None], Callable[[Breaker], bool]]:
        return partial(self._changed, name), partial(self._may_probe, name)

    def _changed(self, name: str, breaker: Breaker, change: Change) -> None:
        if self.named(name) is not breaker:  # of an earlier configuration
            return
        if change is Change.MOVED or change is Change.PROBING:
            self._moved(name, breaker.state)
        if self._fleet is not None:
            self._fleet.changed(name, change)

    def _order(self, name: str) -> None:
        if self._fleet is not None:
            self._fleet.ordered(name)

    def _may_probe(self, name: str, breaker: Breaker) -> bool:
        return self._fleet is None or self.named(name) is not breaker or self._fleet.may_probe(name)

    def _doubted(self, breaker: Breaker, credential: CredentialBreaker, now: float, is_last: bool) -> Permit | None:
        """The credential was refused of late, so its breaker is asked, too."""
        beside = credential.acquire(now)
        permit = breaker.acquire(now, is_last) if beside is not None else None
        if beside is not None and beside.is_probe:
            if permit is None:
                beside.report(Verdict.NONE, now)
            else:
                permit.beside = beside
        return permit

    def _row(self, name: str, breaker: Breaker) -> BreakerRow:
        now = self._clocks.monotonic()
        objection = _of_credential(breaker, now) if name not in self._by_target else breaker.objection(now)
        successes, failures = breaker.volume(now)
        forced = breaker.forced_for(now)
        return BreakerRow(
            target=name,
            state=breaker.state,
            detail=objection.detail if objection is not None else "",
            retry_in=objection.wait if objection is not None else 0.0,
            failures=failures,
            successes=successes,
            forced_until=self._clocks.wall() + forced if forced else None,
            credential=self._labels.get(name, ""),
        )


def _of_credential(credential: Breaker, now: float) -> Objection | None:
    objection = credential.objection(now)
    if objection is None or objection.detail == "forced_open":
        return objection
    return objection._replace(detail="credential_rejected")
