"""What a target may be sent beyond its requests: a fifth of the last ten seconds' and three a second, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.retry_budget import Allowance, RetryBudget


def spent(budget: RetryBudget, now: float, most: int = 10_000) -> int:
    """How many are granted in one moment."""
    return next((count for count in range(most) if not budget.spend(now)), most)


@pytest.mark.parametrize(("requests", "granted"), [(0, 30), (4, 30), (5, 31), (100, 50), (1000, 230)])
def test_what_ten_seconds_grant(requests: int, granted: int):
    budget = RetryBudget()
    for number in range(requests):
        budget.requested(100 + 9 * number / requests)
    assert spent(budget, 109.5) == granted


def test_requests_are_forgotten_after_ten_seconds():
    budget = RetryBudget()
    for _ in range(1000):
        budget.requested(100)
    assert spent(budget, 111) == 30


def test_what_was_spent_comes_back_after_ten_seconds():
    budget = RetryBudget()
    assert spent(budget, 100) == 30
    assert spent(budget, 109.9) == 0
    assert spent(budget, 110) == 30
    assert spent(budget, 1_000_000) == 30


def test_a_moment_that_was_taken_earlier_forgets_nothing():
    """Two tasks look at the clock, and the later one is first."""
    budget = RetryBudget()
    for _ in range(100):
        budget.requested(109.001)
    budget.requested(108.999)
    assert spent(budget, 109.002) == 50


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans()), max_size=300))
def test_no_ten_seconds_ever_see_more(moments: list[tuple[float, bool]]):
    """Ten whole seconds, the one that is running among them."""
    budget = RetryBudget()
    requests: list[float] = []
    granted: list[float] = []
    for now, wants in sorted(moments):
        if not wants:
            budget.requested(now)
            requests.append(now)
        elif budget.spend(now):
            granted.append(now)
            in_window = [at for at in granted if int(now) - int(at) < 10]
            asked = [at for at in requests if int(now) - int(at) < 10]
            assert len(in_window) <= 30 + 0.2 * len(asked)


@pytest.mark.parametrize(
    ("share", "requests", "hedges"), [(0.1, 9, 0), (0.1, 10, 1), (0.1, 35, 3), (1.0, 1, 1), (0, 99, 0)]
)
def test_hedges_are_a_share_of_the_requests(share: float, requests: int, hedges: int):
    allowance = Allowance()
    for _ in range(requests):
        allowance.requested(share)
    assert [allowance.spend() for _ in range(hedges + 1)] == [True] * hedges + [False]


def test_no_more_than_ten_hedges_are_saved_up():
    allowance = Allowance()
    for _ in range(10_000):
        allowance.requested(0.5)
    assert sum(allowance.spend() for _ in range(100)) == 10


@given(st.floats(0, 1), st.lists(st.booleans(), max_size=500))
def test_never_more_hedges_than_the_share(share: float, wants: list[bool]):
    allowance, hedges = Allowance(), 0
    for number, is_late in enumerate(wants, 1):
        allowance.requested(share)
        hedges += is_late and allowance.spend()
        assert hedges <= share * number + 1e-6
