"""What this process knows of its targets beside their health, by target name; it survives a change of configuration."""

import sys
from collections.abc import Iterable

from proxy.dispatch.capacity import Capacity
from proxy.routing.candidates import Target
from proxy.routing.latency import PeakEwma, Quantile
from proxy.routing.retry_budget import Allowance, RetryBudget
from proxy.routing.selection import Load
from proxy.routing.settings import Concurrency
from proxy.telemetry.clocks import Clocks

_ANY_NUMBER = Concurrency(sys.maxsize)


class Traffic:
    """One target's: what runs there, what more it may be sent, and how long it takes to its first content. The last is
    measured from when somebody first asks for it."""

    __slots__ = ("allowance", "budget", "capacity", "first_content", "in_flight", "latency")

    def __init__(self) -> None:
        self.in_flight = 0
        self.budget = RetryBudget()
        self.allowance = Allowance()
        self.capacity: Capacity | None = None
        self.latency: PeakEwma | None = None
        self.first_content: Quantile | None = None

    def took(self, seconds: float, now: float, *, is_stream: bool) -> None:
        """An attempt reached its first content, or was given up, after so many seconds; of an answer that is no stream,
        that is all of it."""
        if self.latency is not None:
            self.latency.observe(seconds, now)
        if self.first_content is not None and is_stream:
            self.first_content.observe(seconds)

    def p95(self) -> float | None:
        """Within how many seconds 95 % of the answers began; None while too few are known."""
        if self.first_content is None:
            self.first_content = Quantile()
        return self.first_content.p95()


class Targets:
    def __init__(self, clocks: Clocks, share: int = 1) -> None:
        """`share`: how many processes divide the targets' limits among them."""
        self._clocks = clocks
        self._share = share
        self._by_name: dict[str, Traffic] = {}
        self._kept: frozenset[str] | None = None

    def of(self, target: Target) -> Traffic:
        """Made when first asked for."""
        return self._by_name.get(target.name) or self._made(target)

    def _made(self, target: Target) -> Traffic:
        traffic = self._by_name[target.name] = Traffic()
        self._limit(traffic, target.concurrency)
        return traffic

    def _limit(self, traffic: Traffic, concurrency: Concurrency | None) -> None:
        if concurrency is None:
            if traffic.capacity is not None:
                traffic.capacity.adopt(_ANY_NUMBER)  # whoever waits there need not any more
            traffic.capacity = None
        elif traffic.capacity is None:
            traffic.capacity = Capacity(concurrency, self._share)
        elif traffic.capacity.settings != concurrency:
            traffic.capacity.adopt(concurrency)

    def load(self, target: Target) -> Load:
        """What choosing among targets goes by."""
        traffic = self.of(target)
        if traffic.latency is None:
            traffic.latency = PeakEwma()
        return Load(traffic.in_flight, traffic.latency.value(self._clocks.monotonic()))

    def keep(self, targets: Iterable[Target]) -> None:
        """These are all there are, with these limits. All others are forgotten: they were taken out of the
        configuration."""
        kept = {target.name: target for target in targets}
        for name in self._by_name.keys() - kept.keys():
            del self._by_name[name]
        for name, traffic in self._by_name.items():
            self._limit(traffic, kept[name].concurrency)
        self._kept = frozenset(kept)

    def in_flight(self) -> dict[str, int]:
        """Target name -> attempts that run there, for the gauge."""
        return {name: traffic.in_flight for name, traffic in self._current()}

    def queued(self) -> dict[str, int]:
        """Target name -> requests that wait for a place there, for the gauge; only of targets that have a limit."""
        return {name: traffic.capacity.queued for name, traffic in self._current() if traffic.capacity is not None}

    def _current(self) -> Iterable[tuple[str, Traffic]]:
        return [pair for pair in self._by_name.items() if self._kept is None or pair[0] in self._kept]
