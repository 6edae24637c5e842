"""The exposition is Prometheus' own format, and no client can make it grow."""

from prometheus_client.parser import text_string_to_metric_families

from proxy.canonical.account import Account
from proxy.canonical.events import Skipped, UsageReported
from proxy.canonical.usage import Usage
from proxy.settlement.ledger import Entry, Ledger
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import OTHER, Metrics
from proxy.wire.decoder import Step

CLOCKS = Clocks(monotonic=lambda: 100.0, wall=lambda: 0.0)


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def used() -> Metrics:
    """Metrics on which everything has happened once."""
    metrics = Metrics()
    metrics.started("1.0")
    metrics.request_began()
    metrics.request_ended("r", "v", "t", "ok", 0.5)
    metrics.attempt_ended("a", "failed", "rate_limit")
    metrics.fell_back("r", "a", "b", "rate_limit")
    metrics.chain_exhausted("r")
    metrics.first_token("r", 0.2)
    metrics.gap_observer("a")(0.01)
    metrics.overhead("v", 0.001)
    metrics.tokens("r", "a", Usage(10, 5, 4, 0, None))
    metrics.truncated("a", "stalled")
    metrics.dropped("v", "malformed", 3)
    metrics.client_retried()
    metrics.breaker_states({"a": "half-open", "b": "open", "c": "closed"})
    return metrics


def test_the_exposition_parses_and_counts():
    metrics = used()
    assert value(metrics, "segue_requests_total", route="r", vocabulary="v", tenant="t", outcome="ok") == 1
    assert value(metrics, "segue_requests_in_flight") == 0
    assert value(metrics, "segue_fallbacks_total", route="r", from_target="a", to_target="b", reason="rate_limit") == 1
    assert value(metrics, "segue_events_dropped_total", vocabulary="v", why="malformed") == 3
    assert [value(metrics, "segue_breaker_state", target=name) for name in "abc"] == [1, 2, 0]
    assert value(metrics, "segue_tokens_total", route="r", target="a", kind="cache_read") == 4
    assert all(name.startswith("segue_") for name, _ in samples(metrics))


def test_label_names_are_a_closed_set():
    labels = {label for _, pairs in samples(used()) for label, _ in pairs}
    assert labels == {
        "route",
        "vocabulary",
        "tenant",
        "outcome",
        "target",
        "reason",
        "from_target",
        "to_target",
        "kind",
        "cause",
        "why",
        "version",
        "le",
    }


def test_what_happens_again_adds_no_series():
    metrics = used()
    before = samples(metrics).keys()
    metrics.request_ended("r", "v", "t", "ok", 0.7)
    metrics.tokens("r", "a", Usage(1, 1, 1))
    assert samples(metrics).keys() == before


def test_a_thousand_invented_models_add_no_series():
    metrics = Metrics()
    ledger = Ledger(metrics, CLOCKS)
    sizes = set()
    for number in range(1000):
        metrics.request_began()
        entry = Entry(f"invented-{number}", "v", 99.0)
        entry.outcome, entry.error = "refused", "UnknownModel"
        ledger.settle(entry)
        if number % 333 == 0:
            sizes.add(len(samples(metrics)))
    assert len(sizes) == 1
    assert value(metrics, "segue_requests_total", route=OTHER, vocabulary="v", tenant=OTHER, outcome="refused") == 1000
    assert b"invented" not in metrics.exposition()


def test_a_provider_that_counts_backwards_harms_nobody():
    metrics = Metrics()
    metrics.tokens("r", "a", Usage(-5, 7, 0, None))
    assert value(metrics, "segue_tokens_total", route="r", target="a", kind="output") == 7
    assert ("segue_tokens_total", (("kind", "input"), ("route", "r"), ("target", "a"))) not in samples(metrics)


def test_a_settled_request_is_counted_whole():
    metrics = Metrics()
    ledger = Ledger(metrics, CLOCKS)
    metrics.request_began()
    entry = Entry("id", "v", 90.0)
    entry.route, entry.tenant, entry.outcome, entry.waited = "r", "t", "ok", 9.5
    entry.account = Account(served_by="a")
    entry.meter = Meter(CLOCKS)
    entry.meter.observe([Step(None, [Skipped("grammar"), UsageReported(Usage(3, 4), final=True)])])
    ledger.settle(entry)
    assert value(metrics, "segue_requests_in_flight") == 0
    assert value(metrics, "segue_attempts_total", target="a", outcome="served", reason="") == 1
    assert value(metrics, "segue_tokens_total", route="r", target="a", kind="output") == 4
    assert value(metrics, "segue_events_dropped_total", vocabulary="v", why="grammar") == 1
    assert value(metrics, "segue_overhead_seconds_sum", vocabulary="v") == 0.5
    assert value(metrics, "segue_request_duration_seconds_sum", route="r") == 10
