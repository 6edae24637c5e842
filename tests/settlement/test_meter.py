"""What one answer used, when its first content came, and what never reached the client."""

import pytest

from proxy.canonical.events import (
    BlockKind,
    Delta,
    Event,
    Finished,
    Foreign,
    Opened,
    Progress,
    Skipped,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.wire.decoder import Step


class Ticking:
    now = 0.0

    def __init__(self) -> None:
        self.meter = Meter(Clocks(monotonic=lambda: self.now))

    def at(self, now: float, *events: Event) -> None:
        self.now = now
        self.meter.observe([Step(None, list(events))])


@pytest.mark.parametrize(
    ("event", "counts"),
    [
        (Delta(0, "x"), True),
        (Delta(0, ""), False),
        (Opened(0, BlockKind.TOOL_CALL, "call", "name"), True),
        (Opened(0, BlockKind.TOOL_CALL), False),
        (Opened(0, BlockKind.TEXT), False),
        (Progress("start", "search"), True),
        (Foreign("hosted", content=True), True),
        (Foreign("ping"), False),
        (UsageReported(Usage(1)), False),
    ],
)
def test_the_first_content(event: Event, counts: bool):
    ticking = Ticking()
    ticking.at(1, Started())
    ticking.at(2, event)
    assert ticking.meter.first_content_at == (2 if counts else None)
    ticking.at(3, Delta(0, "later"))
    assert ticking.meter.first_content_at == (2 if counts else 3)


def test_usage_comes_from_any_frame_and_the_last_figure_wins():
    ticking = Ticking()
    ticking.at(0, Started(Usage(input_tokens=7)))
    ticking.at(0, UsageReported(Usage(output_tokens=1)))
    assert not ticking.meter.usage_is_final
    ticking.at(0, UsageReported(Usage(output_tokens=9), final=True), UsageReported(Usage()))
    assert ticking.meter.usage == Usage(7, 9)
    assert ticking.meter.usage_is_final


def test_gaps_are_between_reads():
    ticking, gaps = Ticking(), []
    ticking.meter.observe_gap = gaps.append
    for now in (1.0, 1.5, 3.5):
        ticking.at(now, Delta(0, "x"))
    assert gaps == [0.5, 2.0]


@pytest.mark.parametrize(("translated", "dropped"), [(True, {"grammar": 2, "foreign": 1}), (False, {"grammar": 2})])
def test_what_was_left_out_is_counted_by_cause(translated: bool, dropped: dict[str, int]):
    ticking = Ticking()
    ticking.meter.foreign_is_dropped = translated
    ticking.at(0, Skipped("grammar"), Foreign("x"), Skipped("grammar"))
    assert ticking.meter.dropped == dropped


@pytest.mark.parametrize("reason", list(StopReason))
def test_an_answer_that_stopped_short_is_incomplete(reason: StopReason):
    ticking = Ticking()
    assert ticking.meter.outcome == "ok"
    ticking.at(0, Finished(reason))
    short = reason in (StopReason.LENGTH, StopReason.CONTENT_FILTER)
    assert ticking.meter.outcome == ("incomplete" if short else "ok")


@pytest.mark.parametrize("void", [False, True])
def test_an_answer_that_changes_hands(void: bool):
    """What the first has told stands, unless it is void; and the time in between is no gap of the second."""
    gaps: list[float] = []
    ticking = Ticking()
    ticking.meter.observe_gap = gaps.append
    ticking.at(0, Delta(0, "x"), UsageReported(Usage(7, 2), final=True))
    ticking.meter.hand_over(void=void)
    assert ticking.meter.usage == (Usage() if void else Usage(7, 2))
    assert not ticking.meter.usage_is_final
    ticking.at(30, Delta(1, "y"))
    ticking.at(31, UsageReported(Usage(output_tokens=9), final=True))
    assert gaps == [1.0]
    assert ticking.meter.usage == Usage(None if void else 7, 9)
    assert (ticking.meter.first_content_at, ticking.meter.usage_is_final) == (0, True)
