"""The exposition is Prometheus' own format, and no client can make it grow."""

from prometheus_client.parser import text_string_to_metric_families

from proxy.canonical.account import Account, AttemptRecord
from proxy.canonical.events import Skipped, UsageReported
from proxy.canonical.usage import Usage
from proxy.settlement.ledger import Entry, Ledger
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.merging import MergedMetrics, exposition
from proxy.telemetry.metrics import OTHER, MasterMetrics, Metrics
from proxy.telemetry.series import Families
from proxy.wire.decoder import Step

CLOCKS = Clocks(monotonic=lambda: 100.0, wall=lambda: 0.0)


def shown(*processes: Families) -> MergedMetrics:
    """What Prometheus sees of these."""
    merged = MergedMetrics(CLOCKS)
    for number, families in enumerate(processes):
        merged.pushed(number, families.capture())
    return merged


def samples(*processes: Families) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(shown(*processes)).decode())
        for sample in family.samples
    }


def value(metrics: Families, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


def used() -> Metrics:
    """Metrics on which everything has happened once."""
    metrics = Metrics()
    metrics.started("1.0")
    metrics.request_began()
    metrics.request_ended("r", "v", "t", "ok", 0.5, "req_1")
    metrics.attempt_ended("a", "failed", "rate_limit")
    metrics.fell_back("r", "a", "b", "rate_limit")
    metrics.chain_exhausted("r")
    metrics.first_token("r", 0.2, "req_1")
    metrics.gap_observer("a")(0.01)
    metrics.overhead("v", 0.001)
    metrics.tokens("r", "a", Usage(10, 5, 4, 0, None))
    metrics.truncated("a", "stalled")
    metrics.dropped("v", "malformed", 3)
    metrics.client_retried()
    metrics.breaker_states({"a": "half-open", "b": "open", "c": "closed"})
    metrics.breaker_moved("a", "open")
    metrics.retried("a")
    metrics.retry_denied("a")
    metrics.hedged("b", "won")
    metrics.targets({"a": 3, "b": 0}, {"a": 2})
    metrics.broke_midstream("r", "continue", "fail")
    metrics.shed("v", "loop_lag")
    metrics.loop_looked_at(0.3)
    metrics.loop_lag(0.3)
    metrics.accepting(True)
    metrics.store_called("ok", 0.001)
    metrics.store_recovered()
    metrics.key_looked_up("store", "found")
    return metrics


def used_master() -> MasterMetrics:
    metrics = MasterMetrics()
    metrics.workers(configured=3, alive=2)
    metrics.worker_restarted("hung")
    metrics.connections_waiting(5)
    metrics.snapshot(4)
    metrics.reloaded("refused")
    metrics.store_is_up(True)
    metrics.store_changed("up")
    metrics.store_restarted()
    metrics.store_quarantined()
    metrics.store_called("timeout", 0.1)
    metrics.store_recovered()
    metrics.revocations_replayed(7)
    metrics.admin_acted("revoke", "ok")
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


def test_p04_label_names_are_a_closed_set():
    labels = {label for _, pairs in samples(used(), used_master()) for label, _ in pairs}
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
        "source",
        "state",
        "to",
        "action",
        "policy",
        "le",
    }


def test_p03_what_waits_before_anything_is_measured():
    metrics = used()
    assert value(metrics, "segue_event_loop_lag_seconds") == 0.3
    assert value(metrics, "segue_event_loop_lateness_seconds_sum") == 0.3
    assert value(used_master(), "segue_connections_waiting") == 5


def test_what_is_turned_away_is_counted_twice():
    metrics = used()
    assert value(metrics, "segue_requests_shed_total", why="loop_lag") == 1
    labels = {"route": OTHER, "vocabulary": "v", "tenant": OTHER, "outcome": "shed"}
    assert value(metrics, "segue_requests_total", **labels) == 1


def test_targets_that_went_run_nothing():
    metrics = used()
    metrics.targets({"b": 1}, {})
    assert value(metrics, "segue_target_in_flight", target="b") == 1
    assert [name for name, _ in samples(metrics) if name == "segue_target_queue"] == []


def test_the_masters_figures():
    metrics = used_master()
    assert value(metrics, "segue_workers", state="configured") == 3
    assert value(metrics, "segue_workers", state="alive") == 2
    assert value(metrics, "segue_worker_restarts_total", reason="hung") == 1
    assert value(metrics, "segue_snapshot_number") == 4
    assert value(metrics, "segue_reloads_total", outcome="refused") == 1
    assert value(metrics, "segue_store_up") == 1
    assert value(metrics, "segue_store_transitions_total", to="up") == 1
    assert value(metrics, "segue_store_revocations_replayed_total") == 7
    assert value(metrics, "segue_admin_actions_total", action="revoke", outcome="ok") == 1


def test_calls_to_the_store_are_counted_over_workers_and_master():
    both = samples(used(), used_master())
    assert both["segue_store_calls_total", (("outcome", "ok"),)] == 1
    assert both["segue_store_calls_total", (("outcome", "timeout"),)] == 1
    assert both["segue_store_call_seconds_count", ()] == 2
    assert both["segue_store_recoveries_total", ()] == 2


def test_what_has_no_labels_is_there_from_the_start():
    before = samples(Metrics(), MasterMetrics())
    for name in ("segue_client_retries_total", "segue_store_restarts_total", "segue_store_up"):
        assert before[name, ()] == 0


def test_a_target_that_went_has_no_breaker():
    metrics = used()
    metrics.breaker_states({"a": "closed"})
    assert [pairs for name, pairs in samples(metrics) if name == "segue_breaker_state"] == [(("target", "a"),)]


def test_what_happens_again_adds_no_series():
    metrics = used()
    before = samples(metrics).keys()
    metrics.request_ended("r", "v", "t", "ok", 0.7, "req_2")
    metrics.tokens("r", "a", Usage(1, 1, 1))
    assert samples(metrics).keys() == before


def test_p04_a_thousand_invented_models_add_no_series():
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
    assert b"invented" not in exposition(shown(metrics))


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
    entry.account = Account(served_by="a", attempts=[AttemptRecord("a", "served")])
    entry.meter = Meter(CLOCKS)
    entry.meter.observe([Step(None, [Skipped("grammar"), UsageReported(Usage(3, 4), final=True)])])
    ledger.settle(entry)
    assert value(metrics, "segue_requests_in_flight") == 0
    assert value(metrics, "segue_attempts_total", target="a", outcome="served", reason="") == 1
    assert value(metrics, "segue_tokens_total", route="r", target="a", kind="output") == 4
    assert value(metrics, "segue_events_dropped_total", vocabulary="v", why="grammar") == 1
    assert value(metrics, "segue_overhead_seconds_sum", vocabulary="v") == 0.5
    assert value(metrics, "segue_request_duration_seconds_sum", route="r") == 10
