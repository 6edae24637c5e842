"""The breakers of one process: who is let through, what is said to whom is not, and what a configuration changes."""

import time

import msgspec
import pytest

from proxy.dispatch.breakers import Breakers
from proxy.errors import Again, Cause, Next, Reason, Verdict
from proxy.routing.breaker import Permit
from proxy.routing.candidates import Target
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from tests.dispatch.fleet import target

SUCCESS, FAILURE, NONE, COOL, REJECTED = (
    Verdict.SUCCESS,
    Verdict.FAILURE,
    Verdict.NONE,
    Verdict.COOL_DOWN,
    Verdict.CREDENTIAL,
)


class Scene:
    """Two targets with one key, a third with another, and a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.moved: list[tuple[str, str]] = []
        self.breakers = Breakers(
            Clocks(lambda: self.now, lambda: 5e8 + self.now),
            lambda: 0.5,
            lambda name, to: self.moved.append((name, to)),
        )
        self.a, self.b = target("a", open_time=10.0), target("b", open_time=10.0)
        self.other = target("other", "another key")
        self.breakers.keep([self.a, self.b, self.other])

    @property
    def states(self) -> dict[str, str]:
        """Of the targets' breakers."""
        return {row.target: row.state for row in self.breakers.table() if row.credential}

    def acquire(self, of: Target) -> Permit:
        permit = self.breakers.acquire(of)
        assert permit is not None
        return permit

    def tell(self, of: Target, *verdicts: Verdict, retry_after: float | None = None) -> None:
        for verdict in verdicts:
            self.acquire(of).report(verdict, self.now, retry_after)

    def refused(self, of: Target) -> tuple[str | None, float | None]:
        """Why, and for how long."""
        assert self.breakers.acquire(of) is None
        fault = self.breakers.refusal(of)
        return fault.detail, fault.retry_after


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_an_open_breaker(scene: Scene):
    scene.tell(scene.a, FAILURE)
    scene.now += 3
    assert scene.refused(scene.a) == ("breaker_open", 7.0)
    assert scene.breakers.acquire(scene.b) is not None


def test_a_pause(scene: Scene):
    scene.tell(scene.a, COOL, retry_after=20.0)
    assert scene.refused(scene.a) == ("cooling_down", 20.0)
    assert scene.breakers.refusal(scene.a).cause is Cause.RATE_LIMITED
    scene.now += 20
    assert scene.breakers.acquire(scene.a) is not None


def test_a_probe_under_way(scene: Scene):
    scene.tell(scene.a, FAILURE)
    scene.now += 10
    probe = scene.acquire(scene.a)
    assert scene.refused(scene.a) == ("probe_pending", 1.0)
    probe.report(SUCCESS, scene.now)
    assert scene.moved == [("a", "open"), ("a", "half-open"), ("a", "closed")]


def test_a_slow_start(scene: Scene):
    slowly = target("a", open_time=10.0, slow_start=10.0)
    scene.breakers.keep([slowly])
    scene.tell(slowly, FAILURE)
    scene.now += 10
    scene.tell(slowly, SUCCESS, NONE)
    assert scene.refused(slowly) == ("slow_start", 1.0)
    assert scene.breakers.acquire(slowly, is_last=True) is not None


def test_an_order(scene: Scene):
    assert scene.breakers.force_open("a", 600)
    scene.now += 100
    assert scene.refused(scene.a) == ("forced_open", 500.0)
    assert scene.breakers.reset("a")
    assert scene.breakers.acquire(scene.a) is not None
    assert not scene.breakers.force_open("nobody", 600)
    assert not scene.breakers.reset("nobody")
    assert scene.moved == [], "no outcome moved it"


@pytest.mark.parametrize("detail", ["breaker_open", "probe_pending", "forced_open"])
def test_refusals_are_the_circuit_breakers(scene: Scene, detail: str):
    if detail == "forced_open":
        scene.breakers.force_open("a", 10)
    else:
        scene.tell(scene.a, FAILURE)
    if detail == "probe_pending":
        scene.now += 10
        scene.acquire(scene.a)
    fault = scene.breakers.refusal(scene.a)
    assert (fault.detail, fault.policy.reason, fault.policy.next) == (detail, Reason.CIRCUIT_BREAKER, Next.YES)


