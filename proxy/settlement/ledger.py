"""Writes down, once per request, how it ended: metrics and the log line."""

from proxy.canonical.account import Account, AttemptRecord
from proxy.settlement.meter import Meter
from proxy.telemetry import log
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import OTHER, Metrics


class Entry:
    """One request on its way to the ledger. Labels are `other` until the request has proved them (contract: a client
    cannot invent label values)."""

    def __init__(self, request_id: str, vocabulary: str, begun: float) -> None:
        self.request_id = request_id
        self.vocabulary = vocabulary
        self.begun = begun  # monotonic clock
        self.route = OTHER
        self.tenant = OTHER
        self.key_id: str | None = None
        self.stream = False
        self.account = Account()
        self.meter: Meter | None = None
        self.outcome = "cancelled"  # what it is if nothing else is said: the client left
        self.error: str | None = None
        self.waited = 0.0  # seconds spent waiting for the provider that served, and for the client


class Ledger:
    def __init__(self, metrics: Metrics, clocks: Clocks) -> None:
        self._metrics = metrics
        self._clocks = clocks

    def settle(self, entry: Entry) -> None:
        """Record `entry`; nothing here can fail the request."""
        seconds = self._clocks.monotonic() - entry.begun
        metrics, account, meter = self._metrics, entry.account, entry.meter
        metrics.request_ended(entry.route, entry.vocabulary, entry.tenant, entry.outcome, seconds, entry.request_id)
        own = max(0.0, seconds - entry.waited - account.waited)
        metrics.overhead(entry.vocabulary, own)
        if meter is not None:
            for why, count in meter.dropped.items():
                metrics.dropped(entry.vocabulary, why, count)
            if account.served_by is not None:
                if account.attempts[-1].outcome == "served":  # else its answer broke, and nobody went on with it
                    metrics.attempt_ended(account.served_by, "served", "")
                metrics.tokens(entry.route, account.served_by, meter.usage)
            if meter.first_content_at is not None:
                metrics.first_token(entry.route, meter.first_content_at - entry.begun, entry.request_id)
        log.note("request", **_line(entry, seconds, own))


def _attempt(record: AttemptRecord) -> str:
    if record.reason is None and record.detail is None and record.status is None:
        return f"{record.model} {record.outcome}"
    status = str(record.status) if record.status else None
    return " ".join(filter(None, (record.model, record.outcome, record.reason, record.detail, status)))


def _line(entry: Entry, seconds: float, own: float) -> dict[str, object]:
    account, meter = entry.account, entry.meter
    line: dict[str, object] = {
        "request_id": entry.request_id,
        "tenant": entry.tenant,
        "key": entry.key_id,
        "route": entry.route,
        "vocabulary": entry.vocabulary,
        "stream": entry.stream,
        "outcome": entry.outcome,
        "error": entry.error,
        "served_by": account.served_by,
        "attempts": [_attempt(record) for record in account.attempts],
        "ms": int(seconds * 1e4) / 10,
        "own_ms": int(own * 1e5) / 100,
    }
    if meter is not None:
        line["input_tokens"] = meter.usage.input_tokens
        line["output_tokens"] = meter.usage.output_tokens
        if meter.first_content_at is not None:
            line["first_token_ms"] = int((meter.first_content_at - entry.begun) * 1e4) / 10
    return line
