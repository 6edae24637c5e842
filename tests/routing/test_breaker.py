"""When a target is given up, for how long, and who may find out whether it is back."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from proxy.errors import Verdict
from proxy.routing.breaker import Breaker, BreakerSettings, Permit
from proxy.routing.standing import Standing

SUCCESS, FAILURE, NONE, COOL = Verdict.SUCCESS, Verdict.FAILURE, Verdict.NONE, Verdict.COOL_DOWN


def breaker(jitter: float = 0.5, **settings: float) -> Breaker:
    """Without a slow start, unless told otherwise."""
    return Breaker(BreakerSettings(**{"slow_start": 0.0} | settings), lambda: jitter)  # type: ignore[arg-type]


def detail(target: Breaker, now: float) -> str:
    """Why it refuses, "" if it does not."""
    objection = target.objection(now)
    return objection.detail if objection is not None else ""


def tell(target: Breaker, now: float, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        permit = target.acquire(now)
        assert permit is not None
        permit.report(verdict, now)


def tripped(now: float = 0.0, **settings: float) -> Breaker:
    target = breaker(**settings)
    tell(target, now, *[FAILURE] * target.settings.consecutive_failures)
    assert target.state == "open"
    return target


def test_a_run_of_failures_trips():
    target = breaker()
    tell(target, 0, *[FAILURE] * 4)
    assert target.state == "closed"
    tell(target, 0, FAILURE)
    assert target.state == "open"
    assert target.acquire(0) is None
    assert target.objection(4) == ("breaker_open", 6)


def test_a_success_ends_the_run():
    target = breaker(minimum_volume=1000)
    for _ in range(20):
        tell(target, 0, FAILURE, FAILURE, FAILURE, FAILURE, SUCCESS)
    assert target.state == "closed"


def test_a_rate_of_failures_trips_only_with_volume():
    pattern = [FAILURE, SUCCESS] * 4
    target = breaker()
    tell(target, 0, *pattern, SUCCESS)
    assert target.state == "closed"  # nine outcomes are no volume
    tell(target, 0, FAILURE)
    assert target.state == "open"  # 5 of 10


def test_too_low_a_rate_does_not_trip():
    target = breaker()
    for _ in range(50):
        tell(target, 0, SUCCESS, SUCCESS, FAILURE)
    assert target.state == "closed"


def test_old_outcomes_leave_the_window():
    target = breaker(window=30.0)
    tell(target, 0, *[FAILURE, SUCCESS] * 4)
    tell(target, 31, SUCCESS, FAILURE)
    assert target.state == "closed"
    tell(target, 31, *[SUCCESS] * 30)
    tell(target, 62, *[SUCCESS, FAILURE] * 5)  # the successes of long ago do not hide these
    assert target.state == "open"


def test_c06_verdicts_about_other_things_say_nothing_of_health():
    target = breaker()
    for _ in range(100):
        tell(target, 0, NONE, Verdict.CREDENTIAL)
    assert target.state == "closed"
    assert target.acquire(0) is not None


def test_one_probe_of_five_hundred():
    target = tripped()
    permits = [target.acquire(10.0) for _ in range(500)]
    assert sum(permit is not None for permit in permits) == 1
    assert target.state == "half-open"
    assert target.retry_in(10.0) == 0
    assert detail(target, 10.0) == "probe_pending"


def test_closing_takes_success_threshold_probes_one_at_a_time():
    target = tripped(success_threshold=3)
    for _ in range(2):
        tell(target, 10, SUCCESS)
        assert target.state == "half-open"
    probe = target.acquire(10)
    assert target.acquire(10) is None
    assert probe is not None
    probe.report(SUCCESS, 10)
    assert target.state == "closed"
    assert all(target.acquire(10) for _ in range(50))


def test_a_closed_breaker_has_forgotten():
    target = tripped()
    tell(target, 10, SUCCESS, SUCCESS)
    tell(target, 10, FAILURE, FAILURE, FAILURE, FAILURE)
    assert target.state == "closed"
    tell(target, 10, FAILURE)
    assert target.state == "open"


def test_successes_before_a_failed_probe_do_not_count_again():
    target = tripped()
    tell(target, 10, SUCCESS, FAILURE)
    assert target.state == "open"
    tell(target, 100, SUCCESS)
    assert target.state == "half-open"


@pytest.mark.parametrize("verdict", [NONE, Verdict.CREDENTIAL, COOL])
def test_a_neutral_end_frees_the_probe(verdict: Verdict):
    target = tripped()
    probe = target.acquire(10)
    assert probe is not None
    probe.report(verdict, 10, 2.0)
    assert target.state == "half-open"
    assert target.acquire(13) is not None


def test_a_late_report_of_the_first_probe_leaves_the_second_alone():
    target = tripped(success_threshold=3)
    first = target.acquire(10)
    assert first is not None
    first.report(SUCCESS, 11)
    second = target.acquire(12)
    assert second is not None
    first.report(SUCCESS, 13)
    first.report(NONE, 13)
    assert target.acquire(13) is None, "the second probe is still under way"
    first.report(FAILURE, 14)
    assert target.state == "open"
    second.report(SUCCESS, 15)
    assert target.state == "open"
    assert target.acquire(14 + 20 * 1.2) is not None, "the stale probe blocks nobody"


def test_an_early_success_may_be_followed_by_one_failure():
    target = breaker(consecutive_failures=1)
    permit = target.acquire(0)
    assert permit is not None
    permit.report(SUCCESS, 0)
    permit.report(FAILURE, 1)
    assert target.state == "open"


@pytest.mark.parametrize("first", [FAILURE, NONE, COOL])
def test_otherwise_the_first_report_counts(first: Verdict):
    target = breaker(consecutive_failures=2)
    permit = target.acquire(0)
    assert permit is not None
    permit.report(first, 0)
    for _ in range(10):
        permit.report(FAILURE, 0)
    assert target.state == "closed"


def early_probe() -> tuple[Breaker, Permit]:
    """Closed by the success a probe told while its stream still ran."""
    target = tripped(success_threshold=1, consecutive_failures=2)
    probe = target.acquire(20)
    assert probe is not None
    probe.report(SUCCESS, 30)
    assert target.state == "closed"
    return target, probe


def test_a_probe_that_breaks_after_its_early_success_counts_as_one_failure():
    target, probe = early_probe()
    probe.report(FAILURE, 40)
    probe.report(FAILURE, 40)
    assert target.state == "closed"
    tell(target, 41, FAILURE)
    assert target.state == "open"


def test_a_probe_that_breaks_late_tells_an_open_breaker_nothing():
    target, probe = early_probe()
    tell(target, 35, FAILURE, FAILURE)
    shut = target.retry_in(36)
    probe.report(FAILURE, 36)
    assert target.state == "open"
    assert target.retry_in(36) == shut


def test_a_stream_that_breaks_late_ends_the_half_open_state_it_helped_to():
    target = tripped(success_threshold=2)
    probe = target.acquire(20)
    assert probe is not None
    probe.report(SUCCESS, 30)
    assert target.state == "half-open"
    probe.report(FAILURE, 31)
    assert target.state == "open"


def test_stale_reports_change_nothing():
    target = breaker()
    old = [target.acquire(0) for _ in range(20)]
    tell(target, 0, *[FAILURE] * 5)
    for permit in old:
        assert permit is not None
        permit.report(SUCCESS, 1)
    assert target.state == "open"
    probe = target.acquire(10)
    assert probe is not None
    for permit in old:
        assert permit is not None
        permit.report(FAILURE, 10)
    assert target.state == "half-open"
    assert target.acquire(10) is None


def test_open_time_doubles_up_to_its_bound_and_starts_over_once_closed():
    target, now, waits = tripped(), 0.0, []
    for _ in range(8):
        waits.append(target.retry_in(now))
        now += waits[-1]
        tell(target, now, FAILURE)
    assert waits == pytest.approx([10, 20, 40, 80, 160, 300, 300, 300])
    now += target.retry_in(now)
    tell(target, now, SUCCESS, SUCCESS)
    tell(target, now, *[FAILURE] * 5)
    assert target.retry_in(now) == pytest.approx(10)


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 8.0), (0.5, 10.0), (0.999, 11.996)])
def test_open_time_is_jittered(jitter: float, wait: float):
    target = breaker(jitter)
    tell(target, 0, *[FAILURE] * 5)
    assert target.retry_in(0) == pytest.approx(wait)
    assert target.acquire(wait - 0.01) is None
    assert target.acquire(wait + 0.01) is not None


def test_c01_a_cool_down_is_the_longer_of_old_and_new():
    target = breaker()
    permits = [target.acquire(0) for _ in range(3)]
    for permit, wait, until in zip(permits, (5.0, 30.0, 2.0), (5, 30, 30), strict=True):
        assert permit is not None
        permit.report(COOL, 0, wait)
        assert target.retry_in(0) == until
    assert target.objection(10) == ("cooling_down", 20)
    assert target.state == "closed"
    assert target.acquire(29.9) is None
    assert target.acquire(30) is not None


def test_a_pause_that_others_were_asked_for_counts_too():
    target = breaker()
    tell(target, 0, COOL)
    target.cool(20.0)
    target.cool(10.0)
    assert target.objection(0) == ("cooling_down", 20)
    assert target.acquire(20) is not None


def test_a_rate_limit_without_a_time_cools_for_a_second():
    target = breaker()
    tell(target, 0, COOL)
    assert target.retry_in(0) == 1.0


def test_a_stale_rate_limit_still_cools():
    target = breaker()
    late = target.acquire(0)
    tell(target, 0, *[FAILURE] * 5)
    assert late is not None
    late.report(COOL, 1, 100)
    assert target.retry_in(1) == 100
    assert detail(target, 1) == "breaker_open"
    assert detail(target, 50) == "cooling_down"
    assert target.acquire(50) is None


class Machine(RuleBasedStateMachine):
    """Any order of permits, reports, orders and news of others, judged by a plain account of what a breaker owes its
    callers."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(BreakerSettings(consecutive_failures=3, minimum_volume=6), lambda: 0.5)
        self.outstanding: list[Permit] = []

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=permits, is_last=st.booleans())
    def acquire(self, is_last: bool) -> Permit | None:
        before, objection = self.breaker.state, self.breaker.objection(self.now)
        permit = self.breaker.acquire(self.now, is_last)
        if objection is None or (is_last and objection.detail == "slow_start"):
            assert permit is not None
        elif self.breaker.retry_in(self.now) > 0:
            assert permit is None
        if before == "open" and permit is not None:
            assert self.breaker.state == "half-open"
        if self.breaker.state == "half-open" and permit is not None:
            assert self.breaker.acquire(self.now, is_last) is None, "a second probe"
        if permit is not None:
            self.outstanding.append(permit)
        return permit

    @rule(permit=consumes(permits), verdict=st.sampled_from(list(Verdict)), again=st.booleans())
    def report(self, permit: Permit | None, verdict: Verdict, again: bool) -> None:
        if permit is None:
            return
        before = self.breaker.state
        permit.report(verdict, self.now, 1.0)
        allowed = {"closed": {"closed", "open"}, "open": {"open"}, "half-open": {"half-open", "open", "closed"}}
        assert self.breaker.state in allowed[before]
        if verdict not in (SUCCESS, FAILURE):
            assert self.breaker.state == before
        if again:
            settled = self.breaker.state
            permit.report(NONE, self.now)
            permit.report(SUCCESS, self.now)
            assert self.breaker.state == settled, "a second report counted"
        if permit in self.outstanding:
            self.outstanding.remove(permit)

    @rule(seconds=st.sampled_from([1.0, 30.0]))
    def force_open(self, seconds: float) -> None:
        self.breaker.force_open(self.now, seconds)
        assert self.breaker.acquire(self.now, True) is None
        assert self.breaker.forced_for(self.now) == pytest.approx(seconds)

    @rule()
    def reset(self) -> None:
        self.breaker.reset(self.now)
        assert self.breaker.objection(self.now) is None

    @rule(is_open=st.booleans(), seconds=st.sampled_from([0.0, 3.0, 30.0]), is_forced=st.booleans())
    def adopt(self, is_open: bool, seconds: float, is_forced: bool) -> None:
        self.breaker.adopt(Standing(is_open, seconds, 2, is_open and is_forced), self.now)
        assert self.breaker.standing(self.now).is_open is is_open
        assert self.breaker.standing(self.now).trips == 2

    @precondition(lambda self: self.breaker.state != "closed")
    @rule()
    def everybody_leaves(self) -> None:
        """Whatever happened, once nothing is under way somebody may probe again, sooner or later."""
        for permit in self.outstanding:
            permit.report(NONE, self.now)
        self.outstanding.clear()
        self.now += self.breaker.retry_in(self.now)
        probe = self.breaker.acquire(self.now)
        assert probe is not None
        probe.report(NONE, self.now)

    @invariant()
    def waits_are_bounded(self) -> None:
        assert 0 <= self.breaker.retry_in(self.now) <= 300 * 1.2


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40)
