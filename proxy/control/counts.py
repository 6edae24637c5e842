"""What each worker has in flight, in memory that all of them share: who has too much leaves new connections to others,
and all together keep to one limit, without asking anybody."""

import mmap
import os
import sys
import tempfile
import time

BEAT = 0.2  # seconds between signs of life
_SILENT = 0.5  # seconds after which a worker counts as absent: its share is nobody's
_NUMBER = 8  # bytes; aligned, so that a reader never sees half of one
_LEAST_EXCESS = 8
_EXCESS = 0.25
_OF_A_SLOT = 3  # numbers


class Counts:
    """Three numbers per slot: requests in flight; those and the ones about to come; when the worker last gave a sign of
    life (milliseconds, monotonic; 0 = nobody works there). Each is written by the slot's worker alone, and by the
    master once that is gone. Made once by the master; workers map the same memory by its descriptor."""

    def __init__(self, descriptor: int, slots: int) -> None:
        self.descriptor = descriptor
        self.slots = slots
        self._numbers = memoryview(mmap.mmap(descriptor, slots * _OF_A_SLOT * _NUMBER)).cast("q")

    @classmethod
    def create(cls, slots: int) -> "Counts":
        descriptor = _anonymous_file()
        os.ftruncate(descriptor, slots * _OF_A_SLOT * _NUMBER)
        return cls(descriptor, slots)

    def set(self, slot: int, in_flight: int, expected: int) -> None:
        """`expected`: connections that have yet to send their first request."""
        at = _OF_A_SLOT * slot
        self._numbers[at] = in_flight
        self._numbers[at + 1] = in_flight + expected

    def beat(self, slot: int) -> None:
        self._numbers[_OF_A_SLOT * slot + 2] = _milliseconds()

    def vacate(self, slot: int) -> None:
        for at in range(_OF_A_SLOT * slot, _OF_A_SLOT * (slot + 1)):
            self._numbers[at] = 0

    def total(self) -> int:
        """Requests in flight in all workers, frozen ones too: what those hold is still being served upstream. A worker
        that counts a request before it asks, and takes the request back if that was one too many, exceeds no limit
        together with the others: of several at once, the last to ask sees them all."""
        return sum(self._numbers.tolist()[::_OF_A_SLOT])

    def has_room(self, slot: int) -> bool:
        """Whether this worker may take more: not while it exceeds the mean of those alive by 8 and by a quarter of it
        (contract §10)."""
        numbers = self._numbers.tolist()
        loads, beats = numbers[1::_OF_A_SLOT], numbers[2::_OF_A_SLOT]
        alive_since = _milliseconds() - _SILENT * 1000
        alive = [loads[at] for at in range(self.slots) if beats[at] > alive_since or at == slot]
        mean = sum(alive) / len(alive)
        return bool(loads[slot] - mean <= max(_LEAST_EXCESS, _EXCESS * mean))


def _anonymous_file() -> int:
    if sys.platform == "linux":
        return os.memfd_create("segue-counts")  # no disk that could be full
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _milliseconds() -> int:
    return time.monotonic_ns() // 1_000_000
