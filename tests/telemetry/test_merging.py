"""The sum over workers: exact, never lower than it was, and without the dead where the living are meant."""

import math
from collections import deque
from itertools import count

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from proxy.telemetry.clocks import Clocks
from proxy.telemetry.merging import MergedMetrics, exposition
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.series import Count, Distribution, Families, Level
from tests.telemetry.test_metrics import used, used_master

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Worker(Families):
    """One family of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = Count("ended", "Ended", ("route",))
        self.busy = Level("busy", "Busy", merge="sum")
        self.worst = Level("worst", "Worst", ("target",), merge="max")
        self.seconds = Distribution("seconds", "Seconds", (1.0, 10.0), ("route",))


def merged_metrics() -> MergedMetrics:
    return MergedMetrics(Clocks(wall=lambda: 1700000000.5))


def figures(merged: MergedMetrics) -> Figures:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in merged.collect()
        for sample in family.samples
    }


def counters(merged: MergedMetrics) -> Figures:
    """What may only rise."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in merged.collect()
        if family.type != "gauge"
        for sample in family.samples
    }


def exemplars(merged: MergedMetrics) -> dict[tuple[str, str], tuple[str, float, float]]:
    """Those of the rendered OpenMetrics text, by sample and bucket: request, value, unix seconds."""
    text = exposition(merged, is_openmetrics=True).decode()
    return {
        (sample.name, sample.labels["le"]): told(sample.exemplar)
        for family in openmetrics_families(text)
        for sample in family.samples
        if sample.exemplar
    }


def told(exemplar: Exemplar) -> tuple[str, float, float]:
    assert exemplar.timestamp is not None
    return exemplar.labels["request_id"], exemplar.value, float(exemplar.timestamp)


def test_workers_are_summed_and_the_worst_is_shown():
    merged, first, second = merged_metrics(), Worker(), Worker()
    for worker, number in ((first, 1), (second, 2)):
        worker.ended.add("a", amount=number)
        worker.busy.set(level=number)
        worker.worst.set("t", level=number)
        worker.seconds.row("a").observe(number)
    first.ended.add("only")
    merged.pushed(1, first.capture())
    merged.pushed("two", second.capture())
    shown = figures(merged)
    assert shown["ended_total", (("route", "a"),)] == 3
    assert shown["ended_total", (("route", "only"),)] == 1
    assert shown["busy", ()] == 3
    assert shown["worst", (("target", "t"),)] == 2
    buckets = [shown["seconds_bucket", (("le", le), ("route", "a"))] for le in ("1.0", "10.0", "+Inf")]
    assert buckets == [1, 2, 2]
    assert shown["seconds_count", (("route", "a"),)] == 2
    assert shown["seconds_sum", (("route", "a"),)] == 3


def test_the_highest_may_be_below_zero():
    merged = merged_metrics()
    for name, level in (("a", -3), ("b", -2)):
        worker = Worker()
        worker.worst.set("t", level=level)
        merged.pushed(name, worker.capture())
    assert figures(merged)["worst", (("target", "t"),)] == -2


def test_a_push_counts_once_however_often_it_comes():
    merged, worker = merged_metrics(), Worker()
    worker.ended.add("a")
    worker.seconds.row("a").observe(0.3)
    for _ in range(3):
        merged.pushed(1, worker.capture())
    assert figures(merged)["ended_total", (("route", "a"),)] == 1
    assert figures(merged)["seconds_sum", (("route", "a"),)] == 0.3


def test_p05_not_even_captures_out_of_order_lower_a_sum():
    merged, worker = merged_metrics(), Worker()
    captures = []
    for _ in range(2):
        worker.ended.add("a")
        worker.seconds.row("a").observe(0.3)
        captures.append(worker.capture())
    merged.pushed(1, captures[1])
    before = counters(merged)
    merged.pushed(1, captures[0])
    assert counters(merged) == before


def test_p05_the_dead_keep_their_counts_and_lose_their_gauges():
    merged, worker = merged_metrics(), Worker()
    worker.ended.add("a", amount=5)
    worker.busy.set(level=4)
    merged.pushed(1, worker.capture())
    merged.ended(1)
    assert figures(merged) == {("ended_total", (("route", "a"),)): 5}
    successor = Worker()
    successor.ended.add("a", amount=9)
    merged.pushed(1, successor.capture())
    assert figures(merged)["ended_total", (("route", "a"),)] == 14
    assert figures(merged)["busy", ()] == 0
    merged.ended("never heard of")


