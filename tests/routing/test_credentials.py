"""When a credential is doubted, and when it is trusted again; its targets' health is another matter."""

import pytest

from proxy.errors import Verdict
from proxy.routing.breaker import Breaker, BreakerSettings
from proxy.routing.credentials import CredentialBreaker

SUCCESS, REJECTED = Verdict.SUCCESS, Verdict.CREDENTIAL


def pair() -> tuple[CredentialBreaker, Breaker]:
    """A credential, and a target that uses it."""
    credential = CredentialBreaker(lambda: 0.5, lambda breaker, change: None, lambda breaker: True)
    target = Breaker(BreakerSettings(), lambda: 0.5)
    target.credential = credential
    return credential, target


def tell(target: Breaker, now: float, *verdicts: Verdict) -> None:
    for verdict in verdicts:
        permit = target.acquire(now)
        assert permit is not None
        permit.report(verdict, now)


def test_three_rejections_in_a_row():
    credential, target = pair()
    assert credential.sound
    tell(target, 0, REJECTED, REJECTED)
    assert credential.state == "closed"
    assert not credential.sound
    tell(target, 0, REJECTED)
    assert credential.objection(0) == ("breaker_open", 30)


@pytest.mark.parametrize("verdict", [Verdict.NONE, Verdict.FAILURE, Verdict.COOL_DOWN])
def test_what_says_nothing_of_a_credential_does_not_end_the_row(verdict: Verdict):
    credential, target = pair()
    tell(target, 0, REJECTED, verdict)
    tell(target, 10, REJECTED, REJECTED)
    assert credential.state == "open"


def test_a_success_ends_the_row():
    credential, target = pair()
    for _ in range(20):
        tell(target, 0, REJECTED, REJECTED, SUCCESS)
    assert credential.state == "closed"
    assert credential.sound


def test_it_is_never_a_matter_of_the_targets_health():
    _, target = pair()
    tell(target, 0, *[REJECTED] * 100)
    assert target.state == "closed"
    assert target.volume(0) == (0, 0)


def test_a_probe_finds_out():
    credential, target = pair()
    tell(target, 0, *[REJECTED] * 3)
    for now, verdict, state in ((30, REJECTED, "open"), (90, Verdict.NONE, "half-open"), (91, SUCCESS, "closed")):
        beside = credential.acquire(now)
        permit = target.acquire(now)
        assert beside is not None
        assert permit is not None
        assert beside.is_probe
        assert credential.acquire(now) is None
        permit.beside = beside
        permit.report(verdict, now)
        assert credential.state == state
    assert credential.sound
    tell(target, 92, *[REJECTED] * 3)
    assert credential.retry_in(92) == 30, "the first trip again"


def test_a_success_elsewhere_closes_it():
    credential, target = pair()
    under_way = target.acquire(0)
    tell(target, 0, *[REJECTED] * 3)
    assert credential.acquire(1) is None
    assert under_way is not None
    under_way.report(SUCCESS, 1)
    assert credential.sound
    assert credential.state == "closed"
    assert credential.acquire(1) is not None, "at once, for everybody"


def test_late_rejections_change_nothing():
    credential, target = pair()
    late = [target.acquire(0) for _ in range(10)]
    tell(target, 0, *[REJECTED] * 3)
    for permit in late:
        assert permit is not None
        permit.report(REJECTED, 20)
    assert credential.retry_in(20) == 10


def test_orders_count_for_credentials_too():
    credential, target = pair()
    credential.force_open(0, 50)
    assert not credential.sound
    assert credential.objection(0) == ("forced_open", 50)
    credential.reset(1)
    assert credential.sound
    tell(target, 1, REJECTED)
    credential.reset(2)
    assert credential.sound
