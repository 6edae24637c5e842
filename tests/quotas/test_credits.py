"""What tokens cost: nothing twice, nothing for free, rounded up per part."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.usage import Usage
from proxy.quotas.credits import Ceiling, Parts, Rate, Rates, Tier, ceiling, cost, parts, price

counts = st.none() | st.integers(-5, 10_000_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts, counts)
rate = st.builds(
    Rate,
    st.integers(0, 10**9),
    st.lists(st.builds(Tier, st.integers(0, 10**6), st.integers(0, 10**9)), max_size=3).map(
        lambda tiers: tuple(sorted(tiers))
    ),
)
rates = st.builds(Rates, rate, rate, st.none() | rate, st.none() | rate, st.none() | rate)


@given(usages)
def test_the_parts_sum_to_what_was_reported(usage: Usage):
    found = parts(usage)
    assert found.prompt == max(usage.input_tokens or 0, 0)
    assert found.output + found.reasoning == max(usage.output_tokens or 0, 0)
    assert min(found) >= 0


@given(usages)
def test_no_part_is_larger_than_it_was_reported(usage: Usage):
    found = parts(usage)
    assert found.cache_read <= max(usage.cache_read_tokens or 0, 0)
    assert found.cache_write <= max(usage.cache_write_tokens or 0, 0)
    assert found.reasoning <= max(usage.reasoning_tokens or 0, 0)


def test_q13_cached_and_written_tokens_are_charged_once():
    usage = Usage(
        input_tokens=1000, output_tokens=100, cache_read_tokens=600, cache_write_tokens=300, reasoning_tokens=40
    )
    assert parts(usage) == Parts(input=100, cache_read=600, cache_write=300, output=60, reasoning=40)


def test_a_part_that_exceeds_its_whole_is_cut_to_it():
    assert parts(Usage(input_tokens=10, cache_read_tokens=8, cache_write_tokens=8)) == Parts(0, 8, 2)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_it_is_exact_and_rounded_up(tokens: int, each: int):
    assert cost(tokens, each) == ceil(Fraction(tokens * each, 1_000_000))


def test_a_worked_example():
    # gpt-4o: 2.50, cached 1.25, 10.00 USD per million.
    asked = Rates(Rate(2_500_000), Rate(10_000_000), cache_read=Rate(1_250_000))
    assert price(Parts(input=1001, cache_read=3, output=7, reasoning=1), asked) == 2503 + 4 + 70 + 10


@pytest.mark.parametrize(("prompt", "expected"), [(200_000, 200_000), (200_001, 400_002)])
def test_a_tier_holds_for_all_tokens(prompt: int, expected: int):
    asked = Rates(Rate(1_000_000, (Tier(200_000, 2_000_000),)), Rate(0))
    assert price(Parts(input=prompt), asked) == expected


@given(rates, st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_a_reserve_covers_whatever_an_answer_costs(asked: Rates, prompt: int, output: int, data: st.DataObject):
    most = ceiling([asked], prompt)
    cached = data.draw(st.integers(0, prompt))
    written = data.draw(st.integers(0, prompt - cached))
    thought = data.draw(st.integers(0, output))
    charged = Parts(prompt - cached - written, cached, written, output - thought, thought)
    assert price(charged, asked) <= most.of_prompt(prompt) + cost(output, most.output)


def test_the_dearest_decides():
    cheap, dear = Rates(Rate(1), Rate(9)), Rates(Rate(5), Rate(2), cache_write=Rate(6))
    assert ceiling([cheap, dear], 10) == Ceiling(6, 9)