def test_a_successor_ends_whom_nobody_ended():
    merged, worker, successor = merged_metrics(), Worker(), Worker()
    worker.ended.add("a", amount=5)
    worker.busy.set(level=4)
    merged.pushed(1, worker.capture())
    successor.ended.add("a", amount=9)
    merged.pushed(1, successor.capture())
    assert figures(merged)["ended_total", (("route", "a"),)] == 14
    assert figures(merged)["busy", ()] == 0


def test_a_dead_workers_late_push_counts_but_does_not_revive_it():
    merged, worker = merged_metrics(), Worker()
    worker.busy.set(level=1)
    worker.ended.add("a", amount=5)
    merged.pushed(1, worker.capture())
    worker.ended.add("a", amount=2)
    late = worker.capture()
    merged.ended(1)
    merged.pushed(1, late)
    assert figures(merged) == {("ended_total", (("route", "a"),)): 7}


def test_labels_that_vanish_from_a_gauge_vanish():
    merged, worker = merged_metrics(), Worker()
    worker.worst.values = {("a",): 1.0, ("b",): 2.0}
    merged.pushed(1, worker.capture())
    worker.worst.values = {("b",): 2.0}
    merged.pushed(1, worker.capture())
    assert [labels for name, labels in figures(merged) if name == "worst"] == [(("target", "b"),)]


def test_many_deaths_are_not_remembered_for_ever():
    merged = merged_metrics()
    for _ in range(200):
        worker = Worker()
        worker.ended.add("a")
        merged.pushed(1, worker.capture())
        merged.ended(1)
    assert figures(merged)["ended_total", (("route", "a"),)] == 200
    assert len(merged._ended) == 64
    merged.pushed(1, worker.capture())
    assert figures(merged)["ended_total", (("route", "a"),)] == 200


class Other(Families):
    def __init__(self, series: Count | Level | Distribution) -> None:
        super().__init__()
        self.ours = Count("ours", "Fine")
        self.series = series


@pytest.mark.parametrize(
    "series",
    [
        Count("ended", "Another label", ("target",)),
        Level("ended", "Another kind", ("route",), merge="sum"),
        Level("worst", "Another rule", ("target",), merge="sum"),
        Distribution("seconds", "Other bounds", (1.0, 20.0), ("route",)),
    ],
)
def test_a_family_of_another_shape_is_refused_whole(series: Count | Level | Distribution):
    merged, worker = merged_metrics(), Worker()
    worker.ended.add("a")
    merged.pushed(1, worker.capture())
    before = figures(merged)
    with pytest.raises(ValueError, match=rf"metric {series.name} .*same version"):
        merged.pushed(2, Other(series).capture())
    assert figures(merged) == before


@pytest.mark.parametrize("broken", [b"", b"\xc1", msgspec.msgpack.encode({"incarnation": "x"}), b"\x93\x01\x02\x03"])
def test_what_cannot_be_read_is_refused(broken: bytes):
    merged = merged_metrics()
    with pytest.raises(ValueError, match=r"."):
        merged.pushed(1, broken)
    assert figures(merged) == {}


def test_the_last_requests_are_the_exemplars():
    merged, first, second = merged_metrics(), Worker(), Worker()
    first.seconds.row("a").observe_request(0.5, "req_1")
    first.seconds.row("a").observe_request(0.6, "req_2")
    second.seconds.row("a").observe_request(99.0, "req_3")
    second.seconds.row("a").observe(5.0)
    merged.pushed(1, first.capture())
    merged.pushed(2, second.capture())
    by_bucket = exemplars(merged)
    assert by_bucket == {
        ("seconds_bucket", "1.0"): ("req_2", 0.6, 1700000000.5),
        ("seconds_bucket", "+Inf"): ("req_3", 99.0, 1700000000.5),
    }
    second.seconds.row("a").observe_request(0.7, "req_4")
    merged.pushed(2, second.capture())
    merged.pushed(1, first.capture())
    assert exemplars(merged)["seconds_bucket", "1.0"][0] == "req_4"
    merged.ended(2)
    assert exemplars(merged)["seconds_bucket", "1.0"][0] == "req_4"


def test_an_exemplar_keeps_the_time_it_came_with():
    ticking = count(1)
    merged, worker = MergedMetrics(Clocks(wall=lambda: float(next(ticking)))), Worker()
    worker.seconds.row("a").observe_request(0.5, "req_1")
    for _ in range(2):
        merged.pushed(1, worker.capture())
        assert exemplars(merged)["seconds_bucket", "1.0"] == ("req_1", 0.5, 1)
        worker.seconds.row("a").observe(5.0)
    worker.seconds.row("a").observe_request(0.5, "req_2")
    merged.pushed(1, worker.capture())
    assert exemplars(merged)["seconds_bucket", "1.0"] == ("req_2", 0.5, 2)


