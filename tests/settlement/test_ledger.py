"""The log line: what it says of a request, and that nothing can make settling fail."""

import pytest

from proxy.canonical.account import Account, AttemptRecord
from proxy.canonical.events import Delta, UsageReported
from proxy.canonical.usage import Usage
from proxy.settlement import ledger as module
from proxy.settlement.ledger import Entry, Ledger
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.wire.decoder import Step

CLOCKS = Clocks(monotonic=lambda: 12.0)


@pytest.fixture(name="lines")
def the_lines(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    monkeypatch.setattr(module.log, "note", lambda event, **fields: lines.append({"event": event} | fields))
    return lines


def test_the_line_tells_the_story(lines: list[dict[str, object]]):
    entry = Entry("req_1", "toy", 10.0)
    entry.account = Account(served_by="b")
    entry.account.attempts = [
        AttemptRecord("a", "failed", "server_error", status=500),
        AttemptRecord("b", "served"),
    ]
    entry.meter = Meter(CLOCKS)
    entry.meter.observe([Step(None, [Delta(0, "secret words"), UsageReported(Usage(3, -4))])])
    entry.outcome, entry.waited = "ok", 1.5
    Ledger(Metrics(), CLOCKS).settle(entry)
    [line] = lines
    assert line["attempts"] == ["a failed server_error 500", "b served"]
    assert (line["request_id"], line["outcome"], line["served_by"]) == ("req_1", "ok", "b")
    assert (line["ms"], line["own_ms"], line["first_token_ms"]) == (2000.0, 500.0, 2000.0)
    assert line["input_tokens"] == 3
    assert "secret" not in str(line)


def test_a_client_that_left_before_anything_is_cancelled(lines: list[dict[str, object]]):
    entry = Entry("req_1", "toy", 10.0)
    entry.waited = 99.0
    Ledger(Metrics(), CLOCKS).settle(entry)
    assert lines[0]["outcome"] == "cancelled"
    assert lines[0]["own_ms"] == 0.0
    assert lines[0]["tenant"] == "other"


@pytest.mark.parametrize(("outcome", "counted"), [("served", 1), ("failed", 0)])
def test_an_answer_that_was_withdrawn_has_not_served(
    lines: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch, outcome: str, counted: int
):
    """It broke, and whoever was to go on with it did not come to that: it was counted as a failure when it broke."""
    metrics, ended = Metrics(), []
    monkeypatch.setattr(metrics, "attempt_ended", lambda *labels: ended.append(labels))
    entry = Entry("req_1", "toy", 10.0)
    entry.account = Account(served_by="a", attempts=[AttemptRecord("a", outcome)])
    entry.meter = Meter(CLOCKS)
    Ledger(metrics, CLOCKS).settle(entry)
    assert len(ended) == counted


def test_entries_share_nothing():
    first, second = Entry("1", "toy", 0.0), Entry("2", "toy", 0.0)
    first.account.attempts.append(AttemptRecord("a", "failed"))
    assert second.account.attempts == []