def test_what_is_over_by_the_time_somebody_asks_why(scene: Scene):
    fault = scene.breakers.refusal(scene.a)
    assert (fault.detail, fault.retry_after) == ("probe_pending", 0.1)


def test_a_credential_that_is_rejected_three_times(scene: Scene):
    scene.tell(scene.a, REJECTED, REJECTED)
    scene.tell(scene.b, REJECTED)
    for each in (scene.a, scene.b):
        assert scene.refused(each) == ("credential_rejected", 30.0)
        fault = scene.breakers.refusal(each)
        assert (fault.cause, fault.policy.reason) == (Cause.CREDENTIAL_REJECTED, Reason.AUTH_ERROR)
    assert scene.breakers.acquire(scene.other) is not None
    assert scene.states == {"a": "closed", "b": "closed", "other": "closed"}, "their health is another matter"
    assert scene.moved == [("credential:key", "open")]


def test_a_success_of_any_target_ends_the_row(scene: Scene):
    scene.tell(scene.a, REJECTED, REJECTED)
    scene.tell(scene.b, SUCCESS)
    scene.tell(scene.a, REJECTED, REJECTED)
    assert scene.breakers.acquire(scene.a) is not None


def test_a_credential_is_probed_by_one_request_of_any_target(scene: Scene):
    late = scene.acquire(scene.a)
    scene.tell(scene.a, REJECTED, REJECTED, REJECTED)
    scene.now += 30
    probe = scene.acquire(scene.b)
    assert scene.refused(scene.a) == ("credential_rejected", 1.0)
    assert scene.breakers.refusal(scene.a).policy.again is Again.LAST_RESORT, "it may be accepted again in a moment"
    probe.report(REJECTED, scene.now)
    assert scene.refused(scene.b) == ("credential_rejected", 60.0)
    assert scene.breakers.refusal(scene.b).policy.again is Again.NO
    scene.now += 60
    scene.acquire(scene.a).report(NONE, scene.now)
    scene.acquire(scene.a).report(SUCCESS, scene.now)
    assert scene.breakers.acquire(scene.b) is not None
    late.report(REJECTED, scene.now)
    assert scene.breakers.acquire(scene.b) is not None, "one is not three"


def test_a_target_that_is_ill_does_not_take_the_credentials_probe(scene: Scene):
    scene.tell(scene.a, REJECTED, REJECTED)
    late = scene.acquire(scene.a)
    scene.breakers.force_open("a", 1000)
    late.report(REJECTED, scene.now)
    assert scene.refused(scene.a) == ("credential_rejected", 1000.0), "the longer wait of the two"
    scene.now += 30
    assert scene.breakers.acquire(scene.a) is None
    assert scene.breakers.acquire(scene.b) is not None


def test_a_late_success_trusts_the_credential_again(scene: Scene):
    late = scene.acquire(scene.b)
    scene.tell(scene.a, REJECTED, REJECTED, REJECTED)
    late.report(SUCCESS, scene.now)
    assert scene.breakers.acquire(scene.a) is not None


def test_credentials_can_be_ordered_about(scene: Scene):
    assert scene.breakers.force_open("credential:key", 50)
    assert scene.refused(scene.b) == ("forced_open", 50.0)
    assert scene.breakers.reset("credential:key")
    scene.tell(scene.a, REJECTED, REJECTED, REJECTED)
    assert scene.breakers.reset("b")
    assert scene.breakers.acquire(scene.a) is not None, "a target's reset is its credential's too"
    for name in ("key", "credential:", "credential:nobody"):
        assert not scene.breakers.reset(name)


