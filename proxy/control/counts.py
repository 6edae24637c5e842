"""What each worker has in flight, in memory that all of them share: who has too much leaves new connections to others
without asking anybody."""

import mmap
import os
import sys
import tempfile
import time

BEAT = 0.1  # seconds between signs of life
_SILENT = 0.5  # seconds after which a worker counts as absent: its share is nobody's
_NUMBER = 8  # bytes; aligned, so that a reader never sees half of one
_LEAST_EXCESS = 8
_EXCESS = 0.25


class Counts:
    """Two numbers per slot: what is in flight or about to be, and when the worker last gave a sign of life
    (milliseconds, monotonic; 0 = nobody works there). Made once by the master; workers map the same memory by its
    descriptor."""

    def __init__(self, descriptor: int, slots: int) -> None:
        self.descriptor = descriptor
        self.slots = slots
        self._numbers = memoryview(mmap.mmap(descriptor, slots * 2 * _NUMBER)).cast("q")

    @classmethod
    def create(cls, slots: int) -> "Counts":
        descriptor = _anonymous_file()
        os.ftruncate(descriptor, slots * 2 * _NUMBER)
        return cls(descriptor, slots)

    def set(self, slot: int, in_flight: int) -> None:
        self._numbers[2 * slot] = in_flight

    def beat(self, slot: int) -> None:
        self._numbers[2 * slot + 1] = _milliseconds()

    def vacate(self, slot: int) -> None:
        self._numbers[2 * slot] = self._numbers[2 * slot + 1] = 0

    def has_room(self, slot: int) -> bool:
        """Whether this worker may take more: not while it exceeds the mean of those alive by 8 and by a quarter of it
        (contract §10)."""
        numbers = self._numbers.tolist()
        alive_since = _milliseconds() - _SILENT * 1000
        alive = [numbers[at] for at in range(0, len(numbers), 2) if numbers[at + 1] > alive_since or at == 2 * slot]
        mean = sum(alive) / len(alive)
        return bool(numbers[2 * slot] - mean <= max(_LEAST_EXCESS, _EXCESS * mean))


def _anonymous_file() -> int:
    if sys.platform == "linux":
        return os.memfd_create("segue-counts")  # no disk that could be full
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _milliseconds() -> int:
    return time.monotonic_ns() // 1_000_000
