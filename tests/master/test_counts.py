"""Who may accept: seen through memory that processes really share."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.control import counts
from proxy.control.counts import Counts

NOW = 1_000_000  # milliseconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [NOW]
    monkeypatch.setattr(counts, "_milliseconds", lambda: now[0])
    return now


@pytest.fixture
def shared() -> Iterator[Counts]:
    made = Counts.create(4)
    yield made
    os.close(made.descriptor)


def in_flight(shared: Counts, *numbers: int) -> None:
    for slot, number in enumerate(numbers):
        shared.set(slot, 0, number)
        shared.beat(slot)


def takers(shared: Counts) -> list[int]:
    return [slot for slot in range(shared.slots) if shared.has_room(slot)]


@pytest.mark.parametrize(
    ("numbers", "allowed"),
    [
        ((0, 0, 0, 0), [0, 1, 2, 3]),
        ((10, 0, 0, 0), [0, 1, 2, 3]),  # 7.5 above the mean
        ((11, 0, 0, 0), [1, 2, 3]),  # 8.25 above
        ((20, 20, 0, 0), [2, 3]),
        ((18, 18, 2, 2), [0, 1, 2, 3]),  # 8 above 10
        ((125, 95, 95, 85), [0, 1, 2, 3]),  # a quarter above 100
        ((126, 95, 95, 84), [1, 2, 3]),
        ((1000, 1000, 1000, 1000), [0, 1, 2, 3]),
    ],
)
def test_who_exceeds_the_mean_by_eight_and_a_quarter_leaves_it_to_others(
    shared: Counts, clock: list[int], numbers: tuple[int, ...], allowed: list[int]
):
    in_flight(shared, *numbers)
    assert takers(shared) == allowed


def test_somebody_always_takes(shared: Counts, clock: list[int]):
    for first in range(0, 60, 7):
        for second in range(0, 60, 11):
            in_flight(shared, first, second, 0, 40)
            assert takers(shared)


def test_the_frozen_and_the_dead_do_not_count(shared: Counts, clock: list[int]):
    in_flight(shared, 30, 0, 0, 0)
    assert not shared.has_room(0)
    clock[0] += 499
    assert not shared.has_room(0)
    clock[0] += 1  # half a second without a sign of life: all the others are frozen
    assert shared.has_room(0)
    in_flight(shared, 30, 0, 0, 0)
    assert not shared.has_room(0)
    for slot in (1, 2, 3):
        shared.vacate(slot)
    assert shared.has_room(0)


def test_what_is_in_the_hands_of_the_frozen_is_nobodys_excess(shared: Counts, clock: list[int]):
    in_flight(shared, 0, 0, 0, 400)
    clock[0] += 1000
    for slot in (0, 1, 2):
        shared.set(slot, 0, 0)
        shared.beat(slot)
    shared.set(0, 9, 0)
    assert takers(shared) == [0, 1, 2]
    shared.set(0, 20, 10)
    assert takers(shared) == [1, 2]


def test_other_processes_see_the_same_memory(shared: Counts):
    program = (
        "import sys\nfrom proxy.control.counts import Counts\n"
        "shared = Counts(int(sys.argv[1]), 4)\n"
        "for slot in range(4): shared.beat(slot)\n"
        "print(shared.has_room(0))\nshared.set(1, 1, 1 << 40)"
    )
    in_flight(shared, 30, 0, 0, 0)
    command = [sys.executable, "-c", program, str(shared.descriptor)]
    said = subprocess.run(
        command, pass_fds=(shared.descriptor,), capture_output=True, text=True, check=True, timeout=20
    )
    assert said.stdout == "False\n"
    shared.beat(1)
    assert not shared.has_room(1)
    assert shared.total() == 1, "what is only expected is not in flight"


def test_the_total_is_of_all_that_are_there(shared: Counts, clock: list[int]):
    for slot in range(4):
        shared.set(slot, 10, slot)
        shared.beat(slot)
    clock[0] += 5000
    shared.beat(0)
    assert shared.total() == 40, "who is frozen still holds what it had"
    shared.vacate(3)
    assert shared.total() == 30
