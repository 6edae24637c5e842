"""Metric families kept as plain numbers: counting one thing costs a dictionary access. The families of one process are
captured as msgpack; `merging` sums them over processes and renders them. prometheus-client's own children cost ten
times as much per request, and know of one process only."""

import os
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Literal

import msgspec

Labels = tuple[str, ...]
Merge = Literal["sum", "max"]


@dataclass(slots=True)
class Count:
    """A counter. `values` by label values, in the order of `labels`; without labels it is 0 from the start, so that
    Prometheus sees the first step."""

    name: str
    meaning: str
    labels: Labels = ()
    values: dict[Labels, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels:
            self.values.setdefault((), 0.0)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + amount

    @property
    def shape(self) -> tuple[object, ...]:
        """What must agree before two of one name can be merged."""
        return ("counter", self.labels)


@dataclass(slots=True)
class Level:
    """A gauge. `merge`: what one figure for several processes is, their sum or the highest among them."""

    name: str
    meaning: str
    labels: Labels = ()
    values: dict[Labels, float] = field(default_factory=dict)
    merge: Merge = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.labels:
            self.values.setdefault((), 0.0)

    def set(self, *labels: str, level: float) -> None:
        self.values[labels] = level

    def shift(self, by: float, *labels: str) -> None:
        self.values[labels] = self.values.get(labels, 0.0) + by

    @property
    def shape(self) -> tuple[object, ...]:
        return ("gauge", self.labels, self.merge)


@dataclass(slots=True)
class Row:
    """One series of a distribution: how many observations fell below each bound (not cumulated), and their sum.
    `exemplars` by bucket: the id of the last request that named itself there, and what was observed."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0
    exemplars: dict[int, tuple[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.counts:
            self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def observe_request(self, value: float, request_id: str) -> None:
        """As `observe`, with the request as the bucket's exemplar."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        self.exemplars[bucket] = (request_id, value)


@dataclass(slots=True)
class Distribution:
    """A histogram with fixed bounds, in seconds."""

    name: str
    meaning: str
    bounds: tuple[float, ...]
    labels: Labels = ()
    rows: dict[Labels, Row] = field(default_factory=dict)

    def row(self, *labels: str) -> Row:
        """The series to observe on; hold on to it where it is used often."""
        row = self.rows.get(labels)
        if row is None:
            row = self.rows[labels] = Row(self.bounds)
        return row

    @property
    def shape(self) -> tuple[object, ...]:
        return ("histogram", self.labels, self.bounds)


class Captured(msgspec.Struct):
    """Everything one process has counted until now, by family name. `incarnation` tells it from every other process,
    also from one of the same name or process id."""

    incarnation: str
    counts: dict[str, Count]
    levels: dict[str, Level]
    distributions: dict[str, Distribution]


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Captured).decode


class Families:
    """The families of one process: whatever series a subclass has as attributes."""

    def __init__(self) -> None:
        self._incarnation = os.urandom(8).hex()

    def capture(self) -> bytes:
        """All families with their values, for `MergedMetrics.pushed`."""
        captured = Captured(self._incarnation, {}, {}, {})
        for series in vars(self).values():
            match series:
                case Count():
                    captured.counts[series.name] = series
                case Level():
                    captured.levels[series.name] = series
                case Distribution():
                    captured.distributions[series.name] = series
        return _encode(captured)
