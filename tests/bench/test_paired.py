"""The arithmetic behind every claim about speed, on inputs whose answers are known."""

import pytest

from bench.paired import differences, estimate, ratios


def test_the_median_stands_inside_its_interval() -> None:
    found = estimate([1.0, 1.1, 1.2, 1.3, 9.0])
    assert found.median == 1.2
    assert found.low <= found.median <= found.high
    assert found.rounds == 5


def test_equal_rounds_leave_no_doubt() -> None:
    found = estimate([1.25] * 15)
    assert (found.low, found.median, found.high) == (1.25, 1.25, 1.25)


def test_one_wild_round_of_fifteen_does_not_move_the_bound() -> None:
    found = estimate([1.0 + step / 100 for step in range(14)] + [50.0])
    assert found.high < 1.2


def test_the_interval_agrees_with_the_exact_one() -> None:
    # For three values the resampled median is the largest with probability 7/27 and the smallest likewise: both are
    # inside any 95 % interval.
    found = estimate([1.0, 2.0, 3.0])
    assert (found.low, found.high) == (1.0, 3.0)


def test_two_computations_of_one_report_agree() -> None:
    values = [1.01, 0.97, 1.2, 1.07, 1.11, 1.02]
    assert estimate(values) == estimate(values)


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="no rounds"):
        estimate([])


def test_ratios_are_taken_round_by_round() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]


def test_a_yardstick_lost_in_noise_says_nothing() -> None:
    assert ratios([2.0, 2.0, 2.0], [0.0, -0.1, 1.0]) == [2.0]


def test_rounds_must_pair() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_added_is_what_is_left_over_the_floor() -> None:
    assert differences([0.5, 0.7], [0.25, 0.2]) == [0.25, pytest.approx(0.5)]
