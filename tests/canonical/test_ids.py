"""Ids: their form, that they are functions of their seed, and that they never collide."""

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.ids import call_id, derived, fitted_call_id, item_id

OURS = re.compile(r"call_[0-9A-Za-z]{24}")


@given(st.text("0123456789abcdef", min_size=22, max_size=22), st.integers(0, 1000))
def test_items_have_a_prefix_and_thirty_two_alphanumerics(seed: str, index: int):
    made = item_id("msg_", seed, index)
    assert re.fullmatch(r"msg_[0-9A-Za-z]{32}", made)
    assert made == item_id("msg_", seed, index)
    assert made not in (item_id("rs_", seed, index), item_id("msg_", seed, index + 1))


@given(st.text(), st.integers(0, 100), st.text())
def test_calls_have_one_form(seed: str, block: int, upstream: str):
    made = call_id(seed, block, upstream)
    assert OURS.fullmatch(made)
    assert call_id("another seed", 7, made) == made


def test_only_the_whole_form_is_kept():
    kept = "call_" + "a1B2" * 6
    assert call_id("seed", 0, kept) == kept
    for other in (kept + "x", kept[:-1], kept + "\n", "x" + kept, "call_" + "é" * 24):
        assert call_id("seed", 0, other) != other


def test_parallel_calls_of_one_name_never_collide():
    made = {call_id("seed", block, upstream) for block in range(500) for upstream in ("", "call_0", "weather")}
    assert len(made) == 1500
    assert len({item_id("fc_", "seed", index) for index in range(2000)}) == 2000


def test_another_seed_gives_other_ids():
    assert len({call_id(str(seed), 0, "same") for seed in range(2000)}) == 2000


@given(st.text(), st.sampled_from(["abc123", "0123456789ABCDEFabcdef"]), st.integers(1, 40))
def test_a_fitted_id_keeps_to_its_alphabet_and_length(ours: str, alphabet: str, length: int):
    fitted = fitted_call_id(ours, alphabet, length)
    assert len(fitted) == length
    assert set(fitted) <= set(alphabet)
    assert fitted == fitted_call_id(ours, alphabet, length)


def test_nine_alphanumerics_suffice():
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert len({fitted_call_id(call_id("s", n, ""), alphabet, 9) for n in range(5000)}) == 5000


def test_parts_are_kept_apart():
    assert derived(24, "ab", "c") != derived(24, "a", "bc")
