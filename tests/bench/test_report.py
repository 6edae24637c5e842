"""The table says what was measured, also when it is not what was hoped for."""

from dataclasses import replace

import pytest

from bench.report import FLAT_MB, bound_table, footprint_table, page, ratio_table, rows, scaling_table
from bench.rounds import Footprint, Sample
from bench.scaling import Scale, scaling
from bench.scenarios import FULL
from bench.systems import BARE, DIRECT, SEGUE

REQUEST = next(scenario for scenario in FULL if scenario.name == "request")
LATENCY = next(scenario for scenario in FULL if scenario.name == "latency")
_SAMPLE = Sample("request", 0, 0, SEGUE, 1.0, 0.5, 1.0, 0.5, 1.0, 100, {})


def samples(scenario: str, figures: dict[str, list[float]]) -> list[Sample]:
    return [
        replace(_SAMPLE, scenario=scenario, round=number, system=system, value=value)
        for system, values in figures.items()
        for number, value in enumerate(values)
    ]


def verdict(ours: list[float]) -> str:
    measured = samples("request", {SEGUE: ours, BARE: [100.0] * len(ours), DIRECT: [20.0] * len(ours)})
    (row,) = rows(measured, [REQUEST], SEGUE, BARE)
    return row.verdict


def test_verdicts() -> None:
    assert verdict([120.0, 121.0, 122.0]) == "met"
    assert verdict([150.0, 151.0, 152.0]) == "missed"
    assert verdict([120.0, 130.0, 180.0]) == "met, within noise"
    assert verdict([120.0, 150.0, 180.0]) == "missed, within noise"


def test_a_round_is_the_median_of_its_turns() -> None:
    turns = [replace(_SAMPLE, turn=turn, value=value) for turn, value in enumerate([120.0, 900.0, 110.0])]
    (row,) = rows([*turns, *samples("request", {BARE: [100.0], DIRECT: [20.0]})], [REQUEST], SEGUE, BARE)
    assert row.ratio is not None
    assert row.ratio.median == 1.2


def test_wrong_answers_are_never_a_verdict() -> None:
    measured = samples("request", {SEGUE: [90.0], BARE: [100.0], DIRECT: [20.0]})
    measured[0] = replace(measured[0], failures={"status 502": 3})
    table = list(rows(measured, [REQUEST], SEGUE, BARE))
    assert table[0].verdict == "wrong answers, see below"
    assert "3 times Segue: status 502" in ratio_table(table, [SEGUE, BARE, DIRECT])


def test_added_latency_is_what_the_proxies_add() -> None:
    (row,) = rows(samples("latency", {SEGUE: [0.75], BARE: [0.5], DIRECT: [0.25]}), [LATENCY], SEGUE, BARE)
    assert row.ratio is not None
    assert row.ratio.median == 2.0
    assert row.medians == {SEGUE: 0.5, BARE: 0.25}


def test_latency_lost_in_noise_claims_nothing() -> None:
    (row,) = rows(samples("latency", {SEGUE: [0.75], BARE: [0.2], DIRECT: [0.25]}), [LATENCY], SEGUE, BARE)
    assert row.ratio is None
    assert row.verdict == "too noisy"


def test_the_footprint_is_held_against_its_aims() -> None:
    starts = [
        Footprint(0, SEGUE, 0.9, 60.0, 50.0),
        Footprint(1, SEGUE, 0.7, 62.0, 52.0, warm_mb=65.0, steady_mb=65.0 + FLAT_MB + 1),
        Footprint(0, BARE, 0.3, 40.0, 30.0),
    ]
    table = footprint_table(starts, [0.6], [SEGUE, BARE]).splitlines()
    assert table[2:] == [
        "| import | < 0.5 s | missed | 0.60 s | - |",
        "| first request answered after | < 0.8 s | missed | 0.80 s | 0.30 s |",
        "| resident, just started | < 80 MB | met | 61.00 MB | 40.00 MB |",
        "| the same, what is shared counted once | < 80 MB | met | 51.00 MB | 30.00 MB |",
        "| resident, after the steady load | < 80 MB | met | 68.00 MB | - |",
        "| growth over the steady load | flat (< 2 MB) | missed | 3.00 MB | - |",
    ]


def test_what_more_it_costs_is_held_against_what_is_allowed() -> None:
    def told(ours: list[float]) -> str:
        measured = samples("request", {"A": [100.0] * len(ours), "B": ours, DIRECT: [20.0] * len(ours)})
        table = bound_table(list(rows(measured, [REQUEST], "B", "A")), ("old", "new"), 8.0)
        assert table.startswith("A is old, B is new.\n")
        return table.splitlines()[-1]

    assert told([101.0] * 15) == "| request, not streamed | +1.0 % | +1.0 % | 15 | within 8 % |"
    assert told([101.0] * 6 + [120.0] * 7) == "| request, not streamed | +20.0 % | +20.0 % | 13 | over 8 % |"
    assert told([101.0] * 8 + [120.0] * 7).endswith("| +1.0 % | +20.0 % | 15 | over 8 % |")


def test_two_workers_are_held_against_one() -> None:
    one = Scale(0, 1, rate=3000.0, worker_cpu=300.0, other_cpu=100.0, busiest=1.0, failures={})
    two = Scale(0, 2, rate=4500.0, worker_cpu=330.0, other_cpu=110.0, busiest=0.52, failures={})
    found = scaling([one, two, replace(one, round=1), replace(two, round=1)])
    assert found is not None
    assert found.rate.median == 1.5
    assert found.alone.median == pytest.approx(300 / 330 / 0.52)
    assert found.permitted == 1.5
    table = scaling_table(found)
    assert "| requests per CPU second of the workers | - | - | 0.91 | 0.91 to 0.91 | 3,333 | 3,030 |" in table
    assert "| requests/s where all else runs elsewhere, reckoned | ≥ 1.7 | met | 1.75 | 1.75 to 1.75 | - | - |" in table
    assert "| requests/s here | - | - | 1.50 | 1.50 to 1.50 | 3,000 | 4,500 |" in table
    assert "permit a ratio of 1.50 at most" in table.replace("\n", " ")
    assert scaling([]) is None


def test_the_page_says_where_and_when() -> None:
    text = page(["| a table |\n"], {"date": "2026-11-21", "kernel": "6.1"}, 5, pinned=False, steady_requests=10_000)
    assert "5 rounds of each" in text
    assert "one core only" in text
    assert "| a table |" in text
    assert "10,000 requests" in text
    assert text.endswith("- date: 2026-11-21\n- kernel: 6.1\n")
