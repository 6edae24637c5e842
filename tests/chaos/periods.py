"""Times in which something was so: an instance down, a store out of reach. All times are monotonic seconds."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Periods:
    """May overlap; one that has not ended has no end yet."""

    def __init__(self) -> None:
        self._periods: list[list[float]] = []

    @contextmanager
    def during(self, after: float = 0.0) -> Iterator[None]:
        """For as long as the block runs, but for so many seconds at its beginning."""
        period = [time.monotonic() + after, math.inf]
        self._periods.append(period)
        try:
            yield
        finally:
            period[1] = time.monotonic()

    def overlap(self, begin: float, end: float, after: float = 0.0) -> bool:
        """Whether one of them, with so many seconds after its end, touches this stretch."""
        return any(begin <= until + after and since <= end for since, until in self._periods)

    def since(self, moment: float) -> float | None:
        """When the state that holds at this moment began; None if it does not. Periods that touch are one."""
        began: float | None = None
        for since, until in sorted(self._periods, reverse=True):
            if since <= (moment if began is None else began) <= until:
                began = since
        return began

    def last_end(self, moment: float) -> float:
        """The latest end before this moment: minus infinity if there was none, the moment itself while one lasts."""
        ends = [min(until, moment) for since, until in self._periods if since <= moment]
        return max(ends, default=-math.inf)
