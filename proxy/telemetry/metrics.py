"""Every metric, declared once. Labels come only from configuration and closed sets; anything a client can invent is
`other`, so that the number of series is bounded by construction."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from proxy.canonical.usage import Usage
from proxy.telemetry.series import Count, Distribution, Level

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_GAPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_BREAKER_LEVEL = {"closed": 0, "half-open": 1, "open": 2}
OTHER = "other"


class Metrics:
    """One per process; also the collector that its registry asks."""

    def __init__(self) -> None:
        self._requests = Count(
            "segue_requests",
            "Requests ended, by what the client got: ok, incomplete, refused, failed, broken, cancelled",
            *("route", "vocabulary", "tenant", "outcome"),
        )
        self._attempts = Count(
            "segue_attempts",
            "Attempts ended (served, failed) or candidates skipped",
            *("target", "outcome", "reason"),
        )
        self._fallbacks = Count(
            "segue_fallbacks",
            "Hops from one candidate to the next",
            *("route", "from_target", "to_target", "reason"),
        )
        self._exhausted = Count("segue_chains_exhausted", "Requests no candidate could answer", "route")
        self._first_token = Distribution(
            "segue_time_to_first_token_seconds",
            "From the request's arrival to its first content, fallbacks included",
            _SECONDS,
            "route",
        )
        self._gap = Distribution(
            "segue_event_gap_seconds", "Between two reads of content from a provider", _GAPS, "target"
        )
        self._overhead = Distribution(
            "segue_overhead_seconds",
            "Time a request spent in the proxy itself: neither waiting for a provider nor for the client",
            _OVERHEAD,
            "vocabulary",
        )
        self._duration = Distribution("segue_request_duration_seconds", "Whole requests", _SECONDS, "route")
        self._in_flight = Level("segue_requests_in_flight", "Requests being served")
        self._tokens = Count(
            "segue_tokens",
            "Tokens reported by providers; cache and reasoning figures are parts of input and output",
            *("route", "target", "kind"),
        )
        self._breaker = Level("segue_breaker_state", "0 closed, 1 half-open, 2 open", "target")
        self._truncated = Count(
            "segue_streams_truncated", "Streams that broke after content was sent", "target", "cause"
        )
        self._dropped = Count("segue_events_dropped", "Frames or events left out of a stream", "vocabulary", "why")
        self._client_retries = Count(
            "segue_client_retries", "Requests that an SDK sent again (x-stainless-retry-count)"
        )
        self._build = Level("segue_build_info", "Always 1", "version")
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """prometheus-client's collector protocol."""
        for series in vars(self).values():
            if isinstance(series, (Count, Level, Distribution)):
                yield series.family()

    def exposition(self) -> bytes:
        """The registry in Prometheus' text format."""
        return generate_latest(self.registry)

    def started(self, version: str) -> None:
        self._build.set(version, level=1)

    def request_began(self) -> None:
        self._in_flight.shift(1)

    def request_ended(self, route: str, vocabulary: str, tenant: str, outcome: str, seconds: float) -> None:
        self._in_flight.shift(-1)
        self._requests.add(route, vocabulary, tenant, outcome)
        self._duration.row(route).observe(seconds)

    def attempt_ended(self, target: str, outcome: str, reason: str) -> None:
        self._attempts.add(target, outcome, reason)

    def fell_back(self, route: str, from_target: str, to_target: str, reason: str) -> None:
        self._fallbacks.add(route, from_target, to_target, reason)

    def chain_exhausted(self, route: str) -> None:
        self._exhausted.add(route)

    def first_token(self, route: str, seconds: float) -> None:
        self._first_token.row(route).observe(seconds)

    def gap_observer(self, target: str) -> Callable[[float], None]:
        """The hot path's way to observe gaps: bound once per stream."""
        return self._gap.row(target).observe

    def overhead(self, vocabulary: str, seconds: float) -> None:
        self._overhead.row(vocabulary).observe(seconds)

    def tokens(self, route: str, target: str, usage: Usage) -> None:
        figures = (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        )
        for kind, count in figures:
            if count is not None and count > 0:
                self._tokens.add(route, target, kind, amount=count)

    def truncated(self, target: str, cause: str) -> None:
        self._truncated.add(target, cause)

    def dropped(self, vocabulary: str, why: str, count: int = 1) -> None:
        self._dropped.add(vocabulary, why, amount=count)

    def client_retried(self) -> None:
        self._client_retries.add()

    def breaker_states(self, states: dict[str, str]) -> None:
        for target, state in states.items():
            self._breaker.set(target, level=_BREAKER_LEVEL[state])
