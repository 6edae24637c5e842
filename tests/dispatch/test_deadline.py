"""One deadline, cut into slices: a hung primary never starves the last candidate, a short one starves nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.clock import Deadline

seconds = st.floats(0, 10_000)


@pytest.mark.parametrize(
    ("remaining", "left", "slice_"),
    [(600, 1, 600), (600, 2, 240), (600, 4, 120), (20, 2, 7.5), (10, 2, 2.5), (4, 2, 1), (0, 3, 0), (-5, 1, 0)],
)
def test_slices(remaining: float, left: int, slice_: float):
    assert Deadline(100 + remaining).slice(100, left) == pytest.approx(slice_)


@given(st.floats(10, 10_000), st.integers(1, 20))
def test_the_last_candidate_keeps_five_seconds_and_a_fifth(remaining: float, candidates: int):
    deadline, now = Deadline(remaining), 0.0
    for left in range(candidates, 1, -1):
        reserve = max(5.0, 0.2 * deadline.remaining(now))
        now += deadline.slice(now, left)
        assert deadline.remaining(now) >= min(reserve, 0.5 * deadline.remaining(now)) - 1e-6
    assert deadline.slice(now, 1) == deadline.remaining(now)


@given(st.floats(0.01, 10_000), st.integers(1, 20))
def test_nobody_is_asked_with_no_time_at_all(remaining: float, left: int):
    assert 0 < Deadline(remaining).slice(0.0, left) <= remaining


@given(seconds, seconds)
def test_time_left_is_never_negative(at: float, now: float):
    assert Deadline(at).remaining(now) == max(0.0, at - now)
