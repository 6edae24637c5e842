"""How fast an answer comes: over a whole window, in the provider's own time, by what a client would read."""

from collections.abc import Iterable

import pytest

from proxy.canonical.events import BlockKind, Delta, Event, Opened
from proxy.dispatch.pace import Pace
from proxy.wire.decoder import Step

RATE, WINDOW = 10.0, 10.0


def said(characters: int) -> list[Step]:
    return [Step(None, [Delta(0, "x" * characters)])] if characters else []


def is_given_up_after(script: Iterable[tuple[float, int]]) -> float | None:
    """`script`: seconds of waiting, and the characters that then came. When it was too slow, in seconds."""
    pace = Pace(RATE, WINDOW)
    now = 0.0
    for seconds, characters in script:
        waited = 0.0
        while waited + pace.look_every < seconds:
            waited += pace.look_every
            if pace.is_too_slow(waited):
                return now + waited
        pace.heard(said(characters), seconds)
        now += seconds
        if pace.is_too_slow(0.0):
            return now
    return None


def test_fast_enough_is_never_given_up():
    assert is_given_up_after([(0.5, 5)] * 400) is None
    assert is_given_up_after([(5.0, 50)] * 40) is None
    assert is_given_up_after([(0.001, 0), (0.999, 12)] * 100) is None


def test_too_slow_is_given_up_after_a_window():
    assert is_given_up_after([(0.5, 4)] * 400) == pytest.approx(10, abs=1)


def test_nothing_is_too_slow_before_a_window_has_passed():
    assert is_given_up_after([(9.0, 0), (0.5, 200)]) is None


def test_one_that_becomes_slow_is_noticed_a_window_later():
    given_up = is_given_up_after([(0.5, 10)] * 100 + [(0.5, 0)] * 100)
    assert given_up is not None
    assert 55 <= given_up <= 62, "20 characters a second for 50 s, then nothing"


def test_a_burst_counts_for_one_window():
    given_up = is_given_up_after([(0.0, 100_000)] + [(1.0, 0)] * 100)
    assert given_up == pytest.approx(11, abs=1.5)


def test_silence_while_it_is_waited_for_counts():
    pace = Pace(RATE, WINDOW)
    pace.heard(said(1), 0.0)
    assert not pace.is_too_slow(9.9)
    assert pace.is_too_slow(10.0)


def test_what_the_client_takes_is_no_time():
    """Looks that find nobody waiting for the provider, however many."""
    pace = Pace(RATE, WINDOW)
    pace.heard(said(1), 0.5)
    assert not any(pace.is_too_slow(0.0) for _ in range(1000))
    assert len(pace._looks) < 30


@pytest.mark.parametrize(
    ("event", "counts"), [(Delta(3, "{" * 100), True), (Opened(0, BlockKind.TEXT), False), (Delta(0, ""), False)]
)
def test_what_counts_is_content(event: Event, counts: bool):
    pace = Pace(RATE, WINDOW)
    pace.heard([Step(None, [event])], 10.0)
    assert pace.is_too_slow(0.0) is not counts
