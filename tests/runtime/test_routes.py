"""Routes of several steps: places, choices, other routes inlined; and what is said about failing and waiting."""

import pickle

import pytest

from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Place, Route
from proxy.routing.settings import Affinity, Choice, Concurrency, Hedging, Retries, Timeouts
from proxy.runtime.build import build_snapshot
from tests.runtime.sample import RIGHT, changed, configured, loaded, problems

TWO = "- openai/gpt-6.1-sol\n      - anthropic/claude-opus-5-5"


def text(candidates: str, more: str = "", others: str = "", defaults: str = "") -> str:
    """The route `gpt` with these candidates (one a line), other settings of it, and other routes."""
    lines = "\n      ".join(candidates.splitlines())
    settings = "".join(f"    {line}\n" for line in more.splitlines())
    written = changed(TWO, lines).replace("tenants:", f"{settings}{others}tenants:")
    return f"{written}defaults: {{{defaults}}}\n" if defaults else written


def route(candidates: str, more: str = "", others: str = "", defaults: str = "") -> Route:
    return loaded(text(candidates, more, others, defaults)).routes["gpt"]


def names(found: Route) -> list[str]:
    return [target.name for target in found.candidates]


def other(name: str, *candidates: str, more: str = "") -> str:
    return f"  {name}:\n    candidates: [{', '.join(candidates)}]\n{more}"


def test_without_steps_there_are_no_places():
    plain = loaded(RIGHT).routes["gpt"]
    assert (plain.places, plain.choices) == ((), ())
    alone = route("- any: [openai/a]\n- openai/b")
    assert (names(alone), alone.places, alone.choices) == (["openai/a", "openai/b"], (), ())


def test_a_step_of_several():
    found = route(
        "- openai/first\n"
        "- choose: least_loaded\n"
        "  any:\n"
        "    - openai/a\n"
        "    - {provider: openai, model: b, weight: 2.5}\n"
        "    - {provider: openai, model: c, weight: 0}\n"
        "- openai/last"
    )
    assert names(found) == [f"openai/{name}" for name in ("first", "a", "b", "c", "last")]
    assert found.places == (Place(0), Place(1), Place(1, 2.5), Place(1, 0.0), Place(2))
    assert found.choices == (Choice(), Choice("least_loaded"), Choice())


def test_another_route_stands_where_it_is_named_without_its_other_settings():
    others = other("inner", "{any: [openai/a, openai/b]}", "openai/c", more="    timeouts: {idle_seconds: 1}\n")
    found = route("- openai/first\n- route: inner\n- openai/last", "timeouts: {idle_seconds: 7}", others)
    assert names(found) == [f"openai/{name}" for name in ("first", "a", "b", "c", "last")]
    assert [place.step for place in found.places] == [0, 1, 1, 2, 3]
    assert {target.timeouts.idle for target in found.candidates} == {7}


def test_a_target_that_comes_again_by_another_route_stays_where_it_is():
    found = route("- openai/b\n- route: inner", others=other("inner", "{any: [openai/a, openai/b]}", "openai/c"))
    assert names(found) == ["openai/b", "openai/a", "openai/c"]
    assert found.places == ()
    later = route("- route: inner\n- openai/a", others=other("inner", "openai/a", "openai/c"))
    assert names(later) == ["openai/a", "openai/c"]


def test_a_diamond_of_routes_is_no_circle():
    others = other("left", "{route: base}") + other("right", "openai/r", "{route: base}") + other("base", "openai/x")
    assert names(route("- route: left\n- route: right", others=others)) == ["openai/x", "openai/r"]


def test_many_routes_that_name_each_other_twice_are_read_at_once():
    layers = "".join(
        other(f"layer{n}", f"{{route: left{n + 1}}}", f"{{route: right{n + 1}}}")
        + other(f"left{n}", f"{{route: layer{n}}}")
        + other(f"right{n}", f"{{route: layer{n}}}")
        for n in range(40)
    )
    last = other("left40", "openai/x") + other("right40", "openai/y")
    assert names(route("- route: layer0", others=layers + last)) == ["openai/x", "openai/y"]


@pytest.mark.parametrize(
    ("others", "circle", "place"),
    [
        (other("b", "{route: gpt}"), "gpt → b → gpt", "routes.b.candidates[0].route"),
        (other("b", "openai/x", "{route: c}") + other("c", "{route: gpt}"), "gpt → b → c → gpt", "routes.c"),
        (other("b", "{route: c}") + other("c", "{route: b}"), "b → c → b", "routes.c.candidates[0].route"),
    ],
)
def test_f18_a_circle_is_refused_and_named_once(others: str, circle: str, place: str):
    [problem] = problems(text("- route: b", others=others))
    assert problem.message == f"routes go round in a circle: {circle}"
    assert problem.place.startswith(place)
    assert problem.line is not None


