"""Every metric, declared once. Labels come only from configuration and closed sets; anything a client can invent is
`other`, so that the number of series is bounded by construction."""

from collections.abc import Callable

from proxy.canonical.usage import Usage
from proxy.telemetry.series import Count, Distribution, Families, Level

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_GAPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_OVERHEAD = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_LATENESS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STORE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_BREAKER_LEVEL = {"closed": 0, "half-open": 1, "open": 2}
OTHER = "other"


class StoreMetrics(Families):
    """What whoever talks to the store counts: workers and the master."""

    def __init__(self) -> None:
        super().__init__()
        self._store_calls = Count("segue_store_calls", "Calls to the store, by what became of them", ("outcome",))
        self._store_seconds = Distribution("segue_store_call_seconds", "Calls to the store, failed ones too", _STORE)
        self._store_recoveries = Count(
            "segue_store_recoveries", "Times a process found the store answering again after it had not"
        )

    def store_called(self, outcome: str, seconds: float) -> None:
        self._store_calls.add(outcome)
        self._store_seconds.row().observe(seconds)

    def store_recovered(self) -> None:
        self._store_recoveries.add()


class TargetMetrics(StoreMetrics):
    """How a worker fares with its targets."""

    def __init__(self) -> None:
        super().__init__()
        self._attempts = Count(
            "segue_attempts",
            "Attempts ended (served, failed, cancelled: another was sooner) or candidates skipped",
            ("target", "outcome", "reason"),
        )
        self._fallbacks = Count(
            "segue_fallbacks",
            "Hops from one candidate to the next",
            ("route", "from_target", "to_target", "reason"),
        )
        self._retries = Count("segue_retries", "Further tries at the same target", ("target",))
        self._retries_denied = Count(
            "segue_retries_denied", "Further tries left out because the target's retry budget was used up", ("target",)
        )
        self._hedges = Count(
            "segue_hedges",
            "Targets asked beside one that was late: won, lost, failed; or not asked after all: denied",
            ("target", "outcome"),
        )
        self._at_target = Level("segue_target_in_flight", "Attempts that run at a target", ("target",), merge="sum")
        self._queued = Level(
            "segue_target_queue", "Requests that wait for a place at a target", ("target",), merge="sum"
        )
        self._exhausted = Count("segue_chains_exhausted", "Requests no candidate could answer", ("route",))
        self._gap = Distribution(
            "segue_event_gap_seconds", "Between two reads of content from a provider", _GAPS, ("target",)
        )
        self._breaker = Level(
            "segue_breaker_state",
            "0 closed, 1 half-open, 2 open; the worst among the workers",
            ("target",),
            merge="max",
        )
        self._midstream = Count(
            "segue_midstream",
            "Streams that broke after content was sent: the policy in force, what was done (fail, continue, restart)",
            ("route", "policy", "outcome"),
        )
        self._breaker_moves = Count(
            "segue_breaker_transitions",
            "Changes of a breaker's state by what came of requests, each counted where it was seen",
            ("target", "to"),
        )
        self._truncated = Count(
            "segue_streams_truncated", "Streams that broke after content was sent", ("target", "cause")
        )

    def attempt_ended(self, target: str, outcome: str, reason: str) -> None:
        self._attempts.add(target, outcome, reason)

    def fell_back(self, route: str, from_target: str, to_target: str, reason: str) -> None:
        self._fallbacks.add(route, from_target, to_target, reason)

    def retried(self, target: str) -> None:
        self._retries.add(target)

    def retry_denied(self, target: str) -> None:
        self._retries_denied.add(target)

    def hedged(self, target: str, outcome: str) -> None:
        """`target`: the one that was asked second. `outcome`: won, lost, failed, denied."""
        self._hedges.add(target, outcome)

    def targets(self, in_flight: dict[str, int], queued: dict[str, int]) -> None:
        """Of all targets there are: those of an earlier call that are not among them go."""
        self._at_target.values = {(target,): count for target, count in in_flight.items()}
        self._queued.values = {(target,): count for target, count in queued.items()}

    def chain_exhausted(self, route: str) -> None:
        self._exhausted.add(route)

    def gap_observer(self, target: str) -> Callable[[float], None]:
        """The hot path's way to observe gaps: bound once per stream."""
        return self._gap.row(target).observe

    def broke_midstream(self, route: str, policy: str, outcome: str) -> None:
        """`policy` and `outcome`: fail, continue, restart."""
        self._midstream.add(route, policy, outcome)

    def truncated(self, target: str, cause: str) -> None:
        self._truncated.add(target, cause)

    def breaker_moved(self, target: str, to: str) -> None:
        """`target`: also a credential's name; `to`: closed, half-open, open."""
        self._breaker_moves.add(target, to)

    def breaker_states(self, states: dict[str, str]) -> None:
        """Of all targets there are: those of an earlier call that are not among them go."""
        self._breaker.values = {(target,): _BREAKER_LEVEL[state] for target, state in states.items()}


