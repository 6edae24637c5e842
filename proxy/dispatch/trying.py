"""The tries at one candidate: the first one bare; only a failure that may pass enters tenacity."""

import asyncio
from collections.abc import Callable

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from proxy.canonical.account import AttemptRecord
from proxy.canonical.request import Request
from proxy.dispatch.ask import Ask
from proxy.dispatch.attempt import Attempt
from proxy.dispatch.breakers import Breakers
from proxy.dispatch.capacity import Capacity
from proxy.dispatch.served import Left, Served
from proxy.dispatch.targets import Targets, Traffic
from proxy.dispatch.time_limits import TimeLimits
from proxy.errors import Cause, UpstreamFault
from proxy.routing.candidates import Candidate, Target
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.transport.exchange import Transport


class Turn(msgspec.Struct, frozen=True):
    """One candidate's turn: the request it is sent, when the turn began and until when there must be content (monotonic
    clock), whether nobody comes after it, and whether an answer without a word is one."""

    ask: Ask
    candidate: Candidate
    request: Request
    traffic: Traffic
    began: float
    until: float
    is_last: bool
    accepts_empty: bool


class Tries:
    """What all tries share. A try that is let in holds a permit and, where the target has a limit, a place; both go
    back when it fails, is cancelled, or is closed by whoever got it."""

    def __init__(
        self,
        transport: Transport,
        breakers: Breakers,
        targets: Targets,
        metrics: Metrics,
        clocks: Clocks,
        jitter: Callable[[], float],
    ) -> None:
        """`jitter` returns a number in [0, 1)."""
        self.metrics = metrics
        self.clocks = clocks
        self.jitter = jitter
        self._transport = transport
        self._breakers = breakers
        self._targets = targets
        self._limits = TimeLimits()

    def turn(
        self, ask: Ask, candidate: Candidate, request: Request, candidates_left: int, *, accepts_empty: bool
    ) -> Turn:
        """A turn that begins now. `candidates_left` counts this one."""
        now = self.clocks.monotonic()
        until = now + ask.deadline.slice(now, candidates_left)
        traffic, is_last = self.traffic(candidate.target), candidates_left <= 1
        return Turn(ask, candidate, request, traffic, now, until, is_last, accepts_empty)

    def traffic(self, target: Target) -> Traffic:
        return self._targets.of(target)

    async def at(self, turn: Turn) -> Served | Left:
        """The first try, and those after it that the route allows."""
        entered = self.enter(turn)
        if not isinstance(entered, Served) and turn.is_last:
            entered = await self.enter_in_turn(turn)
        if not isinstance(entered, Served):
            self.record(turn, entered, "skipped")
            return Left(entered, was_asked=False)
        turn.traffic.budget.requested(turn.began)
        fault = await self.commit(turn, entered)
        if fault is None:
            return entered
        if fault.policy.retry_same and turn.ask.route.retries.again and self.clocks.monotonic() < turn.until:
            return await _Repetition(self, turn, fault).run()
        return Left(fault, was_asked=True)

    def enter(self, turn: Turn) -> Served | UpstreamFault:
        """A try that is let in; or why it is not, just now."""
        capacity = turn.traffic.capacity
        if capacity is not None and not capacity.take():
            return UpstreamFault(Cause.NO_CAPACITY, "The target takes no more requests at once.")
        return self._with_place(turn, capacity)

    async def enter_in_turn(self, turn: Turn) -> Served | UpstreamFault:
        """As `enter`, but where only room is missing, that is waited for."""
        entered = self.enter(turn)
        capacity = turn.traffic.capacity
        if isinstance(entered, Served) or capacity is None or entered.cause is not Cause.NO_CAPACITY:
            return entered
        if self.is_shut(turn):
            return self._breakers.refusal(turn.candidate.target)
        now = self.clocks.monotonic()
        try:
            has_place = await capacity.wait(turn.until - now)
        finally:
            turn.ask.account.waited += self.clocks.monotonic() - now
        return self._with_place(turn, capacity) if has_place else entered

    def _with_place(self, turn: Turn, capacity: Capacity | None) -> Served | UpstreamFault:
        target = turn.candidate.target
        permit = self._breakers.acquire(target, is_last=turn.is_last)
        if permit is None:
            if capacity is not None:
                capacity.release()
            return self._breakers.refusal(target)
        attempt = Attempt(turn.candidate, self._transport, self.clocks, self._limits, accepts_empty=turn.accepts_empty)
        return Served(attempt, permit, capacity, turn.traffic, self.clocks)

    def is_shut(self, turn: Turn) -> bool:
        """Whether the target's breaker is open just now, or pauses because the provider asked for that."""
        return self._breakers.of(turn.candidate.target).retry_in(self.clocks.monotonic()) > 0

    def is_well(self, turn: Turn) -> bool:
        """Whether nothing at all speaks against the target just now: neither its breaker nor its limit."""
        capacity = turn.traffic.capacity
        if capacity is not None and not capacity.has_room:
            return False
        return self._breakers.of(turn.candidate.target).objection(self.clocks.monotonic()) is None

    async def commit(self, turn: Turn, served: Served) -> UpstreamFault | None:
        """Bring a try that was let in to its commit point; why not, if it failed: then it is recorded and closed."""
        attempt, ask = served.attempt, turn.ask
        begun = self.clocks.monotonic()
        has_committed = False
        try:
            await attempt.commit(turn.request, ask.forwarded, turn.until - begun, ask.deadline)
            has_committed = True
        except UpstreamFault as fault:
            now = self.clocks.monotonic()
            if fault.cause is Cause.TIMED_OUT:
                turn.traffic.took(now - begun, now, is_stream=turn.request.stream)
            served.broke(fault)
            self.record(turn, fault, "failed")
            return fault
        finally:
            if not has_committed:
                ask.account.waited += attempt.waited  # also where the client left meanwhile
                served.close()
        now = self.clocks.monotonic()
        turn.traffic.took(now - begun, now, is_stream=turn.request.stream)
        served.committed(now)
        return None

    def record(self, turn: Turn, fault: UpstreamFault, outcome: str) -> None:
        """`outcome`: failed, skipped or cancelled."""
        name, ask = turn.candidate.target.name, turn.ask
        record = AttemptRecord(
            name,
            outcome,
            reason=fault.policy.reason.value,
            detail=fault.detail,
            status=fault.upstream_status,
            elapsed_ms=int((self.clocks.monotonic() - ask.begun) * 1000),
        )
        ask.account.attempts.append(record)
        self.metrics.attempt_ended(name, outcome, record.reason or "")


