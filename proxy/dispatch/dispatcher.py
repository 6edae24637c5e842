"""The candidate chain: who is asked next, what is recorded of who failed, and what the client is told of each hop."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from proxy.canonical.account import Account, AttemptRecord, Exhausted, Hop
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.attempt import Attempt
from proxy.dispatch.breakers import Breakers
from proxy.errors import Cause, Next, ProxyError, UpstreamFault, Verdict
from proxy.routing import failures
from proxy.routing.breaker import Permit
from proxy.routing.candidates import Candidate, Route, larger_windows
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.transport.exchange import Transport

Announce = Callable[[Hop | Exhausted], Awaitable[None]]
_HEALTHY_AFTER_SECONDS = 10.0


class Ask(NamedTuple):
    """One request, ready to be sent to `candidates` in order. `begun` is on the monotonic clock."""

    request: Request
    route: Route
    candidates: list[Candidate]
    deadline: Deadline
    begun: float
    account: Account
    forwarded: Mapping[str, str]


class Served:
    """A committed attempt with its permit: whoever relays it reports how it ended."""

    def __init__(self, attempt: Attempt, permit: Permit, clocks: Clocks) -> None:
        self.attempt = attempt
        self._permit = permit
        self._clocks = clocks
        self._healthy_at = clocks.monotonic() + _HEALTHY_AFTER_SECONDS

    def flowing(self, now: float) -> None:
        """Content came; after ten healthy seconds the breaker need not wait for the end to hear of it."""
        if now >= self._healthy_at:
            self._healthy_at = float("inf")
            self._permit.report(Verdict.SUCCESS, now)

    def succeeded(self) -> None:
        self._permit.report(Verdict.SUCCESS, self._clocks.monotonic())

    def broke(self, fault: UpstreamFault) -> None:
        self._permit.report(fault.verdict, self._clocks.monotonic(), fault.retry_after)

    def close(self) -> None:
        """A permit nobody reported on was a departed client's: neutral."""
        self._permit.report(Verdict.NONE, self._clocks.monotonic())
        self.attempt.close()


class Dispatcher:
    def __init__(self, transport: Transport, breakers: Breakers, metrics: Metrics, clocks: Clocks) -> None:
        self._transport = transport
        self._breakers = breakers
        self._metrics = metrics
        self._clocks = clocks

    async def first_committed(self, ask: Ask, announce: Announce) -> Served:
        """The first candidate to reach its commit point. Raises what the caller is told if none does; every hop and the
        end of the chain go to `announce` first."""
        left = list(ask.candidates)
        faults: list[UpstreamFault] = []
        previous: tuple[Candidate, UpstreamFault] | None = None
        while left:
            candidate = left.pop(0)
            if previous is not None:
                await self._hop(ask, *previous, candidate, announce)
            permit = self._breakers.acquire(candidate.target)
            if permit is None:
                fault = self._passed_over(candidate)
            else:
                outcome = await self._try(ask, candidate, permit, len(left) + 1)
                if isinstance(outcome, Served):
                    return outcome
                fault = outcome
            faults.append(fault)
            self._record(ask, candidate, fault, skipped=permit is None)
            if fault.policy.next is Next.NO:
                raise failures.final_word(fault) or failures.exhausted(faults, ask.request.model)
            left = _successors(fault, candidate, left, ask.route)
            previous = (candidate, fault)
            if ask.deadline.remaining(self._clocks.monotonic()) <= 0:
                left = []
        raise await self._exhausted(ask, faults, announce)

    async def _try(
        self, ask: Ask, candidate: Candidate, permit: Permit, candidates_left: int
    ) -> Served | UpstreamFault:
        attempt = Attempt(candidate, self._transport, self._clocks)
        now = self._clocks.monotonic()
        within = ask.deadline.slice(now, candidates_left)
        committed = False
        try:
            await attempt.commit(ask.request, ask.forwarded, within, ask.deadline)
            committed = True
        except UpstreamFault as fault:
            ask.account.waited += attempt.waited
            permit.report(fault.verdict, self._clocks.monotonic(), fault.retry_after)
            return fault
        finally:
            if not committed:
                permit.report(Verdict.NONE, self._clocks.monotonic())
                attempt.close()
        ask.account.served_by = candidate.target.name
        ask.account.warnings = attempt.warnings
        ask.account.attempts.append(AttemptRecord(candidate.target.name, "served", elapsed_ms=self._elapsed_ms(ask)))
        return Served(attempt, permit, self._clocks)

    def _passed_over(self, candidate: Candidate) -> UpstreamFault:
        breaker = self._breakers.of(candidate.target)
        wait = breaker.retry_in(self._clocks.monotonic())
        if breaker.cooling and wait:
            return UpstreamFault(
                Cause.RATE_LIMITED, "The provider asked for a pause.", detail="cooling_down", retry_after=wait
            )
        return UpstreamFault(
            Cause.BREAKER_OPEN, "The target's breaker is open.", detail="breaker_open", retry_after=wait or 1.0
        )

    def _record(self, ask: Ask, candidate: Candidate, fault: UpstreamFault, *, skipped: bool) -> None:
        record = AttemptRecord(
            candidate.target.name,
            "skipped" if skipped else "failed",
            reason=fault.policy.reason.value,
            detail=fault.detail,
            status=fault.upstream_status,
            elapsed_ms=self._elapsed_ms(ask),
        )
        ask.account.attempts.append(record)
        self._metrics.attempt_ended(candidate.target.name, record.outcome, record.reason or "")

    async def _hop(
        self, ask: Ask, left: Candidate, fault: UpstreamFault, candidate: Candidate, announce: Announce
    ) -> None:
        hop = Hop(
            from_model=left.target.name,
            to_model=candidate.target.name,
            reason=fault.policy.reason.value,
            attempt=len(ask.account.attempts),
            elapsed_ms=self._elapsed_ms(ask),
            detail=fault.detail,
            status=fault.upstream_status,
        )
        ask.account.hops.append(hop)
        self._metrics.fell_back(ask.route.name, hop.from_model, hop.to_model, hop.reason)
        await announce(hop)

    async def _exhausted(self, ask: Ask, faults: list[UpstreamFault], announce: Announce) -> ProxyError:
        error = failures.exhausted(faults, ask.request.model)
        tried = tuple(dict.fromkeys(record.model for record in ask.account.attempts))
        self._metrics.chain_exhausted(ask.route.name)
        await announce(Exhausted(tried, error.message, tuple(ask.account.attempts)))
        return error

    def _elapsed_ms(self, ask: Ask) -> int:
        return int((self._clocks.monotonic() - ask.begun) * 1000)


def _successors(fault: UpstreamFault, candidate: Candidate, left: list[Candidate], route: Route) -> list[Candidate]:
    """Who may still be asked after `fault` (contract §7, column "next candidate")."""
    match fault.policy.next:
        case Next.LARGER_WINDOW:
            return larger_windows(left, candidate.target)
        case Next.IF_ROUTE_ALLOWS:
            return left if route.next_on_content_filter else []
    return left