class Metrics(TargetMetrics):
    """Those of a worker."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = Count(
            "segue_requests",
            "Requests ended, by what the client got: ok, incomplete, refused, failed, broken, cancelled, shed",
            ("route", "vocabulary", "tenant", "outcome"),
        )
        self._first_token = Distribution(
            "segue_time_to_first_token_seconds",
            "From the request's arrival to its first content, fallbacks included",
            _SECONDS,
            ("route",),
        )
        self._overhead = Distribution(
            "segue_overhead_seconds",
            "Time a request spent in the proxy itself: neither waiting for a provider nor for the client",
            _OVERHEAD,
            ("vocabulary",),
        )
        self._duration = Distribution("segue_request_duration_seconds", "Whole requests", _SECONDS, ("route",))
        self._in_flight = Level("segue_requests_in_flight", "Requests being served", merge="sum")
        self._tokens = Count(
            "segue_tokens",
            "Tokens reported by providers; cache and reasoning figures are parts of input and output",
            ("route", "target", "kind"),
        )
        self._dropped = Count("segue_events_dropped", "Frames or events left out of a stream", ("vocabulary", "why"))
        self._client_retries = Count(
            "segue_client_retries", "Requests that an SDK sent again (x-stainless-retry-count)"
        )
        self._lookups = Count(
            "segue_key_lookups",
            "Keys looked for, by what had the last word: file, memory, store, negative (known not to exist)",
            ("source", "outcome"),
        )
        self._shed = Count("segue_requests_shed", "Requests turned away unread: in_flight_limit, loop_lag", ("why",))
        self._lag = Level(
            "segue_event_loop_lag_seconds",
            "How late timers were at worst within the last second, in the worst worker",
            merge="max",
        )
        self._lateness = Distribution(
            "segue_event_loop_lateness_seconds", "How late a timer was that looks five times a second", _LATENESS
        )
        self._accepting = Level("segue_workers_accepting", "Workers that take new connections just now", merge="sum")
        self._build = Level("segue_build_info", "Always 1", ("version",), merge="max")

    def started(self, version: str) -> None:
        self._build.set(version, level=1)

    def request_began(self) -> None:
        self._in_flight.shift(1)

    def request_ended(
        self, route: str, vocabulary: str, tenant: str, outcome: str, seconds: float, request_id: str
    ) -> None:
        self._in_flight.shift(-1)
        self._requests.add(route, vocabulary, tenant, outcome)
        self._duration.row(route).observe_request(seconds, request_id)

    def first_token(self, route: str, seconds: float, request_id: str) -> None:
        self._first_token.row(route).observe_request(seconds, request_id)

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

    def dropped(self, vocabulary: str, why: str, count: int = 1) -> None:
        self._dropped.add(vocabulary, why, amount=count)

    def client_retried(self) -> None:
        self._client_retries.add()

    def key_looked_up(self, source: str, outcome: str) -> None:
        """`source`: file, memory, store, negative."""
        self._lookups.add(source, outcome)

    def shed(self, vocabulary: str, why: str) -> None:
        """`why`: in_flight_limit, loop_lag. Whose request it was, and for what, is never known."""
        self._shed.add(why)
        self._requests.add(OTHER, vocabulary, OTHER, "shed")

    def loop_looked_at(self, late: float) -> None:
        """`late`: seconds."""
        self._lateness.row().observe(late)

    def loop_lag(self, worst: float) -> None:
        """`worst`: seconds, since this was told last."""
        self._lag.set(level=worst)

    def accepting(self, is_accepting: bool) -> None:
        self._accepting.set(level=float(is_accepting))


class MasterMetrics(StoreMetrics):
    """Those of the master."""

    def __init__(self) -> None:
        super().__init__()
        self._workers = Level(
            "segue_workers", "Workers there should be, and workers there are", ("state",), merge="max"
        )
        self._waiting = Level(
            "segue_connections_waiting", "Connections that no worker has accepted yet, as they are now", merge="max"
        )
        self._worker_restarts = Count("segue_worker_restarts", "Workers replaced, by what was wrong", ("reason",))
        self._snapshot = Level("segue_snapshot_number", "The configuration in force", merge="max")
        self._reloads = Count("segue_reloads", "Attempts to take over a changed configuration", ("outcome",))
        self._store_up = Level("segue_store_up", "1 while the master reaches the store", merge="max")
        self._store_transitions = Count("segue_store_transitions", "Changes of what the store is like", ("to",))
        self._store_restarts = Count("segue_store_restarts", "Restarts of the embedded store")
        self._store_quarantines = Count(
            "segue_store_quarantines", "Times the embedded store's data could not be read and was moved aside"
        )
        self._replayed = Count(
            "segue_store_revocations_replayed", "Revocations put back into a store that had lost them"
        )
        self._admin_actions = Count("segue_admin_actions", "Actions asked for under /admin", ("action", "outcome"))

    def workers(self, configured: int, alive: int) -> None:
        self._workers.set("configured", level=configured)
        self._workers.set("alive", level=alive)

    def connections_waiting(self, count: int) -> None:
        self._waiting.set(level=count)

    def worker_restarted(self, reason: str) -> None:
        """`reason`: crashed, hung."""
        self._worker_restarts.add(reason)

    def snapshot(self, number: int) -> None:
        self._snapshot.set(level=number)

    def reloaded(self, outcome: str) -> None:
        self._reloads.add(outcome)

    def store_is_up(self, is_up: bool) -> None:
        self._store_up.set(level=float(is_up))

    def store_changed(self, to: str) -> None:
        """`to`: up, or the kind of failure."""
        self._store_transitions.add(to)

    def store_restarted(self) -> None:
        self._store_restarts.add()

    def store_quarantined(self) -> None:
        self._store_quarantines.add()

    def revocations_replayed(self, count: int) -> None:
        self._replayed.add(amount=count)

    def admin_acted(self, action: str, outcome: str) -> None:
        self._admin_actions.add(action, outcome)