def test_exemplars_are_on_two_families_and_in_openmetrics_only():
    merged = merged_metrics()
    merged.pushed(1, used().capture())
    merged.pushed("master", used_master().capture())
    assert {name for name, _ in exemplars(merged)} == {
        "segue_request_duration_seconds_bucket",
        "segue_time_to_first_token_seconds_bucket",
    }
    assert b"req_1" not in exposition(merged)
    assert exposition(merged, is_openmetrics=True).endswith(b"\n# EOF\n")


def test_a_registry_renders_both_formats_alike():
    registry, merged = CollectorRegistry(), merged_metrics()
    registry.register(merged)
    assert (generate_latest(registry), generate_openmetrics(registry)) == (b"", b"# EOF\n")
    merged.pushed(1, used().capture())
    merged.pushed("master", used_master().capture())
    text, openmetrics = generate_latest(registry).decode(), generate_openmetrics(registry).decode()
    assert exposition(merged).decode() == text
    shown = [
        {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
        for families in (text_string_to_metric_families(text), openmetrics_families(openmetrics))
    ]
    assert shown[0] == shown[1]
    assert len(shown[0]) > 100


def test_a_capture_holds_what_was_counted_until_then():
    merged, metrics = merged_metrics(), Metrics()
    metrics.request_began()
    captured = metrics.capture()
    metrics.request_began()
    merged.pushed(1, captured)
    assert figures(merged)["segue_requests_in_flight", ()] == 1


class Fleet:
    """Two workers that count, push, die and are replaced, and the channels on which their pushes travel. A dead
    worker's channel still delivers what was on its way."""

    def __init__(self) -> None:
        self.merged = merged_metrics()
        self.workers = [Worker() for _ in range(2)]
        self.channels: list[list[deque[tuple[bytes, float, float]]]] = [[deque()] for _ in self.workers]
        self.delivered = [[(0.0, 0.0)] for _ in self.workers]  # by process: what its last delivered push said

    def push(self, name: int, amount: float) -> None:
        worker = self.workers[name]
        worker.ended.add("a", amount=float(int(amount)))
        worker.seconds.row("a").observe_request(amount, "req")
        figures = worker.ended.values["a",], worker.seconds.row("a").total
        self.channels[name][-1].append((worker.capture(), *figures))

    def deliver(self, name: int, which: float) -> None:
        """The next of one of the channels that hold something."""
        waiting = [number for number, channel in enumerate(self.channels[name]) if channel]
        if waiting:
            number = waiting[int(which) % len(waiting)]
            captured, ended, seconds = self.channels[name][number].popleft()
            self.merged.pushed(name, captured)
            self.delivered[name][number] = (ended, seconds)

    def replace(self, name: int, _: float) -> None:
        self.workers[name] = Worker()
        self.channels[name].append(deque())
        self.delivered[name].append((0.0, 0.0))

    def end(self, name: int, _: float) -> None:
        self.merged.ended(name)


AMOUNTS = st.floats(0, 1000, allow_nan=False)
STEPS = st.tuples(
    st.sampled_from([Fleet.push, Fleet.deliver, Fleet.push, Fleet.deliver, Fleet.replace, Fleet.end]),
    st.integers(0, 1),
    AMOUNTS,
)


@settings(deadline=None, max_examples=300)
@given(st.lists(STEPS, min_size=20, max_size=60))
def test_p05_no_interleaving_lowers_a_sum_or_loses_a_push(steps):
    fleet, before = Fleet(), Figures()
    for step, name, amount in steps:
        step(fleet, name, amount)
        after = counters(fleet.merged)
        assert all(after[series] >= value for series, value in before.items())
        before = after
    delivered = [process for processes in fleet.delivered for process in processes]
    assert before.get(("ended_total", (("route", "a"),)), 0.0) == sum(ended for ended, _ in delivered)
    seconds = before.get(("seconds_sum", (("route", "a"),)), 0.0)
    assert math.isclose(seconds, math.fsum(total for _, total in delivered), abs_tol=1e-300)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["push", "end"]), st.integers(0, 2), AMOUNTS), max_size=40))
def test_gauges_are_those_of_the_living(steps):
    merged, living = merged_metrics(), dict[int, tuple[Worker, float]]()
    for step, name, level in steps:
        if step == "end":
            merged.ended(name)
            living.pop(name, None)
            continue
        worker = living[name][0] if name in living else Worker()
        worker.busy.set(level=level)
        worker.worst.set("t", level=level)
        merged.pushed(name, worker.capture())
        living[name] = (worker, level)
    levels = [level for _, level in living.values()]
    shown = figures(merged)
    assert math.isclose(shown.get(("busy", ()), 0.0), math.fsum(levels))
    assert shown.get(("worst", (("target", "t"),))) == max(levels, default=None)
