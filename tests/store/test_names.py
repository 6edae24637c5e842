"""One family, one slot: a script may touch any keys of a family at once, in a cluster too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from proxy.store import names

parts = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1)
words = st.text(min_size=1) | st.text("{}%a:/", min_size=1)


def slot(key: str) -> int:
    return key_slot(key.encode())


@given(parts, parts)
def test_records_lie_together(one: str, other: str):
    assert slot(names.of_records(one)) == slot(names.of_records(other)) == slot(names.CHANGES)


@given(words, parts, parts)
def test_what_a_tenant_has_lies_together(tenant: str, one: str, other: str):
    assert slot(names.of_tenant(tenant, one)) == slot(names.of_tenant(tenant, other))


@given(words, parts, parts)
def test_what_a_target_has_lies_together(target: str, one: str, other: str):
    assert slot(names.of_target(target, one)) == slot(names.of_target(target, other))


@given(words, words, parts)
def test_different_names_have_different_keys(one: str, other: str, part: str):
    keys = [names.of_records(part)]
    for name in dict.fromkeys((one, other)):
        keys += [names.of_tenant(name, part), names.of_target(name, part)]
    assert len(set(keys)) == len(keys)


def test_tenants_are_spread_over_a_cluster():
    slots = {slot(names.of_tenant(f"tenant-{number}", "quota")) for number in range(1000)}
    assert len(slots) > 900


def test_how_they_look():
    assert names.of_records("keys") == "segue:{segue}:keys"
    assert names.of_tenant("acme", "quota") == "segue:tenant:{acme}:quota"
    assert names.of_target("openai/gpt-5", "breaker") == "segue:target:{openai/gpt-5}:breaker"
    assert names.of_tenant("a}{b%", "x") == "segue:tenant:{a%7D%7Bb%25}:x"


@pytest.mark.parametrize("of_family", [names.of_tenant, names.of_target])
def test_nobody_has_no_keys(of_family):
    with pytest.raises(ValueError, match="without a name"):
        of_family("", "quota")
