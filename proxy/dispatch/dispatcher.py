"""The candidate chain: who is asked next, what is recorded of who failed, and what the client is told of each hop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from proxy.canonical.account import AttemptRecord, Exhausted, Hop
from proxy.canonical.request import Request
from proxy.dispatch.ask import Ask
from proxy.dispatch.breakers import Breakers
from proxy.dispatch.race import Finish, Race, may_follow, overtaken
from proxy.dispatch.served import Left, Served
from proxy.dispatch.targets import Targets
from proxy.dispatch.trying import Tries, Turn
from proxy.errors import Again, Cause, Next, ProxyError, UpstreamFault
from proxy.routing import failures
from proxy.routing.candidates import Candidate, Route, larger_windows
from proxy.routing.settings import Hedging
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.transport.exchange import Transport

Announce = Callable[[Hop | Exhausted], Awaitable[None]]
Narrow = Callable[[list[Candidate]], list[tuple[Candidate, Request]]]
_UNTOLD_PAUSE = 1.0  # seconds; as long as a breaker cools down then
_LEAST_PAUSE = 0.02


class Dispatcher:
    """Makes chains; what they share lives as long as the process."""

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
        self._tries = Tries(transport, breakers, targets, metrics, clocks, jitter)

    def chain(self, ask: Ask, announce: Announce) -> "Chain":
        """`announce` is told every hop, and the end of the chain, before it shows."""
        return Chain(self._tries, ask, announce)


class _Resort(NamedTuple):
    """A candidate that may be asked once more when nobody is left, and from when on (monotonic clock)."""

    candidate: Candidate
    at: float
    was_asked: bool
    is_paid: bool = False


class Chain:
    """One request's way along its candidates. After an answer broke in mid-stream it goes on where it stood."""

    __slots__ = (
        "_announce",
        "_ask",
        "_broken",
        "_discard",
        "_faults",
        "_is_anew",
        "_left",
        "_previous",
        "_requests",
        "_resorts",
        "_serving",
        "_tries",
    )

    def __init__(self, tries: Tries, ask: Ask, announce: Announce) -> None:
        self._tries = tries
        self._ask = ask
        self._announce = announce
        self._left = list(ask.candidates)
        self._previous: tuple[Candidate, UpstreamFault] | None = None
        self._serving: Candidate | None = None
        self._faults: dict[str, UpstreamFault] = {}  # by target name: the last of each, the newest last
        self._resorts: list[_Resort] = []
        self._requests: dict[str, Request] | None = None  # by target name, where it is not the request that came
        self._broken: UpstreamFault | None = None
        self._discard = False
        self._is_anew = False  # what was sent is to be void: silence would be nothing better

    def first_committed(self) -> Awaitable[Served]:
        """The first candidate to reach its commit point. Raises what the caller is told if none does."""
        return self._advance()

    async def after(self, fault: UpstreamFault, narrow: Narrow, *, discard: bool = False) -> Served:
        """The next candidate to reach its commit point, once the answer of the one served last broke with `fault` after
        its first content. `narrow` picks those of the candidates left who may go on, and the request each is sent.
        `discard`: what was sent is void, and the next hop says so. Raises StreamBroken, which tells of `fault` whatever
        the successors died of, if none does."""
        broken = self._serving
        assert broken is not None
        pairs = narrow(_successors(fault, broken, self._left, self._ask.route))
        now = self._tries.clocks.monotonic()
        if not pairs or self._ask.deadline.remaining(now) <= 0:
            raise failures.broken_stream(fault)
        self._left = [candidate for candidate, _ in pairs]
        self._requests = {candidate.target.name: request for candidate, request in pairs}
        self._broken, self._discard, self._is_anew = fault, discard, discard
        self._previous = (broken, fault)
        self._withdraw(broken, fault)
        return await self._advance()

    async def _advance(self) -> Served:
        # Only a stream has a first content to be late: a whole answer takes as long as it is.
        hedging = self._ask.route.hedging if self._ask.request.stream and self._broken is None else None
        while self._left:
            candidate = self._left.pop(0)
            if self._previous is not None:
                await self._hop(candidate)
            turn = self._turn(candidate, len(self._left) + 1)
            if hedging is None or not self._left:
                outcome = await self._tries.at(turn)
            else:
                candidate, outcome = await self._hedged(turn, hedging)
            if isinstance(outcome, Served):
                return self._serve(outcome)
            self._leave(candidate, outcome)
        served = await self._last_resort()
        if served is None:
            raise await self._exhausted()
        return served

    def _turn(self, candidate: Candidate, candidates_left: int) -> Turn:
        request = self._ask.request
        if self._requests is not None:
            request = self._requests[candidate.target.name]
        # Whoever goes on with an answer may find that it was complete.
        goes_on = request.continuation is not None
        accepts_empty = goes_on or (self._ask.route.accepts_empty_answer and not self._is_anew)
        return self._tries.turn(self._ask, candidate, request, candidates_left, accepts_empty=accepts_empty)

    def _serve(self, served: Served) -> Served:
        candidate, account = served.attempt.candidate, self._ask.account
        account.served_by = candidate.target.name
        account.warnings = served.attempt.warnings
        account.attempts.append(AttemptRecord(candidate.target.name, "served", elapsed_ms=self._elapsed_ms()))
        self._serving = candidate
        if self._previous is not None:  # else a stream would keep all that failed before it, requests and all
            self._previous = None
            self._faults.clear()
            self._resorts.clear()
        return served

    def _withdraw(self, broken: Candidate, fault: UpstreamFault) -> None:
        """The attempt that was written down as having served did not."""
        attempts, reason = self._ask.account.attempts, fault.policy.reason.value
        attempts[-1] = AttemptRecord(
            broken.target.name, "failed", reason, fault.detail, fault.upstream_status, self._elapsed_ms()
        )
        self._tries.metrics.attempt_ended(broken.target.name, "failed", reason)

    def _leave(self, candidate: Candidate, left: Left) -> None:
        """Decide who is left after `candidate` gave no answer. Raises what the caller is told if that is the end."""
        fault, ask = left.fault, self._ask
        now = self._tries.clocks.monotonic()
        self._note(candidate, fault)
        self._previous = (candidate, fault)
        if fault.policy.next is Next.NO and self._broken is None:
            said = failures.final_word(fault)
            if said is not None:
                raise said
        allowed = [] if ask.deadline.remaining(now) <= 0 else self._left
        self._left = _successors(fault, candidate, allowed, ask.route)
        self._resorts = [one for one in self._resorts if _successors(fault, candidate, [one.candidate], ask.route)]
        if fault.policy.again is Again.LAST_RESORT:
            self._resorts.append(_Resort(candidate, now + self._pause(fault), left.was_asked))

    def _note(self, candidate: Candidate, fault: UpstreamFault) -> None:
        """The newest fault of each candidate counts, and stands last."""
        self._faults.pop(candidate.target.name, None)
        self._faults[candidate.target.name] = fault

    def _pause(self, fault: UpstreamFault) -> float:
        """Seconds until asking once more makes sense; not the same for all who were told the same."""
        if fault.cause is Cause.NO_CAPACITY:
            return 0.0
        named = fault.retry_after
        if named is None:
            named = _UNTOLD_PAUSE if fault.cause is Cause.RATE_LIMITED else _LEAST_PAUSE
        return named + self._ask.route.retries.first_wait * self._tries.jitter()

    async def _last_resort(self) -> Served | None:
        """Nobody is left: whoever may be asked soonest is asked once more, if that is soon."""
        tries, ask = self._tries, self._ask
        latest = min(tries.clocks.monotonic() + ask.route.retries.longest_wait, ask.deadline.at)
        while self._resorts:
            resort = min(self._resorts, key=_ready_at)
            self._resorts.remove(resort)
            if resort.at >= latest or not self._may_ask(resort):
                continue
            await self._sleep(resort.at - tries.clocks.monotonic())
            turn = self._turn(resort.candidate, 1)
            entered = await tries.enter_in_turn(turn)
            if isinstance(entered, Served):
                return await self._once_more(turn, entered, was_asked=resort.was_asked)
            self._note(resort.candidate, entered)
            if entered.policy.again is Again.LAST_RESORT and entered.cause is not Cause.NO_CAPACITY:
                at = tries.clocks.monotonic() + self._pause(entered)
                self._resorts.append(resort._replace(at=at, is_paid=True))
        return None

    def _may_ask(self, resort: _Resort) -> bool:
        """Whoever was asked before is asked again only if the route allows that, and the target's retry budget."""
        if resort.is_paid or not resort.was_asked:
            return True
        tries, target = self._tries, resort.candidate.target
        if not self._ask.route.retries.again:
            return False
        may = tries.traffic(target).budget.spend(tries.clocks.monotonic())
        if not may:
            tries.metrics.retry_denied(target.name)
        return may

    async def _once_more(self, turn: Turn, entered: Served, *, was_asked: bool) -> Served | None:
        fault: UpstreamFault | None = None
        is_kept = False
        try:
            if was_asked:
                self._tries.metrics.retried(turn.candidate.target.name)
            await self._hop(turn.candidate)
            fault = await self._tries.commit(turn, entered)
            is_kept = fault is None
        finally:
            if not is_kept:
                entered.close()
        self._resorts.clear()
        if fault is None:
            return self._serve(entered)
        self._leave(turn.candidate, Left(fault, was_asked=True))
        return None

    async def _hedged(self, turn: Turn, hedging: Hedging) -> tuple[Candidate, Served | Left]:
        """The turn, and the next candidate's beside it once it is late; who decided, and how that one's turn went."""
        candidate = turn.candidate
        turn.traffic.allowance.requested(hedging.share)
        delay = hedging.after if hedging.after is not None else turn.traffic.p95()
        if delay is None:
            return candidate, await self._tries.at(turn)

        def follow() -> Turn | None:
            follower = self._turn(self._left[0], len(self._left))
            return follower if self._ask.may_hedge() and may_follow(self._tries, turn, follower) else None

        def is_lost(left: Left) -> bool:
            return not _successors(left.fault, candidate, self._left[:1], self._ask.route)

        race = Race(self._tries)
        finish = await race.run(turn, delay, follow, is_lost)
        if race.follower is None:
            assert finish.leader is not None
            return candidate, finish.leader
        return await self._decided(turn, race.follower, finish)

    async def _decided(self, leader: Turn, follower: Turn, finish: Finish) -> tuple[Candidate, Served | Left]:
        first, second = leader.candidate, follower.candidate
        if isinstance(finish.follower, Served):
            self._left.pop(0)
            await self._overtaken(leader, finish.leader, finish.follower)
            return second, finish.follower
        assert finish.leader is not None
        if finish.follower is None:  # it stays among those left
            return first, finish.leader
        self._left.pop(0)
        if isinstance(finish.leader, Left):
            self._leave(first, finish.leader)
            await self._hop(second)
            return second, finish.follower
        return first, finish.leader

    async def _overtaken(self, leader: Turn, left: Served | Left | None, winner: Served) -> None:
        """The follower has content: the leader is left for it, having failed or not."""
        self._previous = (leader.candidate, left.fault if isinstance(left, Left) else overtaken())
        is_told = False
        try:
            await self._hop(winner.attempt.candidate)
            is_told = True
        finally:
            if not is_told:
                winner.close()

    async def _hop(self, candidate: Candidate) -> None:
        """The candidate left last is left for this one; to ask the same once more is no hop."""
        assert self._previous is not None
        left, fault = self._previous
        if left.target.name == candidate.target.name:
            return
        hop = Hop(
            from_model=left.target.name,
            to_model=candidate.target.name,
            reason=fault.policy.reason.value,
            attempt=len(self._ask.account.attempts),
            elapsed_ms=self._elapsed_ms(),
            detail=fault.detail,
            status=fault.upstream_status,
            discard=self._discard,
        )
        self._discard = False
        self._ask.account.hops.append(hop)
        self._tries.metrics.fell_back(self._ask.route.name, hop.from_model, hop.to_model, hop.reason)
        await self._announce(hop)

    async def _exhausted(self) -> ProxyError:
        account = self._ask.account
        if self._broken is not None:
            error: ProxyError = failures.broken_stream(self._broken)
        else:
            error = failures.exhausted(list(self._faults.values()), self._ask.request.model)
        tried = tuple(dict.fromkeys(record.model for record in account.attempts))
        self._tries.metrics.chain_exhausted(self._ask.route.name)
        await self._announce(Exhausted(tried, error.message, tuple(account.attempts)))
        return error

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._ask.account.waited += seconds
            await asyncio.sleep(seconds)

    def _elapsed_ms(self) -> int:
        return int((self._tries.clocks.monotonic() - self._ask.begun) * 1000)


def _ready_at(resort: _Resort) -> float:
    return resort.at


def _successors(fault: UpstreamFault, candidate: Candidate, left: list[Candidate], route: Route) -> list[Candidate]:
    """Who may still be asked after `fault` (contract §7, column "next candidate")."""
    match fault.policy.next:
        case Next.LARGER_WINDOW:
            return larger_windows(left, candidate.target)
        case Next.IF_ROUTE_ALLOWS:
            return left if route.next_on_content_filter else []
        case Next.NO:
            return []
    return left
