"""Effort words and budgets, and what becomes of them where a model does not take every word."""

import pytest

from proxy.canonical.request import Reasoning
from proxy.wire.effort import BUDGETS, WORDS, nearest, of_budget, wanted


@pytest.mark.parametrize(
    ("word", "taken", "expected"),
    [
        ("xhigh", None, "xhigh"),
        ("xhigh", ("low", "high", "max"), "high"),
        ("minimal", ("none", "low", "high"), "low"),
        ("none", ("minimal", "low"), "minimal"),
        ("none", ("none", "low"), "none"),
        ("max", ("low",), "low"),
        ("low", ("none",), "none"),
        ("ultra", ("low",), "ultra"),
        ("low", (), "low"),
    ],
)
def test_nearest(word: str, taken: tuple[str, ...] | None, expected: str):
    assert nearest(word, taken) == expected


def test_a_budget_is_the_word_it_suffices_for():
    for word in ("low", "medium", "high", "xhigh"):
        assert of_budget(BUDGETS[word]) == word
    assert of_budget(1) == "low"
    assert of_budget(BUDGETS["xhigh"] + 1) == "max"


@pytest.mark.parametrize(
    ("reasoning", "unknown", "known"),
    [
        (Reasoning(disabled=True), "none", "none"),
        (Reasoning(effort="max"), "xhigh", "max"),
        (Reasoning(effort="minimal"), "minimal", "minimal"),
        (Reasoning(budget=64_000), "high", "max"),
        (Reasoning(budget=64_000, adaptive=True), None, None),
        (Reasoning(), None, None),
    ],
)
def test_what_is_wanted_of_a_model(reasoning: Reasoning, unknown: str | None, known: str | None):
    assert wanted(reasoning, None) == unknown
    assert wanted(reasoning, WORDS) == known