def test_routes_that_stand_too_deep_in_one_another():
    """Told like any other mistake; reading on would end in a traceback."""
    layers = "".join(other(f"layer{n}", f"{{route: layer{n + 1}}}") for n in range(1500))
    [problem] = problems(text("- route: layer0", others=layers + other("layer1500", "openai/x")))
    assert "more than 200 routes stand in one another, the outermost is 'gpt'" in problem.message
    assert problem.place == "routes.layer199.candidates[0].route"


def test_a_route_inside_itself():
    [problem] = problems(text("- openai/a\n- route: gpt"))
    assert (problem.place, problem.line) == ("routes.gpt.candidates[1].route", 11)
    assert "gpt → gpt" in problem.message


def test_every_circle_is_told():
    others = other("b", "{route: gpt}", "{route: c}") + other("c", "{route: b}")
    told = sorted(problem.message.partition(": ")[2] for problem in problems(text("- route: b", others=others)))
    assert told == ["b → c → b", "gpt → b → gpt"]


@pytest.mark.parametrize(
    ("candidates", "more", "place", "message", "remedy"),
    [
        ("- route: gtp", "", "candidates[0].route", "there is no route 'gtp'", "did you mean 'gpt'?"),
        ("- route: far/away", "", "candidates[0].route", "no route 'far/away'", "provider/model"),
        ("- {route: inner, weight: 2}", "", "candidates[0].weight", "unknown field", "use one of: route"),
        ("- route: inner\n- route: inner", "", "candidates[1]", "'inner' stands here twice", "remove"),
        ("- openai/a\n- {provider: openai, model: a}", "", "candidates[1]", "twice", "'name'"),
        ("- any: [openai/a, openai/a]", "", "candidates[0].any[1]", "twice", "'name'"),
        ("- any: [openai/a]\n- openai/a", "", "candidates[1]", "twice", "'name'"),
        ("- {provider: openai, model: a, weight: 2}", "", "candidates[0].weight", "equal rank", "'any:'"),
        ("- any: [{provider: openai, model: a, weight: -1}]", "", "candidates[0].any[0].weight", "at least 0", "-1"),
        ("- any: [{provider: openai, model: a, weight: 0}]", "", "candidates[0].any", "every weight", "at least one"),
        ("- any: []", "", "candidates[0].any", "no candidates", "at least two"),
        ("- any: openai/a", "", "candidates[0].any", "a list", ""),
        ("- any: [{route: inner}]", "", "candidates[0].any[0]", "candidates only", "step of its own"),
        ("- any: [{any: [openai/a]}]", "", "candidates[0].any[0]", "candidates only", "step of its own"),
        ("- {any: [openai/a], choose: random}", "", "candidates[0].choose", "'lowest_latency'", "random"),
        (
            "- {any: [{provider: openai, model: a, modle: m}]}",
            "",
            "candidates[0].any[0].modle",
            "unknown field",
            "'model'",
        ),
        ("- {provider: openai, model: a, concurrency: few}", "", "candidates[0].concurrency.limit", "whole", "digits"),
        ("- {provider: openai, model: a, concurrency: 0}", "", "candidates[0].concurrency.limit", "at least 1", "0"),
        ("- {provider: openai, model: a, concurrency: {queue: 2}}", "", "candidates[0].concurrency", "missing", "how"),
        (
            "- {provider: openai, model: a, concurrency: {limit: 1, x: 2}}",
            "",
            "concurrency.x",
            "unknown",
            "queue",
        ),
        ("- openai/a", "affinity: cookie", "affinity", "header:NAME", "one of the three"),
        ("- openai/a", "affinity: 'header:'", "affinity", "header:NAME", "one of the three"),
        ("- openai/a", "hedging: sometimes", "hedging.after_seconds", "p95", "one of the three"),
        ("- openai/a", "hedging: {after_seconds: 0}", "hedging.after_seconds", "above 0", "one of the three"),
        ("- openai/a", "hedging: {share: 0.5}", "hedging.share", "nothing is ever hedged", "after_seconds"),
        ("- openai/a", "hedging: {after_seconds: 1, share: 2}", "hedging.share", "at most 1", "2"),
        ("- openai/a", "midstream: go on", "midstream", "'continue'", "go on"),
        ("- openai/a", "retries: {same_target: -1}", "retries.same_target", "at least 0", "-1"),
        ("- openai/a", "retries: {sametarget: 1}", "retries.sametarget", "unknown field", "'same_target'"),
        ("- openai/a", "timeouts: {least_characters_per_second: -3}", "least_characters", "at least 0", "-3"),
    ],
)
def test_mistakes(candidates: str, more: str, place: str, message: str, remedy: str):
    [problem] = problems(text(candidates, more, other("inner", "openai/x")))
    assert place in problem.place
    assert problem.place.startswith("routes.gpt.")
    assert 8 < (problem.line or 0) < 16
    assert message in problem.message
    assert remedy in problem.remedy


