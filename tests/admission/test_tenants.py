"""Who asks, and whether they may: every way a key can be wrong is a 401 that says how, never an error of ours."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.admission.shared_keys import SharedKeys
from proxy.admission.tenants import authenticate, authorize
from proxy.canonical.origin import Origins
from proxy.errors import PermissionDenied, Unauthenticated
from proxy.runtime import keys
from proxy.runtime.snapshot import Key, ServerSettings, Snapshot

PEPPER = b"obviously fake pepper"
GOOD = keys.compose("abcd1234", "ObviouslyFake0123456789012345678")
OTHER = keys.compose("wxyz5678", "ObviouslyFake0123456789012345678")
KEY = Key("abcd1234", "tenant", keys.digest(PEPPER, GOOD), expires=1000.0)
SNAPSHOT = Snapshot(ServerSettings(), {}, {KEY.digest: KEY}, PEPPER, Origins(b"an obviously fake secret"))


def ask(presented: list[str], now: float, *revoked: str) -> Key:
    """Without a store, and without a loop: nothing that the file decides may wait for anything."""
    asking = authenticate(SNAPSHOT, SharedKeys(None, lambda: 0.0, 60.0, revoked), presented, now, 0.0)
    with pytest.raises(StopIteration) as found:
        asking.send(None)
    return found.value.value


def test_a_known_key_is_its_tenant():
    assert ask([GOOD], 999.0) is KEY
    assert ask([GOOD, GOOD], 999.0) is KEY


@pytest.mark.parametrize(
    ("presented", "now", "words"),
    [
        ([], 0.0, "No API key was given"),
        ([GOOD, OTHER], 0.0, "Two different API keys"),
        ([OTHER], 0.0, "unknown here or has been revoked"),
        ([GOOD[:-1]], 0.0, "copied whole"),
        ([GOOD + " "], 0.0, "copied whole"),
        (["sk-something"], 0.0, "copied whole"),
        (["schlüssel"], 0.0, "copied whole"),
        (["\udcff"], 0.0, "copied whole"),
        ([GOOD], 1000.0, "expired"),
    ],
)
def test_every_wrong_key_is_told_how(presented: list[str], now: float, words: str):
    with pytest.raises(Unauthenticated, match=words) as told:
        ask(presented, now)
    assert all(key not in told.value.message for key in presented)


def test_a_revocation_wins_over_the_file():
    assert ask([GOOD], 0.0, "wxyz5678") is KEY
    with pytest.raises(Unauthenticated, match="has been revoked"):
        ask([GOOD], 0.0, "wxyz5678", "abcd1234")


@given(st.text(alphabet=st.characters(codec=None), min_size=1))
def test_no_key_is_an_error_of_ours(presented: str):
    with pytest.raises(Unauthenticated):
        ask([presented], 0.0)


@pytest.mark.parametrize(
    ("models", "model", "may"),
    [
        ((), "anything", True),
        (("fast",), "fast", True),
        (("fast",), "faster", False),
        (("fast*",), "faster", True),
        (("fast*", "slow"), "slow", True),
        (("fast*",), "slow", False),
        (("*",), "a/b:c", True),
    ],
)
def test_models_a_key_may_use(models: tuple[str, ...], model: str, may: bool):
    key = msgspec.structs.replace(KEY, models=models)
    if may:
        authorize(key, "generate", model)
    else:
        with pytest.raises(PermissionDenied) as denied:
            authorize(key, "generate", model)
        assert denied.value.param == "model"


def test_scopes():
    key = msgspec.structs.replace(KEY, scopes=("models",))
    authorize(key, "models")
    with pytest.raises(PermissionDenied, match="scope 'generate'"):
        authorize(key, "generate")
