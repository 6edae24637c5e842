"""How a column of the parameter table is applied: pass, rename, map, drop with a warning, ineligible."""

from typing import Any

import pytest

from proxy.canonical.account import Warning
from proxy.wire.parameters import NAMES, PARAMETERS, PASS, apply, dropped, ineligible, mapped, rename, unmet

COLUMN = {
    "temperature": PASS,
    "max_output_tokens": rename("max_tokens"),
    "stop": mapped(lambda words: {"stops": words[:2]} if words else None, "two at most"),
    "seed": dropped(neutral=(0,)),
    "n": ineligible("one answer only", neutral=(1,)),
}
NOTHING: frozenset[str] = frozenset()


def written(parameters: dict[str, Any], drop: frozenset[str] = NOTHING) -> tuple[dict[str, Any], list[Warning]]:
    members: dict[str, Any] = {"model": "m"}
    warnings = apply(parameters, COLUMN, drop, members)
    del members["model"]
    return members, warnings


@pytest.mark.parametrize(
    ("parameters", "members", "warned"),
    [
        ({}, {}, []),
        ({"temperature": 0.2}, {"temperature": 0.2}, []),
        ({"max_output_tokens": 9}, {"max_tokens": 9}, []),
        ({"stop": ["a", "b", "c"]}, {"stops": ["a", "b"]}, []),
        ({"stop": []}, {}, ["stop"]),
        ({"seed": 7}, {}, ["seed"]),
        ({"seed": 0}, {}, []),
        ({"n": 3}, {}, []),
    ],
)
def test_each_action(parameters: dict[str, Any], members: dict[str, Any], warned: list[str]):
    assert written(parameters) == (members, [Warning(name, "dropped") for name in warned])


@pytest.mark.parametrize("name", ["temperature", "max_output_tokens", "stop"])
def test_what_the_endpoint_rejects_is_dropped_and_said(name: str):
    assert written({name: ["x"]}, frozenset({name})) == ({}, [Warning(name, "dropped")])


def test_only_a_value_that_asks_for_something_makes_ineligible():
    assert unmet({"n": 2, "seed": 5, "temperature": 1}, COLUMN) == ["n"]
    assert unmet({"n": 1}, COLUMN) == []


def test_unhashable_values_are_fine():
    assert written({"seed": {"a": []}}) == ({}, [Warning("seed", "dropped")])
    assert unmet({"n": [1]}, COLUMN) == ["n"]


def test_every_row_is_there_once():
    assert len(NAMES) == len(PARAMETERS)
    assert all(parameter.meaning for parameter in PARAMETERS)