def test_the_table(scene: Scene):
    scene.tell(scene.a, SUCCESS, SUCCESS, FAILURE)
    scene.breakers.force_open("other", 60)
    scene.tell(scene.b, COOL, retry_after=5.0)
    rows = {row.target: row for row in scene.breakers.table()}
    assert list(rows) == ["a", "b", "other", "credential:key", "credential:another key"]
    assert (rows["a"].state, rows["a"].detail, rows["a"].retry_in) == ("open", "breaker_open", 10.0)
    assert (rows["a"].successes, rows["a"].failures, rows["a"].credential) == (2, 1, "key")
    assert (rows["b"].state, rows["b"].detail, rows["b"].retry_in) == ("closed", "cooling_down", 5.0)
    assert (rows["other"].state, rows["other"].forced_until) == ("open", 500_001_060.0)
    assert rows["a"].forced_until is None
    assert (rows["credential:key"].state, rows["credential:key"].credential) == ("closed", "")


def test_what_the_configuration_drops_is_forgotten(scene: Scene):
    scene.tell(scene.a, FAILURE)
    scene.tell(scene.other, REJECTED, REJECTED, REJECTED)
    scene.breakers.keep([scene.a])
    assert scene.breakers.names() == ["a", "credential:key"]
    assert scene.refused(scene.a)[0] == "breaker_open"
    scene.breakers.keep([scene.a, scene.other])
    assert scene.breakers.acquire(scene.other) is not None


def test_requests_of_an_earlier_configuration_go_on(scene: Scene):
    late = scene.acquire(scene.b)
    scene.breakers.keep([scene.a])
    late.report(REJECTED, scene.now)
    assert scene.breakers.acquire(scene.b) is not None
    scene.tell(scene.b, FAILURE)
    assert scene.breakers.refusal(scene.b).detail == "breaker_open"
    assert scene.states == {"a": "closed"}
    assert not [row for row in scene.breakers.table() if row.target == "b"]


def test_changed_settings_make_a_new_one(scene: Scene):
    late = scene.acquire(scene.a)
    scene.tell(scene.a, FAILURE)
    changed = target("a", open_time=10.0, consecutive_failures=2)
    scene.breakers.keep([changed])
    assert scene.breakers.acquire(changed) is not None
    assert scene.breakers.acquire(scene.a) is not None, "whoever began earlier asks the same one"
    late.report(FAILURE, scene.now)
    scene.tell(changed, FAILURE)
    assert scene.states == {"a": "closed"}, "one of two: the late one told another"


def test_a_target_can_get_another_credential(scene: Scene):
    scene.tell(scene.a, REJECTED, REJECTED, REJECTED)
    renewed = target("a", "renewed", open_time=10.0)
    scene.breakers.keep([renewed, scene.b])
    assert scene.breakers.acquire(renewed) is not None
    assert scene.refused(scene.b)[0] == "credential_rejected"


def test_a_changed_key_is_trusted_again(scene: Scene):
    scene.tell(scene.a, REJECTED, REJECTED, REJECTED)
    scene.breakers.keep([scene.a, scene.b])
    assert scene.refused(scene.b)[0] == "credential_rejected"
    scene.breakers.keep(
        [msgspec.structs.replace(each, headers=(("authorization", "Bearer another"),)) for each in (scene.a, scene.b)]
    )
    assert scene.breakers.acquire(scene.b) is not None


def test_a_target_may_be_called_like_a_credential():
    """The configuration does not allow it, but nothing may break if it did."""
    breakers = Breakers(Clocks(), lambda: 0.5)
    named, other = target("credential:key"), target("x")
    permit = breakers.acquire(named)
    assert permit is not None
    permit.report(FAILURE, time.monotonic())
    assert breakers.acquire(named) is None
    assert breakers.acquire(other) is not None


def test_transitions_are_counted():
    metrics = Metrics()
    breakers = Breakers(Clocks(), lambda: 0.5, metrics.breaker_moved)
    permit = breakers.acquire(target("a"))
    assert permit is not None
    permit.report(FAILURE, time.monotonic())
    assert b"segue_breaker_transitions" in metrics.capture()
