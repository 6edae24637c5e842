"""What the master gives a worker on its command line."""

from collections.abc import Sequence
from typing import NamedTuple


class Inheritance(NamedTuple):
    """Its number and how many there are, then descriptors."""

    slot: int
    slots: int
    control: int
    counts: int
    listening: tuple[int, ...]
    log_level: str

    def arguments(self) -> list[str]:
        return [*map(str, self[:4]), self.log_level, *map(str, self.listening)]

    @classmethod
    def read(cls, arguments: Sequence[str]) -> "Inheritance":
        slot, slots, control, counts = map(int, arguments[:4])
        return cls(slot, slots, control, counts, tuple(map(int, arguments[5:])), arguments[4])
