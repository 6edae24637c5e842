"""What is remembered of how long a target takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.latency import PeakEwma, Quantile

SECONDS = st.floats(0.0, 1000.0)


def test_nothing_is_known_before_the_first():
    average = PeakEwma()
    assert average.value(5.0) == 0.0
    average.observe(2.0, 5.0)
    assert average.value(5.0) == 2.0


def test_trouble_counts_at_once_and_goes_slowly():
    average = PeakEwma()
    for second in range(10):
        average.observe(0.5, second)
    average.observe(8.0, 10.0)
    assert average.value(10.0) == 8.0
    average.observe(0.5, 11.0)
    assert 7.0 < average.value(11.0) < 8.0
    for second in range(12, 200):
        average.observe(0.5, second)
    assert average.value(200.0) == pytest.approx(0.5, abs=0.1)


def test_who_is_not_asked_sinks():
    average = PeakEwma()
    average.observe(8.0, 0.0)
    values = [average.value(second) for second in (0.0, 1.0, 30.0, 300.0)]
    assert values == sorted(values, reverse=True)
    assert values[2] == pytest.approx(8.0 / 2.718, rel=0.01)
    assert values[3] < 0.001


@given(st.lists(st.tuples(SECONDS, st.floats(0.0, 100.0)), min_size=1))
def test_it_lies_within_what_was_observed(observed: list[tuple[float, float]]):
    average, now = PeakEwma(), 0.0
    for seconds, later in observed:
        now += later
        average.observe(seconds, now)
        assert average.value(now) >= seconds * (1 - 1e-9)
    assert 0.0 <= average.value(now) <= max(seconds for seconds, _ in observed) * (1 + 1e-9)


def test_a_clock_that_stands_still_does_no_harm():
    average = PeakEwma()
    average.observe(3.0, 10.0)
    average.observe(1.0, 10.0)
    assert average.value(9.0) == 3.0


def test_a_quantile_needs_twenty_observations():
    quantile = Quantile()
    for _ in range(19):
        quantile.observe(1.0)
    assert quantile.p95() is None
    quantile.observe(9.0)
    assert quantile.p95() == 1.0
    quantile.observe(9.0)
    assert quantile.p95() == 9.0


@given(st.lists(SECONDS, min_size=20, max_size=700))
def test_it_is_that_of_the_last_256(observed: list[float]):
    quantile = Quantile()
    for seconds in observed:
        quantile.observe(seconds)
    recent, found = sorted(observed[-256:]), quantile.p95()
    assert found is not None
    assert sum(seconds <= found for seconds in recent) >= 0.95 * len(recent)
    assert sum(seconds < found for seconds in recent) < 0.95 * len(recent)


def test_it_keeps_a_bounded_amount():
    quantile = Quantile()
    for number in range(10_000):
        quantile.observe(number % 7)
    assert len(quantile._recent) == len(quantile._in_order) == 256