class _Repetition:
    """The tries after the first at one candidate. tenacity is told of failures as values, never as exceptions: it would
    keep them, with their tracebacks, in a circle."""

    def __init__(self, tries: Tries, turn: Turn, fault: UpstreamFault) -> None:
        """`fault`: how the first try failed."""
        self._tries = tries
        self._turn = turn
        self._retries = turn.ask.route.retries
        self._fault = fault
        self._has_begun = False
        self._is_over = False
        self._state: RetryCallState | None = None

    async def run(self) -> Served | Left:
        retrying = AsyncRetrying(
            retry=retry_if_result(self._may_pass),
            wait=self._wait,
            stop=self._stop,
            sleep=self._sleep,
            retry_error_callback=_result,
        )
        try:
            outcome: Served | UpstreamFault = await retrying(self._next)
        finally:
            # Otherwise circles remain: of tenacity's own steps, and of a cancellation with the frames it went through.
            retrying.iter_state.reset()
            state, self._state = self._state, None
            if state is not None:
                state.outcome = None
        return outcome if isinstance(outcome, Served) else Left(outcome, was_asked=True)

    async def _next(self) -> Served | UpstreamFault:
        """What tenacity calls. It counts the first try too, which was over before it was entered."""
        if not self._has_begun:
            self._has_begun = True
            return self._fault
        tries, turn = self._tries, self._turn
        entered = await tries.enter_in_turn(turn) if turn.is_last else tries.enter(turn)
        if not isinstance(entered, Served):
            self._is_over = True
            return self._fault
        tries.metrics.retried(turn.candidate.target.name)
        fault = await tries.commit(turn, entered)
        if fault is None:
            return entered
        self._fault = fault
        return fault

    async def _sleep(self, seconds: float) -> None:
        self._turn.ask.account.waited += seconds
        await asyncio.sleep(seconds)

    def _may_pass(self, outcome: Served | UpstreamFault) -> bool:
        return not self._is_over and not isinstance(outcome, Served) and outcome.policy.retry_same

    def _wait(self, state: RetryCallState) -> float:
        """Full jitter; where the provider named a time, not before that."""
        longest = min(self._retries.first_wait * 2.0 ** (state.attempt_number - 1), self._retries.longest_wait)
        return (self._fault.retry_after or 0.0) + longest * self._tries.jitter()

    def _stop(self, state: RetryCallState) -> bool:
        self._state = state
        tries, turn = self._tries, self._turn
        now = tries.clocks.monotonic()
        if state.attempt_number > self._retries.again or now + state.upcoming_sleep >= turn.until:
            return True
        if (self._fault.retry_after or 0.0) > self._retries.longest_wait or tries.is_shut(turn):
            return True
        if not turn.traffic.budget.spend(now):
            tries.metrics.retry_denied(turn.candidate.target.name)
            return True
        return False


def _result(state: RetryCallState) -> Served | UpstreamFault:
    assert state.outcome is not None
    outcome: Served | UpstreamFault = state.outcome.result()
    return outcome
