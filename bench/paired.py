"""The arithmetic: ratios round by round, their median, and how far chance alone could have moved it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median over `rounds` rounds with its 95 % bootstrap interval, percentile method; `bound`: what it stays below
    with 95 % confidence, whatever there is to be said about the other side."""

    median: float
    low: float
    high: float
    rounds: int
    bound: float


def estimate(values: Sequence[float], seed: int = 20261121) -> Estimate:
    """The median of `values` and its interval; the seed is fixed so that a report can be computed again.

    Raises ValueError when there are no values.
    """
    if not values:
        raise ValueError("no rounds to estimate from")
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = medians[int(RESAMPLES * 0.025)], medians[int(RESAMPLES * 0.975) - 1]
    return Estimate(median(values), low, high, len(values), medians[int(RESAMPLES * 0.95) - 1])


def ratios(measured: Sequence[float], yardstick: Sequence[float]) -> list[float]:
    """Round by round; a round whose yardstick noise pushed to zero or below says nothing and is left out."""
    return [value / base for value, base in zip(measured, yardstick, strict=True) if base > 0]


def differences(measured: Sequence[float], floor: Sequence[float]) -> list[float]:
    return [value - base for value, base in zip(measured, floor, strict=True)]
