"""A breaker among others that mind the same target: leave to probe, what others tell, and what operators order; and
how a target that has recovered gets its requests back."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Verdict
from proxy.routing.breaker import Breaker, BreakerSettings, Change, Permit
from proxy.routing.standing import Standing

SUCCESS, FAILURE, NONE = Verdict.SUCCESS, Verdict.FAILURE, Verdict.NONE


class Guarded:
    """A breaker that needs leave to probe, and what it told others. `asked`: how often it asked."""

    def __init__(self, **settings: float) -> None:
        self.heard: list[Change] = []
        self.asked = 0
        self.alone = False
        chosen = BreakerSettings(**{"consecutive_failures": 1, "slow_start": 0.0} | settings)  # type: ignore[arg-type]
        self.breaker = Breaker(chosen, lambda: 0.5, lambda breaker, change: self.heard.append(change), self.may_probe)

    def may_probe(self, breaker: Breaker) -> bool:
        assert breaker is self.breaker
        self.asked += 1
        return self.alone

    def trip(self, now: float = 0.0) -> None:
        taken(self.breaker, now).report(FAILURE, now)
        assert self.breaker.state == "open"


def taken(breaker: Breaker, now: float) -> Permit:
    permit = breaker.acquire(now)
    assert permit is not None
    return permit


def closed_again(**settings: float) -> Breaker:
    """Closed at 10.0."""
    guarded = Guarded(success_threshold=1, **settings)
    guarded.alone = True
    guarded.trip()
    taken(guarded.breaker, 10).report(SUCCESS, 10)
    assert guarded.breaker.state == "closed"
    return guarded.breaker


def let_through(breaker: Breaker, now: float) -> int:
    """Of a thousand requests."""
    return sum(breaker.acquire(now) is not None for _ in range(1000))


def test_nobody_probes_without_leave():
    guarded = Guarded()
    guarded.trip()
    for now in (10, 11, 12):
        assert guarded.breaker.acquire(now) is None
        assert guarded.breaker.objection(now) == ("probe_pending", 0.1)
    assert guarded.breaker.state == "open"
    assert guarded.asked == 3


def test_leave_lets_one_probe_through():
    guarded = Guarded()
    guarded.trip()
    assert guarded.breaker.acquire(10) is None
    guarded.breaker.grant(12.0)
    permits = [guarded.breaker.acquire(11.9) for _ in range(100)]
    assert [permit.is_probe for permit in permits if permit] == [True]
    assert guarded.asked == 1
    assert guarded.breaker.leave_for(1000) == inf, "as long as the probe lasts"


def test_leave_that_nobody_used_expires():
    guarded = Guarded()
    guarded.trip()
    guarded.breaker.grant(12.0)
    assert guarded.breaker.leave_for(11.5) == 0.5
    assert guarded.breaker.acquire(12.0) is None
    assert guarded.breaker.leave_for(12.0) == 0
    assert guarded.asked == 1


def test_leave_is_of_no_use_before_its_time_or_after():
    guarded = Guarded(success_threshold=1)
    guarded.trip()
    guarded.breaker.grant(12.0)
    assert guarded.breaker.acquire(9.9) is None
    assert guarded.breaker.leave_for(9.9) == 0
    taken(guarded.breaker, 11).report(SUCCESS, 11)
    assert guarded.breaker.leave_for(11) == 0


@pytest.mark.parametrize("verdict", [NONE, SUCCESS])
def test_who_had_leave_goes_on_probing_for_two_seconds(verdict: Verdict):
    guarded = Guarded(success_threshold=2)
    guarded.trip()
    guarded.breaker.grant(12.0)
    taken(guarded.breaker, 11).report(verdict, 30.0)
    assert guarded.heard[-1] is Change.PROBED
    assert guarded.breaker.leave_for(30.0) == 2.0
    assert taken(guarded.breaker, 31.9).is_probe
    assert guarded.asked == 0


def test_each_trip_needs_leave_anew():
    guarded = Guarded()
    guarded.trip()
    guarded.breaker.grant(1000.0)
    taken(guarded.breaker, 11).report(FAILURE, 11)
    assert guarded.breaker.state == "open"
    assert guarded.breaker.acquire(100) is None
    assert guarded.asked == 1


def test_who_was_denied_waits():
    guarded = Guarded()
    guarded.trip()
    guarded.breaker.deny(10.5)
    assert not guarded.breaker.may_ask(10.4)
    assert guarded.breaker.may_ask(10.5)
    assert guarded.breaker.objection(10.1) == ("probe_pending", pytest.approx(0.4))


def test_leave_waits_as_long_as_requests_are_rare():
    guarded = Guarded(longest_open_time=60.0)
    guarded.trip()
    assert guarded.breaker.acquire(30) is None
    assert guarded.breaker.hold == 2.0
    guarded.breaker.grant(32.0)
    assert guarded.breaker.acquire(50) is None, "came too late"
    assert guarded.breaker.hold == 40.0
    guarded.breaker.grant(90.0)
    taken(guarded.breaker, 70).report(NONE, 70)
    assert guarded.breaker.hold == 2.0
    guarded.breaker.grant(72.0)
    assert guarded.breaker.acquire(1000) is None
    assert guarded.breaker.hold == 60.0, "no longer than a target is given up for"


def test_alone_it_needs_nobodys_leave():
    guarded = Guarded()
    guarded.trip()
    guarded.alone = True
    assert taken(guarded.breaker, 10).is_probe
    assert guarded.breaker.acquire(10) is None


def test_others_are_told_of_transitions_and_pauses():
    guarded = Guarded(success_threshold=1)
    guarded.alone = True
    late = taken(guarded.breaker, 0)
    guarded.trip()
    late.report(Verdict.COOL_DOWN, 0, 5.0)
    taken(guarded.breaker, 10).report(SUCCESS, 10)
    taken(guarded.breaker, 10).report(Verdict.COOL_DOWN, 10, 0.0)
    assert guarded.heard == [Change.MOVED, Change.COOLED, Change.PROBING, Change.MOVED, Change.COOLED]


def test_it_stands_as_others_say():
    guarded = Guarded(open_time=10.0)
    guarded.breaker.adopt(Standing(True, 7.0, trips=3), 100)
    assert guarded.breaker.objection(100) == ("breaker_open", 7.0)
    guarded.breaker.grant(200)
    taken(guarded.breaker, 107).report(FAILURE, 107)
    assert guarded.breaker.retry_in(107) == pytest.approx(80), "the fourth in a row"
    guarded.breaker.adopt(Standing(False, 0.0), 110)
    assert guarded.breaker.state == "closed"
    guarded.trip(120)
    assert guarded.breaker.retry_in(120) == pytest.approx(10)


def test_what_others_say_is_not_told_on():
    guarded = Guarded()
    for told in (Standing(True, 7.0), Standing(False, 0.0, cooling=3.0), Standing(True, 1.0, is_forced=True)):
        guarded.breaker.adopt(told, 0)
    guarded.breaker.cool(100)
    assert guarded.heard == []


def test_a_probe_counts_no_more_once_others_know():
    guarded = Guarded()
    guarded.trip()
    guarded.breaker.grant(12)
    probe = taken(guarded.breaker, 11)
    guarded.breaker.adopt(Standing(False, 0.5), 12)
    probe.report(FAILURE, 13)
    assert guarded.breaker.state == "closed"


@given(
    is_open=st.booleans(),
    seconds=st.integers(0, 600),
    trips=st.integers(0, 10),
    is_forced=st.booleans(),
    cooling=st.integers(0, 600),
    now=st.integers(1, 1_000_000),
)
def test_whom_one_tells_stands_like_it(
    is_open: bool, seconds: int, trips: int, is_forced: bool, cooling: int, now: int
):
    first, second = Guarded(slow_start=10.0).breaker, Guarded(slow_start=10.0).breaker
    first.adopt(Standing(is_open, seconds, trips, is_open and is_forced, cooling), now)
    second.adopt(first.standing(now), now)
    assert second.standing(now) == first.standing(now)
    assert second.objection(now) == first.objection(now)


def test_forced_open_lets_nobody_through_until_then():
    guarded = Guarded()
    late = taken(guarded.breaker, 0)
    guarded.breaker.force_open(0, 100)
    late.report(SUCCESS, 1)
    assert guarded.breaker.objection(1) == ("forced_open", 99)
    assert guarded.breaker.forced_for(1) == 99
    assert guarded.breaker.acquire(99.9, True) is None
    guarded.alone = True
    assert taken(guarded.breaker, 100).is_probe, "whether it is well has to be found out"
    assert guarded.breaker.forced_for(100) == 0


def test_forcing_is_no_trip():
    guarded = Guarded(open_time=10.0)
    guarded.alone = True
    guarded.breaker.force_open(0, 100)
    taken(guarded.breaker, 100).report(FAILURE, 100)
    assert guarded.breaker.objection(100) == ("breaker_open", pytest.approx(10))


def test_a_reset_forgets_everything():
    guarded = Guarded(consecutive_failures=2, open_time=10.0, slow_start=10.0)
    late = taken(guarded.breaker, 0)
    for _ in range(2):
        taken(guarded.breaker, 0).report(FAILURE, 0)
    late.report(Verdict.COOL_DOWN, 0, 100.0)
    guarded.breaker.reset(5)
    assert guarded.breaker.state == "closed"
    assert let_through(guarded.breaker, 5) == 1000, "without a slow start"
    assert guarded.breaker.volume(5) == (0, 0)
    taken(guarded.breaker, 6).report(FAILURE, 6)
    assert guarded.breaker.state == "closed", "one failure is not two"
    taken(guarded.breaker, 6).report(FAILURE, 6)
    assert guarded.breaker.retry_in(6) == pytest.approx(10), "the first trip"


def test_a_reset_makes_what_is_under_way_stale():
    breaker = Guarded().breaker
    late = taken(breaker, 0)
    breaker.reset(1)
    late.report(FAILURE, 2)
    assert breaker.state == "closed"


@pytest.mark.parametrize(("after", "share"), [(0.0, 0.1), (1.0, 0.19), (5.0, 0.55), (9.0, 0.91), (10.0, 1.0)])
def test_a_slow_start_lets_a_growing_share_through(after: float, share: float):
    breaker = closed_again(slow_start=10.0)
    assert let_through(breaker, 10 + after) == pytest.approx(1000 * share, abs=2)


def test_the_first_request_after_closing_is_let_through():
    breaker = closed_again(slow_start=10.0)
    assert breaker.acquire(10) is not None
    assert breaker.acquire(10) is None
    assert breaker.objection(10) == ("slow_start", 1.0)
    assert breaker.objection(19.5) == ("slow_start", 0.5)


def test_a_slow_start_holds_up_nobody_who_has_no_choice():
    breaker = closed_again(slow_start=10.0)
    assert all(breaker.acquire(10, True) for _ in range(100))


def test_a_breaker_that_others_closed_starts_slowly_too():
    guarded = Guarded(slow_start=10.0)
    guarded.trip()
    guarded.breaker.adopt(Standing(False, 4.0), 20)
    assert let_through(guarded.breaker, 20) == pytest.approx(460, abs=2)
    assert let_through(guarded.breaker, 26) == 1000


def test_a_pause_counts_in_a_slow_start():
    breaker = closed_again(slow_start=10.0)
    taken(breaker, 10).report(Verdict.COOL_DOWN, 10, 3.0)
    assert breaker.acquire(12, True) is None
    assert breaker.objection(12) == ("cooling_down", 1.0)
    assert breaker.objection(13) == ("slow_start", 1.0)
