"""Who is asked first: counted over many draws, and over many marks."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.origin import Origins, Seal
from proxy.canonical.request import OpaquePart, Request, Text, Thinking, ToolCall, Turn
from proxy.routing.candidates import Candidate, Operation, Place, Route, Target, eligible
from proxy.routing.selection import Load, order, owners_first
from proxy.routing.settings import Choice
from tests.dispatch.toy import target

PLAIN = Request("toy", "m", {}, turns=(Turn("user", (Text("hi"),)),))
WEIGHTS = st.lists(st.floats(0.1, 100.0), min_size=2, max_size=6)
ORIGINS = Origins(b"an obviously fake secret")


def stepped(*steps: Mapping[str, float], by: str = "weighted", **changes: Any) -> Route:
    """A route whose steps map the names of their candidates to weights."""
    names = [(name, Place(at, weight)) for at, step in enumerate(steps) for name, weight in step.items()]
    return Route(
        "m",
        tuple(target(name, **changes) for name, _ in names),
        places=tuple(place for _, place in names),
        choices=tuple(Choice(by) for _ in steps),
    )


def candidates(route: Route, *without: str) -> list[Candidate]:
    chosen, _ = eligible(route, PLAIN, Operation.GENERATE)
    return [candidate for candidate in chosen if candidate.target.name not in without]


def idle(target: Target) -> Load:
    return Load(0, 0.0)


def loaded(loads: Mapping[str, Load]) -> Callable[[Target], Load]:
    return lambda target: loads[target.name]


def names(found: list[Candidate]) -> list[str]:
    return [candidate.target.name for candidate in found]


def firsts(route: Route, load: Callable[[Target], Load], draws: int = 4000, without: str = "") -> Counter[str]:
    pick, members = random.Random(7).random, candidates(route, without)
    return Counter(names(order(route, members, load, pick, None))[0] for _ in range(draws))


def of_mark(route: Route, mark: str, *without: str) -> list[str]:
    return names(order(route, candidates(route, *without), idle, never, mark))


def never() -> float:
    raise AssertionError("nothing is to be drawn")


def test_a_route_of_single_steps_is_left_as_it_is():
    plain = Route("m", (target("a"), target("b")))
    chosen = candidates(plain)
    assert order(plain, chosen, loaded({}), never, None) is chosen
    assert order(plain, chosen, loaded({}), never, "a mark") is chosen
    assert owners_first(PLAIN, chosen) is chosen


def test_steps_come_in_order_whatever_is_drawn():
    route = stepped({"a": 1.0}, {"b": 1.0, "c": 9.0}, {"d": 1.0, "e": 0.0}, {"f": 1.0})
    pick = random.Random(7).random
    for _ in range(200):
        found = names(order(route, candidates(route), idle, pick, None))
        assert (found[0], set(found[1:3]), found[3:]) == ("a", {"b", "c"}, ["d", "e", "f"])


def test_who_cannot_serve_leaves_the_rest_in_their_steps():
    route = stepped({"a": 1.0, "b": 1.0}, {"c": 1.0, "d": 1.0})
    pick = random.Random(7).random
    for _ in range(50):
        found = names(order(route, candidates(route, "a", "d"), idle, pick, None))
        assert found == ["b", "c"]


@given(WEIGHTS)
def test_the_first_has_its_share_of_the_weights(weights: list[float]):
    route = stepped({f"t{number}": weight for number, weight in enumerate(weights)})
    draws = 4000
    counted = firsts(route, idle, draws)
    for number, weight in enumerate(weights):
        share = weight / sum(weights)
        # Five standard deviations of a share counted over so many draws.
        assert counted[f"t{number}"] / draws == pytest.approx(
            share, abs=5 * (share * (1 - share) / draws) ** 0.5 + 1e-3
        )


def test_of_the_others_each_has_its_share_of_the_rest():
    route = stepped({"a": 6.0, "b": 3.0, "c": 1.0})
    pick, counted = random.Random(7).random, Counter[str]()
    for _ in range(4000):
        first, second, _ = names(order(route, candidates(route), idle, pick, None))
        counted[second] += first == "a"
    assert counted["b"] / sum(counted.values()) == pytest.approx(0.75, abs=0.05)


def test_weight_0_is_for_when_the_others_are_gone():
    route = stepped({"spare": 0.0, "a": 1.0, "spare2": 0.0, "b": 1.0})
    pick = random.Random(7).random
    for mark in (None, "somebody"):
        for _ in range(100):
            assert names(order(route, candidates(route), idle, pick, mark))[2:] == ["spare", "spare2"]
    assert names(order(route, candidates(route, "a", "b"), idle, pick, None)) == ["spare", "spare2"]


def test_the_least_loaded_by_weight_comes_first():
    route = stepped({"a": 1.0, "b": 4.0, "spare": 0.0}, by="least_loaded")
    loads = {"a": Load(2, 0.0), "b": Load(6, 0.0), "spare": Load(0, 0.0)}
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["b", "a", "spare"]
    loads["b"] = Load(9, 0.0)
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["a", "b", "spare"]


def test_equally_loaded_ones_share_by_weight():
    counted = firsts(stepped({"a": 1.0, "b": 3.0}, by="least_loaded"), idle)
    assert counted["b"] / 4000 == pytest.approx(0.75, abs=0.05)


def test_the_lowest_latency_counts_what_runs_already():
    route = stepped({"fast": 1.0, "slow": 1.0}, by="lowest_latency")
    loads = {"fast": Load(0, 0.5), "slow": Load(0, 2.0)}
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["fast", "slow"]
    loads["fast"] = Load(4, 0.5)  # 0.5 s for each of five
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["slow", "fast"]


def test_who_was_never_measured_is_tried_by_one_request_at_a_time():
    route = stepped({"known": 1.0, "fresh": 1.0}, by="lowest_latency")
    loads = {"known": Load(3, 2.0), "fresh": Load(0, 0.0)}
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["fresh", "known"]
    loads["fresh"] = Load(1, 0.0)
    assert names(order(route, candidates(route), loaded(loads), lambda: 0.5, None)) == ["known", "fresh"]


@given(WEIGHTS, st.text())
def test_a_mark_decides_alone_and_always_the_same(weights: list[float], mark: str):
    for by in ("weighted", "least_loaded", "lowest_latency"):
        route = stepped({f"t{number}": weight for number, weight in enumerate(weights)}, by=by)
        assert of_mark(route, mark) == of_mark(route, mark)


def test_a_mark_means_the_same_after_every_start():
    route = stepped({"a": 1.0, "b": 1.0, "c": 1.0})
    assert [of_mark(route, mark)[0] for mark in ("one", "two", "three", "four", "\ud800")] == ["c", "b", "c", "a", "a"]


def test_marks_are_spread_by_weight():
    route = stepped({"a": 1.0, "b": 3.0})
    counted = Counter(of_mark(route, f"session {number}")[0] for number in range(4000))
    assert counted["b"] / 4000 == pytest.approx(0.75, abs=0.05)


@given(WEIGHTS.filter(lambda weights: len(weights) > 2), st.lists(st.text(), min_size=20, max_size=20), st.data())
def test_when_one_goes_only_its_own_requests_move(weights: list[float], marks: list[str], data: st.DataObject):
    route = stepped({f"t{number}": weight for number, weight in enumerate(weights)})
    gone = f"t{data.draw(st.integers(0, len(weights) - 1))}"
    for mark in marks:
        before = of_mark(route, mark)
        assert of_mark(route, mark, gone) == [name for name in before if name != gone]


def sealed(name: str, **changes: Any) -> Target:
    return target(name, seal=Seal(ORIGINS, ORIGINS.origin(name, "key")), **changes)


def thought(owner: str) -> Thinking:
    return Thinking("hm", ORIGINS.tag(ORIGINS.origin(owner, "key"), "signature", "opaque"))


def conversation(*parts: Any) -> Request:
    return Request("toy", "m", {}, turns=tuple(Turn("assistant", (Text("so"), part)) for part in parts))


CHAIN = Route("m", (sealed("a"), sealed("b"), sealed("c")))


def owners(*parts: Any, route: Route = CHAIN) -> list[str]:
    chosen, _ = eligible(route, PLAIN, Operation.GENERATE)
    return names(owners_first(conversation(*parts), chosen))


def test_s04_who_thought_it_is_asked_first():
    assert owners(thought("b")) == ["b", "a", "c"]
    assert owners(thought("c"), ToolCall("id", "name", "{}")) == ["c", "a", "b"]


def test_s04_of_several_the_newest_counts_most():
    assert owners(thought("c"), thought("b")) == ["b", "c", "a"]
    assert owners(thought("b"), thought("c"), thought("b")) == ["b", "c", "a"]


def test_s04_it_comes_before_steps_weights_and_marks():
    route = Route("m", CHAIN.candidates, places=(Place(0), Place(1), Place(1, 0.0)), choices=(Choice(), Choice()))
    chosen, _ = eligible(route, PLAIN, Operation.GENERATE)
    for mark in ("x", "y", "z"):
        ordered = order(route, chosen, idle, lambda: 0.5, mark)
        assert names(owners_first(conversation(thought("c")), ordered)) == ["c", "a", "b"]


def test_material_of_other_kinds_has_an_owner_too():
    tagged = thought("c").material
    assert owners(OpaquePart("toy", "compaction", {}, material=tagged)) == ["c", "a", "b"]
    assert owners(OpaquePart("toy", "unknown", {})) == ["a", "b", "c"]


def test_untagged_material_belongs_to_the_routes_first():
    assert owners(Thinking("hm", "never tagged")) == ["a", "b", "c"]
    step = Route("m", CHAIN.candidates, places=(Place(0), Place(0), Place(0)), choices=(Choice(),))
    chosen, _ = eligible(step, PLAIN, Operation.GENERATE)
    for draw in (0.1, 0.5, 0.9):
        ordered = order(step, chosen[::-1], idle, lambda draw=draw: draw, None)
        assert names(owners_first(conversation(Thinking("hm", "never tagged")), ordered))[0] == "a"


def test_nobodys_material_changes_nothing():
    assert owners(thought("somebody else")) == ["a", "b", "c"]
    assert owners(Thinking("hm", "sg1.")) == ["a", "b", "c"]
    assert owners(Thinking("hm")) == ["a", "b", "c"]
