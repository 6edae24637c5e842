"""Origin tags: what left for one target comes back to it alone, and nobody else can write one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.origin import Material, Origins, Seal, is_tagged

ORIGINS = Origins(b"an obviously fake secret")
HOME = ORIGINS.origin("family-a", "key-1")
SEAL = Seal(ORIGINS, HOME)
TAG = SEAL.close("signature", "opaque.payload with.dots==")


def test_material_comes_home():
    assert SEAL.open(TAG) == Material(HOME, "signature", "opaque.payload with.dots==")


@pytest.mark.parametrize("elsewhere", [("family-b", "key-1"), ("family-a", "key-2")])
def test_material_of_another_family_or_credential_is_foreign(elsewhere: tuple[str, str]):
    origin = ORIGINS.origin(*elsewhere)
    assert origin != HOME
    assert Seal(ORIGINS, origin).open(TAG) is None


def test_untagged_material_goes_to_the_first_candidate_only():
    assert SEAL.open("never tagged") == Material(HOME, "", "never tagged")
    assert SEAL._replace(takes_untagged=False).open("never tagged") is None
    assert SEAL._replace(takes_untagged=False).open(TAG) is not None


@pytest.mark.parametrize("place", range(len("sg1."), len(TAG)))
def test_every_character_counts(place: int):
    for other in ("A", "B", ".", "é", "\ud800"):
        if TAG[place] != other:
            assert SEAL.open(TAG[:place] + other + TAG[place + 1 :]) is None


def test_a_tag_of_another_secret_is_forged():
    stranger = Origins(b"another fake secret!")
    assert SEAL.open(stranger.tag(HOME, "signature", "payload")) is None
    assert stranger.origin("family-a", "key-1") != HOME


@given(st.text(), st.text())
def test_whatever_a_client_sends_is_judged_without_an_error(text: str, payload: str):
    for forged in ("sg1." + text, f"sg1.{HOME}.signature.{text}.{payload}", TAG + text):
        assert is_tagged(forged)
        assert SEAL.open(forged) in (None, SEAL.open(TAG) if forged == TAG else None)


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_payload_survives(payload: str):
    assert SEAL.open(SEAL.close("redacted", payload)) == Material(HOME, "redacted", payload)


def test_an_origin_names_nobody():
    assert len(HOME) == 12
    assert "family" not in TAG
    assert "key-1" not in TAG
