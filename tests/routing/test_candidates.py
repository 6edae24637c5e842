"""Eligibility comes before order; an overflow asks only for larger windows."""

from typing import Any

import pytest

from proxy.canonical.request import Image, Request, Text, ToolResult, Turn
from proxy.routing.candidates import Operation, Route, eligible, larger_windows, no_capable_candidate
from tests.dispatch.toy import candidate, target

PLAIN = Request("toy", "m", {}, turns=(Turn("user", (Text("hi"),)),))
MANY = Request("toy", "m", {}, parameters={"n": 2})
PICTURED = Request("toy", "m", {}, turns=(Turn("tool", (ToolResult("c", (Image(url="http://x"),)),)),))


def route(*targets: dict[str, Any]) -> Route:
    return Route("m", tuple(target(f"t{number}", **changes) for number, changes in enumerate(targets)))


def names(found: Any) -> list[str]:
    return [each.target.name for each in found]


def test_order_is_the_routes():
    chosen, refused = eligible(route({}, {}, {}), PLAIN, Operation.GENERATE)
    assert names(chosen) == ["t0", "t1", "t2"]
    assert refused == []
    assert chosen[1].url == "http://provider.test/t1"


def test_only_the_first_target_is_given_untagged_material():
    chosen, _ = eligible(route({}, {}), PLAIN, Operation.GENERATE)
    assert [each.peer.seal.takes_untagged for each in chosen] == [True, False]
    without_first, _ = eligible(route({"takes_images": False}, {}), PICTURED, Operation.GENERATE)
    assert [each.peer.seal.takes_untagged for each in without_first] == [False]


def test_images_even_inside_results_need_a_target_that_takes_them():
    chosen, refused = eligible(
        route({"takes_images": False}, {"takes_images": True}, {"takes_images": None}), PICTURED, Operation.GENERATE
    )
    assert names(chosen) == ["t1", "t2"]
    assert [(each.target.name, each.objection.param) for each in refused] == [("t0", "image")]
    assert names(eligible(route({"takes_images": False}), PLAIN, Operation.GENERATE)[0]) == ["t0"]


def test_what_its_provider_does_not_offer_nobody_asks_of_it():
    chosen, refused = eligible(route({}, {"operations": {}}), PLAIN, Operation.EMBEDDINGS)
    assert chosen == []
    assert [each.objection.message for each in refused] == ["its provider offers no embeddings"] * 2


def test_nobody_left_names_the_field():
    chosen, refused = eligible(route({}, {}), MANY, Operation.GENERATE)
    assert chosen == []
    told = no_capable_candidate(MANY, refused)
    assert told.param == "n"
    assert "t0: one answer only; t1: one answer only" in told.message


@pytest.mark.parametrize(
    ("own", "windows", "larger"),
    [
        (8, [8, 4, 16, 9], ["t2", "t3"]),
        (8, [None, 16], ["t1"]),
        (None, [None, 4], ["t0", "t1"]),
        (8, [], []),
    ],
)
def test_larger_windows(own: int | None, windows: list[int | None], larger: list[str]):
    others = [candidate(target(f"t{number}", context_window=window)) for number, window in enumerate(windows)]
    assert names(larger_windows(others, target("own", context_window=own))) == larger


def test_the_same_model_elsewhere_has_the_same_window():
    assert larger_windows([candidate(target("elsewhere", model="own"))], target("own")) == []
