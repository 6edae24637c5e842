"""`./dev soak`, short; and that growth is told from noise."""

import pytest

from tests.soak.memory import NOISE, SHORT_NOISE, TOLERANCE, WARM_AFTER, Sample, Series, slope
from tests.soak.page import page
from tests.soak.run import run

STREAMS = 100_000


def series(*, warm: float = 0.0, each: float = 0.0, wobble: float = 0.0, streams: int = STREAMS) -> Series:
    """100 looks at a process that gains `warm` MB in its warm-up, and after it `each` MB per 10,000 streams; every
    other look is `wobble` MB higher."""
    found = Series("one")
    for number in range(0, streams + 1, streams // 100):
        warmed = warm * min(1.0, number / WARM_AFTER)
        gained = each * max(0, number - WARM_AFTER) / 10_000
        found.samples.append(Sample(number, 60 + warmed + gained + wobble * (number // (streams // 100) % 2)))
    return found


def test_a_straight_line_has_its_slope() -> None:
    assert slope([Sample(0, 1.0), Sample(10, 2.0), Sample(20, 3.0)]) == pytest.approx(0.1)
    assert slope([Sample(5, 1.0), Sample(5, 2.0)]) == 0.0


def test_what_is_flat_is_flat() -> None:
    assert series().is_flat(STREAMS)
    assert series(warm=12.0).is_flat(STREAMS), "a warm-up is no growth"
    assert series(wobble=3.0).is_flat(STREAMS), "nor is a resident set that goes up and down"
    assert series(each=TOLERANCE * 0.9).is_flat(STREAMS)


def test_what_grows_is_found() -> None:
    grown = series(warm=4.0, each=TOLERANCE * 1.2, wobble=0.5)
    assert not grown.is_flat(STREAMS)
    assert grown.growth(STREAMS) == pytest.approx(TOLERANCE * 1.2 * 8, rel=0.05)


def test_short_runs_show_only_what_is_gross() -> None:
    assert series(streams=3000).allowed(3000) == SHORT_NOISE
    assert series(streams=3000).measured(3000)[0].streams == 1500
    assert series(streams=40_000).allowed(40_000) == NOISE
    assert series(streams=40_000).measured(40_000)[0].streams == WARM_AFTER


@pytest.mark.system
@pytest.mark.timeout(150)
async def test_p01_streams_leave_nothing_in_memory() -> None:
    outcome = await run(streams=2500, seed=1, is_patient=False)
    assert list(map(str, outcome.findings.faults)) == [], "\n".join(outcome.findings.diary)
    assert {"master", "store", "worker 1", "worker 2"} == outcome.series.keys()
    shown = page(outcome)
    assert shown.count("| flat |") == 4