def test_a_mistake_inside_another_route_is_told_once_and_there():
    [problem] = problems(text("- route: inner", others=other("inner", "nobody/x") + other("third", "{route: inner}")))
    assert problem.place == "routes.inner.candidates[0].provider"


def test_one_target_has_one_concurrency():
    written = "{provider: openai, model: a, concurrency: 3}"
    assert problems(text(f"- {written}", others=other("b", written))) == []
    for elsewhere in ("openai/a", written.replace("3", "4"), written.replace("3", "{limit: 3, queue: 1}")):
        [problem] = problems(text(f"- {written}", others=other("b", elsewhere)))
        assert problem.place == "routes.b.candidates[0]"
        assert problem.message == "'openai/a' has another concurrency elsewhere (in 'gpt')"
        assert "another 'name'" in problem.remedy


@pytest.mark.parametrize(
    ("one", "elsewhere", "difference"),
    [
        ("openai/a", "{provider: openai, model: a, images: true}", "another images"),
        ("openai/a", "{provider: anthropic, model: b, name: openai/a}", "another provider or model"),
        ("openai/a", "{provider: openai, model: a, vocabulary: chat}", "another vocabulary"),
        ("openai/a", "{provider: openai, model: a, breaker: {open_seconds: 1}}", "another breaker"),
    ],
)
def test_it_is_said_what_differs(one: str, elsewhere: str, difference: str):
    [problem] = problems(text(f"- {one}", others=other("b", elsewhere)))
    assert difference in problem.message


def test_the_short_forms():
    found = route(
        "- {provider: openai, model: a, concurrency: 3}\n- openai/b", "hedging: p95\naffinity: header:X-Session"
    )
    assert found.candidates[0].concurrency == Concurrency(3)
    assert found.candidates[1].concurrency is None
    assert found.hedging == Hedging(None, 0.1)
    assert found.affinity == Affinity("header", "x-session")
    whole = route("- {provider: openai, model: a, concurrency: {limit: 3, queue: 0}}", "hedging: 2.5")
    assert whole.candidates[0].concurrency == Concurrency(3, queue=0)
    assert whole.hedging == Hedging(2.5, 0.1)


def test_defaults_and_what_overrides_them():
    defaults = (
        "retries: {same_target: 3, first_wait_seconds: 2}, hedging: {after_seconds: 4, share: 0.2}, affinity: key, "
        "midstream: restart, timeouts: {least_characters_per_second: 9}, breaker: {slow_start_seconds: 0}"
    )
    by_default = route("- openai/a\n- openai/b", defaults=defaults)
    assert by_default.retries == Retries(again=3, first_wait=2.0)
    assert by_default.hedging == Hedging(4.0, 0.2)
    assert (by_default.midstream, by_default.affinity) == ("restart", Affinity("key"))
    assert by_default.candidates[0].timeouts == Timeouts(least_rate=9.0)
    assert by_default.candidates[0].breaker == BreakerSettings(slow_start=0.0)
    more = (
        "retries: {same_target: 0, longest_wait_seconds: 0}\nhedging: {share: 1}\nmidstream: fail\naffinity: none\n"
        "timeouts: {least_characters_per_second: 0, rate_window_seconds: 3}"
    )
    own = route("- openai/a\n- openai/b", more, defaults=defaults)
    assert own.retries == Retries(again=0, first_wait=2.0, longest_wait=0.0)
    assert own.hedging == Hedging(4.0, 1.0)
    assert (own.midstream, own.affinity) == ("fail", Affinity())
    assert own.candidates[0].timeouts == Timeouts(rate_window=3.0)
    assert route("- openai/a", "hedging: never", defaults=defaults).hedging is None


def test_without_a_word_nothing_of_it_happens():
    plain = loaded(RIGHT).routes["gpt"]
    assert (plain.hedging, plain.midstream, plain.affinity, plain.retries) == (None, "fail", Affinity(), Retries())


def test_another_process_builds_the_same_of_it():
    written = text(
        "- {any: [openai/a, openai/b], choose: least_loaded}\n- route: inner", others=other("inner", "openai/c")
    )
    spec = configured(written).spec
    again = build_snapshot(pickle.loads(pickle.dumps(spec))).routes["gpt"]
    assert (names(again), again.places) == (names(loaded(written).routes["gpt"]), loaded(written).routes["gpt"].places)
    assert again.choices == (Choice("least_loaded"), Choice())


def test_embeddings_of_a_nested_route_are_judged_too():
    others = other("inner", "openai/text-embedding-3-large")
    [problem] = problems(text("- openai/text-embedding-3-small\n- route: inner", "dimensions: 8", others))
    assert "must be one model" in problem.message
