"""In which ways a request may be served, best first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.quotas.choices import Choice, Demand, Priced, Room, choices
from proxy.quotas.credits import Parts, Rate, Rates, price


def priced(rate: int, *, is_premium: bool = False, max_output: int | None = None) -> Priced:
    return Priced(Rates(Rate(rate), Rate(rate)), is_premium, max_output)


def kept(*candidates: Priced) -> list[tuple[int, ...]]:
    return [choice.kept for choice in choices(candidates, Demand(100, 100), Room())]


def test_a_chain_of_one_is_one_choice():
    assert choices([priced(1_000_000)], Demand(10, 20), Room()) == [Choice((0,), False, 10, 13, 20, 20, 1_000_000)]


def test_the_dearest_goes_first():
    assert kept(priced(3), priced(9_000_000), priced(5_000_000)) == [(0, 1, 2), (0, 2), (0,)]


def test_who_costs_the_same_goes_together():
    assert kept(priced(9_000_000), priced(9_000_000), priced(3_000_000)) == [(0, 1, 2), (2,)]


def test_premium_comes_before_a_downgrade():
    cheap, dear = priced(1_000_000, is_premium=True), priced(9_000_000)
    assert kept(cheap, dear) == [(0, 1), (0,), (1,)]
    assert kept(priced(9_000_000, is_premium=True), priced(1_000_000)) == [(0, 1), (1,)]


def test_a_downgrade_begins_with_all_who_are_left():
    chain = [priced(5_000_000, is_premium=True), priced(9_000_000), priced(1_000_000)]
    assert kept(*chain) == [(0, 1, 2), (0, 2), (1, 2), (2,)]


@pytest.mark.parametrize(
    ("demand", "max_output", "output", "fewest"),
    [
        (Demand(10, 500), 100, 500, 256),
        (Demand(10, 100), None, 100, 100),
        (Demand(10), None, 32_768, 256),
        (Demand(10), 4096, 4096, 256),
        (Demand(10), 100_000, 32_768, 256),
        (Demand(10, 2000, choices=3, thinking=1024), None, 6000, 3 * 1280),
        (Demand(10, 0), None, 0, 0),
    ],
)
def test_how_much_output_is_held(demand: Demand, max_output: int | None, output: int, fewest: int):
    [choice] = choices([priced(1, max_output=max_output)], demand, Room())
    assert (choice.output, choice.fewest) == (output, fewest)


rates = st.builds(
    Rates, *[st.integers(0, 50_000_000).map(Rate)] * 2, *[st.none() | st.integers(0, 50_000_000).map(Rate)] * 3
)
chains = st.lists(st.builds(Priced, rates, st.booleans(), st.none() | st.integers(1, 100_000)), min_size=1, max_size=5)
demands = st.builds(
    Demand, st.integers(0, 100_000), st.none() | st.integers(0, 10_000), st.integers(1, 4), st.integers(0, 5000)
)


@given(chains, demands)
def test_q03_what_is_held_is_enough_for_whoever_answers(chain: list[Priced], demand: Demand):
    for choice in choices(chain, demand, Room()):
        for place in choice.kept:
            thought = choice.output // 3
            for answer in (
                Parts(input=demand.prompt, output=choice.output),
                Parts(cache_write=demand.prompt, output=choice.output - thought, reasoning=thought),
                Parts(cache_read=demand.prompt, reasoning=choice.output),
            ):
                assert price(answer, chain[place].rates) <= choice.credits


@given(chains, demands)
def test_each_is_another_way_and_standard_ones_come_last(chain: list[Priced], demand: Demand):
    found = choices(chain, demand, Room())
    assert found[0].kept == tuple(range(len(chain)))
    assert len({choice.kept for choice in found}) == len(found)
    for choice in found:
        assert choice.is_premium == any(chain[place].is_premium for place in choice.kept)
        assert 0 <= choice.fewest <= choice.output
        assert list(choice.kept) == sorted(choice.kept)
    assert [choice.is_premium for choice in found] == sorted((choice.is_premium for choice in found), reverse=True)
