"""Absolute deadlines: one per request, cut into slices for its candidates. Pure: `now` is passed in."""

from typing import NamedTuple


class Deadline(NamedTuple):
    """A point on the monotonic clock, in seconds, after which nothing of the request may still run. `is_callers`: the
    caller asked for less time than the route gives, so running out of it proves nothing about a provider."""

    at: float
    is_callers: bool = False

    def remaining(self, now: float) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - now)

    def slice(self, now: float, candidates_left: int) -> float:
        """Seconds the next candidate may take to reach its commit point: (remaining - reserve) / candidates left.

        The last candidate always keeps max(5 s, 20 % of what remains), so that a hung primary cannot starve it; never
        more than half, so that a short deadline does not pass the primary over unasked.
        """
        remaining = self.remaining(now)
        if candidates_left <= 1:
            return remaining
        reserve = min(max(5.0, 0.2 * remaining), 0.5 * remaining)
        return (remaining - reserve) / candidates_left
