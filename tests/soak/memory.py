"""The memory of processes over a run, and whether it stays flat: by the slope after the warm-up."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

WARM_UP = 0.2  # of the streams, but at least
WARM_AFTER = 20_000  # streams: until then pools, caches and allocators fill
TOLERANCE = 0.25  # MB for every 10,000 streams
NOISE = 1.0  # MB that the resident set may move by over any run: allocators give back in large pieces
SHORT_NOISE = 5.0  # MB, of runs so short that half of them is no warm-up: they show only what grows fast
_MB = 1024 * 1024
_EACH = 1.0  # seconds


class Sample(NamedTuple):
    """Resident MB after so many streams."""

    streams: int
    resident: float


@dataclass(slots=True)
class Series:
    """Of one process."""

    name: str
    samples: list[Sample] = field(default_factory=list)

    def measured(self, streams: int) -> list[Sample]:
        """After the warm-up of a run of so many; of a short run, its second half."""
        since = max(WARM_UP * streams, min(WARM_AFTER, streams / 2))
        return [each for each in self.samples if each.streams >= since]

    def growth(self, streams: int) -> float:
        """MB from the end of the warm-up to the end of the run, along the straight line that fits best."""
        measured = self.measured(streams)
        if len(measured) < 2:
            return 0.0
        return slope(measured) * (measured[-1].streams - measured[0].streams)

    def allowed(self, streams: int) -> float:
        """MB by which it may have grown."""
        measured = self.measured(streams)
        span = measured[-1].streams - measured[0].streams if measured else 0
        return max(NOISE if streams >= 2 * WARM_AFTER else SHORT_NOISE, TOLERANCE * span / 10_000)

    def is_flat(self, streams: int) -> bool:
        return self.growth(streams) <= self.allowed(streams)


def slope(samples: list[Sample]) -> float:
    """MB per stream, by least squares."""
    count = len(samples)
    mean_x = sum(each.streams for each in samples) / count
    mean_y = sum(each.resident for each in samples) / count
    spread = sum((each.streams - mean_x) ** 2 for each in samples)
    return sum((each.streams - mean_x) * (each.resident - mean_y) for each in samples) / spread if spread else 0.0


async def watch(processes: Mapping[str, int], streams: Callable[[], int], series: dict[str, Series]) -> None:
    """Until cancelled: look at each process, by name and pid. One that is gone stays as it was."""
    while True:
        for name, pid in processes.items():
            look(name, pid, streams(), series)
        await asyncio.sleep(_EACH)


def look(name: str, pid: int, streams: int, series: dict[str, Series]) -> None:
    try:
        resident = psutil.Process(pid).memory_info().rss / _MB
    except psutil.NoSuchProcess:
        return
    series.setdefault(name, Series(name)).samples.append(Sample(streams, resident))
