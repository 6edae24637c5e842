"""Hedging: when one candidate's first content is late the next is asked too, and whoever has content first wins."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from proxy.dispatch.served import Left, Served
from proxy.dispatch.trying import Tries, Turn
from proxy.errors import Cause, UpstreamFault

Outcome = Served | Left
_Runner = asyncio.Task[Outcome]


class Finish(NamedTuple):
    """What became of each, one `Served` at most. None: cancelled, because the other had won or the request was lost; or
    never begun."""

    leader: Outcome | None
    follower: Outcome | None = None


def may_follow(tries: Tries, leader: Turn, follower: Turn) -> bool:
    """Whether a hedge may begin now: its target is well and has room, and the hedge is within the share of the leader's
    requests and within the follower's retry budget."""
    if not tries.is_well(follower):
        return False
    if leader.traffic.allowance.spend() and follower.traffic.budget.spend(tries.clocks.monotonic()):
        return True
    tries.metrics.hedged(follower.candidate.target.name, "denied")
    return False


class Race:
    """Two turns of one request, each in a task. However it ends, no task is left running, and whatever try was let in
    and is not handed out is closed: also one that commits in the very moment the other does, or is cancelled."""

    def __init__(self, tries: Tries) -> None:
        self.follower: Turn | None = None
        self._tries = tries
        self._runners: list[_Runner] = []

    async def run(
        self, leader: Turn, delay: float, follow: Callable[[], Turn | None], is_lost: Callable[[Left], bool]
    ) -> Finish:
        """The leader's turn, and from `delay` seconds on beside it the one that `follow` gives then, if it gives one.
        `is_lost`: whether the way the leader failed leaves a follower no hope."""
        account, clocks = leader.ask.account, self._tries.clocks
        waited = account.waited
        try:
            self._start(leader)
            await asyncio.wait(self._runners, timeout=delay)
            if not self._runners[0].done():
                self.follower = follow()
                if self.follower is not None:
                    self._start(self.follower)
            finish = await self._decided(is_lost)
            self._runners.clear()
        finally:
            for runner in self._runners:
                _drop(runner)
        # Both waited at the same time: what the winner waited is added by whoever relays it.
        winner = next((outcome for outcome in finish if isinstance(outcome, Served)), None)
        winners = winner.attempt.waited if winner is not None else 0.0
        account.waited = waited + max(0.0, clocks.monotonic() - leader.began - winners)
        if self.follower is not None:
            self._write_down(leader, self.follower, finish)
        return finish

    def _write_down(self, leader: Turn, follower: Turn, finish: Finish) -> None:
        """The loser's part: its target took at least so long, and had to be paid."""
        for turn, outcome in zip((leader, follower), finish, strict=True):
            if outcome is None:
                now = self._tries.clocks.monotonic()
                turn.traffic.took(now - turn.began, now, is_stream=True)
                self._tries.record(turn, overtaken(), "cancelled")
        outcome = finish.follower
        word = "won" if isinstance(outcome, Served) else "lost" if outcome is None else "failed"
        self._tries.metrics.hedged(follower.candidate.target.name, word)

    def _start(self, turn: Turn) -> None:
        self._runners.append(asyncio.create_task(self._tries.at(turn)))

    async def _decided(self, is_lost: Callable[[Left], bool]) -> Finish:
        runners = self._runners
        while True:
            running = [runner for runner in runners if not runner.done()]
            winner = next((runner for runner in runners if _has_served(runner)), None)
            if not running or winner is not None or (runners[0].done() and _failed_for_good(runners[0], is_lost)):
                break
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for runner in runners:
            if runner is not winner:
                _drop(runner)
        if running:
            await asyncio.wait(running)
        return Finish(*[runner.result() if runner is winner else _failure(runner) for runner in runners])


def overtaken() -> UpstreamFault:
    """Why a candidate was left that had not failed, but was slower than another."""
    return UpstreamFault(Cause.TIMED_OUT, "Another candidate's answer began sooner.", detail="hedged")


def _has_served(runner: _Runner) -> bool:
    return runner.done() and isinstance(runner.result(), Served)


def _failed_for_good(runner: _Runner, is_lost: Callable[[Left], bool]) -> bool:
    outcome = runner.result()
    return isinstance(outcome, Left) and is_lost(outcome)


def _failure(runner: _Runner) -> Left | None:
    """How a loser had failed by itself; None if it was cancelled, or was too late."""
    if runner.cancelled():
        return None
    outcome = runner.result()
    return outcome if isinstance(outcome, Left) else None


def _drop(runner: _Runner) -> None:
    runner.add_done_callback(_close)
    runner.cancel()


def _close(runner: _Runner) -> None:
    if not runner.cancelled():
        outcome = runner.result()
        if isinstance(outcome, Served):
            outcome.close()
