"""Metric families kept as plain numbers: counting one thing costs a dictionary access. prometheus-client renders them
when it is scraped; its own children cost ten times as much per request."""

from bisect import bisect_left
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

Labels = tuple[str, ...]


class Count:
    """A counter. `values` by label values, in the order of `labels`."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.values: dict[Labels, float] = {}
        self._head = (name, meaning, labels)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + amount

    def family(self) -> Metric:
        name, meaning, labels = self._head
        family = CounterMetricFamily(name, meaning, labels=labels)
        for values, number in self.values.items():
            family.add_metric(values, number)
        return family


class Level:
    """A gauge."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.values: dict[Labels, float] = {}
        self._head = (name, meaning, labels)
        if not labels:
            self.values[()] = 0.0

    def set(self, *labels: str, level: float) -> None:
        self.values[labels] = level

    def shift(self, by: float, *labels: str) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + by

    def family(self) -> Metric:
        name, meaning, labels = self._head
        family = GaugeMetricFamily(name, meaning, labels=labels)
        for values, number in self.values.items():
            family.add_metric(values, number)
        return family


class Row:
    """One series of a distribution: how many observations fell below each bound (not cumulated), and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Distribution:
    """A histogram with fixed bounds, in seconds."""

    def __init__(self, name: str, meaning: str, bounds: Iterable[float], *labels: str) -> None:
        self.rows: dict[Labels, Row] = {}
        self._bounds = tuple(bounds)
        self._head = (name, meaning, labels)

    def row(self, *labels: str) -> Row:
        """The series to observe on; hold on to it where it is used often."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = Row(self._bounds)
        return row

    def family(self) -> Metric:
        name, meaning, labels = self._head
        family = HistogramMetricFamily(name, meaning, labels=labels)
        for values, row in self.rows.items():
            buckets, seen = [], 0
            for bound, count in zip((*map(str, map(float, self._bounds)), "+Inf"), row.counts, strict=True):
                seen += count
                buckets.append((bound, float(seen)))
            family.add_metric(values, buckets, row.total)
        return family
