"""The breakers of this process, one per target name; they survive a change of configuration."""

from collections.abc import Callable, Iterable

from proxy.routing.breaker import Breaker, Permit
from proxy.routing.candidates import Target
from proxy.telemetry.clocks import Clocks


class Breakers:
    def __init__(self, clocks: Clocks, jitter: Callable[[], float]) -> None:
        self._clocks = clocks
        self._jitter = jitter
        self._by_target: dict[str, Breaker] = {}
        self._kept: frozenset[str] | None = None

    def of(self, target: Target) -> Breaker:
        """The target's breaker, made when first asked for. Changed settings make a new one."""
        breaker = self._by_target.get(target.name)
        if breaker is None or (breaker.settings is not target.breaker and breaker.settings != target.breaker):
            breaker = self._by_target[target.name] = Breaker(target.breaker, self._jitter)
        return breaker

    def acquire(self, target: Target) -> Permit | None:
        return self.of(target).acquire(self._clocks.monotonic())

    def keep(self, targets: Iterable[Target]) -> None:
        """Forget those of all other targets: they were taken out of the configuration."""
        self._kept = frozenset(target.name for target in targets)
        for name in self._by_target.keys() - self._kept:
            del self._by_target[name]

    def states(self) -> dict[str, str]:
        """Target name -> closed | open | half-open, for the gauge; without those that only requests begun under an
        earlier configuration still ask for."""
        return {
            name: breaker.state for name, breaker in self._by_target.items() if self._kept is None or name in self._kept
        }
