"""What Prometheus is shown: one figure per series, over every process there is and has been.

Counters and histograms are kept as running sums that grow by what each push adds to its process's last one. They are
never summed anew when a process comes or goes: floats added in another order may come out lower, and Prometheus takes
any decrease for a restart and counts everything again."""

from collections.abc import Iterator

import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar

from proxy.telemetry.clocks import Clocks
from proxy.telemetry.series import Captured, Count, Distribution, Labels, Level, Row, decode

_Bucket = tuple[str, float] | tuple[str, float, Exemplar]
_ENDED_REMEMBERED = 64
_NO_VALUES: dict[Labels, float] = {}
_NO_ROWS: dict[Labels, Row] = {}


class MergedMetrics:
    """The sum over processes; a collector for prometheus-client. A process may be called anything, and a later one the
    same. Pushes of one process arrive in the order of their captures."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._counts: dict[str, Count] = {}
        self._levels: dict[str, Level] = {}  # what they are called; their values are those of `_live`
        self._distributions: dict[str, Distribution] = {}
        self._exemplars: dict[tuple[str, Labels, int], Exemplar] = {}  # by family, series, bucket
        self._live: dict[str | int, Captured] = {}
        self._ended: dict[str, Captured] = {}  # by incarnation

    def pushed(self, worker: str | int, captured: bytes) -> None:
        """`captured`: a process's `capture()`. What it adds to the one before is counted, also when it arrives after
        the process has ended. Raises ValueError, and counts nothing, when it cannot be read or when a family is not
        what other processes call by that name."""
        capture = decode(captured)
        self._check(capture)
        last = self._ended.get(capture.incarnation)
        if last is not None:
            self._ended[capture.incarnation] = capture
        else:
            last = self._live.get(worker)
            if last is not None and last.incarnation != capture.incarnation:
                self.ended(worker)
                last = None
            self._live[worker] = capture
        self._grow(capture, last)

    def ended(self, worker: str | int) -> None:
        """The process is gone: its gauges go, its counts stay. To be called when nothing more of it is to come, and
        before the next of its name pushes."""
        capture = self._live.pop(worker, None)
        if capture is None:
            return
        self._ended[capture.incarnation] = capture
        if len(self._ended) > _ENDED_REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's collector protocol; a histogram's buckets carry their exemplars."""
        for count in self._counts.values():
            counter = CounterMetricFamily(count.name, count.meaning, labels=count.labels)
            for labels, value in count.values.items():
                counter.add_metric(labels, value)
            yield counter
        for level in self._levels.values():
            gauge = GaugeMetricFamily(level.name, level.meaning, labels=level.labels)
            for labels, value in self._merged(level).items():
                gauge.add_metric(labels, value)
            yield gauge
        for distribution in self._distributions.values():
            histogram = HistogramMetricFamily(distribution.name, distribution.meaning, labels=distribution.labels)
            for labels, row in distribution.rows.items():
                histogram.add_metric(labels, self._buckets(distribution.name, labels, row), row.total)
            yield histogram

    def _check(self, capture: Captured) -> None:
        known = self._counts | self._levels | self._distributions
        for name, series in (capture.counts | capture.levels | capture.distributions).items():
            if name in known and series.shape != known[name].shape:
                raise ValueError(
                    f"The metric {name} was pushed as {series.shape}, but other processes have it as "
                    f"{known[name].shape}. All must run the same version."
                )

    def _grow(self, capture: Captured, last: Captured | None) -> None:
        for name, count in capture.counts.items():
            if name not in self._counts:
                self._counts[name] = Count(name, count.meaning, count.labels)
            known, before = self._counts[name], last.counts[name].values if last else _NO_VALUES
            for labels, value in count.values.items():
                known.add(*labels, amount=max(0.0, value - before.get(labels, 0.0)))
        for name, level in capture.levels.items():
            self._levels.setdefault(name, level)
        for name, distribution in capture.distributions.items():
            self._grow_rows(distribution, last.distributions[name].rows if last else _NO_ROWS)

    def _grow_rows(self, pushed: Distribution, before: dict[Labels, Row]) -> None:
        if pushed.name not in self._distributions:
            self._distributions[pushed.name] = Distribution(pushed.name, pushed.meaning, pushed.bounds, pushed.labels)
        known = self._distributions[pushed.name]
        for labels, row in pushed.rows.items():
            old = before.get(labels) or Row(pushed.bounds)
            if row == old:
                continue
            total = known.row(*labels)
            for bucket, (now, then) in enumerate(zip(row.counts, old.counts, strict=True)):
                total.counts[bucket] += max(0, now - then)
            total.total += max(0.0, row.total - old.total)
            for bucket, exemplar in row.exemplars.items():
                if exemplar != old.exemplars.get(bucket):
                    self._exemplars[pushed.name, labels, bucket] = self._exemplar(*exemplar)

    def _exemplar(self, request_id: str, value: float) -> Exemplar:
        # The moment of the push stands for that of the observation, which thus needs no clock; and as all pushes go by
        # this one clock, a bucket's exemplars come in order of time, without which Prometheus refuses them.
        return Exemplar({"request_id": request_id}, value, self._clocks.wall())

    def _merged(self, level: Level) -> dict[Labels, float]:
        merged: dict[Labels, float] = {}
        for capture in self._live.values():
            if level.name not in capture.levels:
                continue
            for labels, value in capture.levels[level.name].values.items():
                if labels not in merged:
                    merged[labels] = value
                elif level.merge == "sum":
                    merged[labels] += value
                else:
                    merged[labels] = max(merged[labels], value)
        return merged

    def _buckets(self, name: str, labels: Labels, row: Row) -> list[_Bucket]:
        buckets: list[_Bucket] = []
        seen = 0
        for bucket, (bound, count) in enumerate(zip((*map(str, row.bounds), "+Inf"), row.counts, strict=True)):
            seen += count
            exemplar = self._exemplars.get((name, labels, bucket))
            buckets.append((bound, float(seen), exemplar) if exemplar else (bound, float(seen)))
        return buckets


def exposition(merged: MergedMetrics, is_openmetrics: bool = False) -> bytes:
    """Prometheus' text format (`text/plain; version=0.0.4; charset=utf-8`), or OpenMetrics 1.0 with exemplars
    (`application/openmetrics-text; version=1.0.0; charset=utf-8`)."""
    if is_openmetrics:
        rendered: bytes = openmetrics.generate_latest(merged)  # type: ignore[no-untyped-call]
        return rendered
    return prometheus_client.generate_latest(merged)
