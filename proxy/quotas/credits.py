"""What tokens cost. 1 credit = 1 USD = 1,000,000 micro-credits; every amount here is a whole number of micro-credits,
rounded up per component (contract §9)."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from proxy.canonical.usage import Usage

MICRO = 1_000_000
_PER = 1_000_000  # tokens a rate is told for
_ROUNDED_UP = 3  # micro-credits: a charge is rounded up in five parts, a reserve in two


class Tier(NamedTuple):
    """What holds for all tokens of a request whose prompt is longer than `above` tokens: the providers' tiers are
    cliffs, not steps."""

    above: int
    rate: int


class Rate(msgspec.Struct, frozen=True, gc=False):
    """Micro-credits per million tokens, which is what a price list says in USD, times a million. `tiers` ascend."""

    base: int
    tiers: tuple[Tier, ...] = ()

    def at(self, prompt: int) -> int:
        """For a prompt of so many tokens."""
        rate = self.base
        for tier in self.tiers:
            if prompt > tier.above:
                rate = tier.rate
        return rate

    @property
    def highest(self) -> int:
        return max(self.base, *(tier.rate for tier in self.tiers)) if self.tiers else self.base


class Rates(msgspec.Struct, frozen=True, gc=False):
    """What a target's tokens cost. None: that part costs what the whole it belongs to does."""

    input: Rate
    output: Rate
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None


class Parts(NamedTuple):
    """The tokens of one answer, each counted in exactly one part. Their sum is the prompt and the output."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write

    @property
    def tokens(self) -> int:
        return sum(self)


def parts(usage: Usage) -> Parts:
    """The disjoint parts of what was reported: the wholes are `input_tokens` and `output_tokens`, the others lie within
    them (contract §8). A part that is larger than its whole is cut to it, so that nothing is charged twice."""
    prompt, output = max(usage.input_tokens or 0, 0), max(usage.output_tokens or 0, 0)
    cache_read = _within(usage.cache_read_tokens, prompt)
    cache_write = _within(usage.cache_write_tokens, prompt - cache_read)
    reasoning = _within(usage.reasoning_tokens, output)
    return Parts(prompt - cache_read - cache_write, cache_read, cache_write, output - reasoning, reasoning)


def _within(part: int | None, whole: int) -> int:
    return min(max(part or 0, 0), whole)


def cost(tokens: int, rate: int) -> int:
    """Micro-credits for so many tokens, rounded up."""
    return -(-tokens * rate // _PER)


def price(charged: Parts, rates: Rates) -> int:
    """Micro-credits, rounded up per part."""
    prompt = charged.prompt
    priced = (
        (charged.input, rates.input),
        (charged.cache_read, rates.cache_read or rates.input),
        (charged.cache_write, rates.cache_write or rates.input),
        (charged.output, rates.output),
        (charged.reasoning, rates.reasoning or rates.output),
    )
    return sum(cost(tokens, rate.at(prompt)) for tokens, rate in priced if tokens)


class Ceiling(NamedTuple):
    """The most a token may cost in a reserve: rates, in micro-credits per million tokens."""

    input: int
    output: int

    def of_prompt(self, tokens: int) -> int:
        """Micro-credits that, with those for the output, are enough however the prompt is cached."""
        return cost(tokens, self.input) + (_ROUNDED_UP if self.input or self.output else 0)


def ceiling(rates: Sequence[Rates], prompt: int) -> Ceiling:
    """For whichever of these answers a prompt of `prompt` tokens, however it is cached. Of an estimate that is too low
    by less than a tier, the tier counts: what is reserved must be enough."""
    return Ceiling(
        max(
            rate.highest if _is_near_a_tier(rate, prompt) else rate.at(prompt)
            for each in rates
            for rate in (each.input, each.cache_read or each.input, each.cache_write or each.input)
        ),
        max(
            rate.highest if _is_near_a_tier(rate, prompt) else rate.at(prompt)
            for each in rates
            for rate in (each.output, each.reasoning or each.output)
        ),
    )


def _is_near_a_tier(rate: Rate, prompt: int) -> bool:
    return any(tier.above < 2 * prompt for tier in rate.tiers)
