"""What became of a request, and whether that may be: by what its client saw and what had been done to the instance."""

import time
from dataclasses import dataclass, field
from typing import Literal

from proxy.conformance.lint import lint, lint_document, lint_error
from tests.chaos.findings import (
    CLOSED,
    CUT,
    HUNG,
    LOCKED_OUT,
    NO_CAUSE,
    REVOKED,
    RULES,
    STALE,
    Findings,
)
from tests.chaos.instance import Freeze, Instance
from tests.chaos.keyring import HeldKey
from tests.chaos.wire import Answer

Outcome = Literal[
    "under way", "complete", "failed in words", "refused", "cut", "unanswered", "not connected", "left", "hung"
]

IN_TIME = 1.0  # seconds in which a revocation reaches every replica (contract §9)
_FAILURES = {"responses": "response.failed", "chat": "error", "messages": "error", "domain": "error"}
_RECOVERED = 2.0  # seconds after which a store that is back is found to be
_FORGOTTEN = 4.0  # seconds of silence after which nobody waits for a replica, and one to be heard again
_NOT_NOW = (503, 529)


@dataclass(slots=True, eq=False)
class Request:
    """`opened`, `port`: of its connection, which had been used before if `is_kept`. `words`: of the whole answer.
    `happenings`: what was done while it ran. Times are monotonic."""

    instance: Instance
    vocabulary: str
    is_streamed: bool
    key: HeldKey
    words: int
    sent: float
    opened: float = 0.0
    port: int = 0
    is_kept: bool = False
    ended: float = 0.0
    answer: Answer = field(default_factory=Answer)
    outcome: Outcome = "under way"
    is_excused: bool = False
    happenings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kind = "stream" if self.is_streamed else "request"
        return (
            f"{self.instance.name}: {self.vocabulary} {kind} of {self.words} words, {self.key.held_by}-held key "
            f"{self.key.id}, port {self.port}, status {self.answer.status}, {len(self.answer.content)} bytes, "
            f"{(self.ended or time.monotonic()) - self.sent:.2f} s, {self.outcome}"
        )


class Judge:
    """`staleness`: seconds, as configured."""

    def __init__(self, staleness: float, findings: Findings) -> None:
        self._staleness = staleness
        self._findings = findings
        self.latest_served = 0.0  # seconds between a revocation's acknowledgement and the last request it did not stop

    def consider(self, request: Request) -> None:
        """To be asked once, when it has ended."""
        match request.outcome:
            case "hung":
                self._blame(HUNG, request)
            case "not connected":
                self._require(self._is_down(request, after=0.5), CLOSED, request)
            case "cut" | "unanswered":
                self._cut(request)
            case "complete" | "failed in words":
                self._answered(request)
            case "refused":
                self._refused(request)
            case "left":
                if request.answer.is_stream:
                    self._lint(request, has_left=True)
        if request.answer.status == 200:
            self._check_key(request)

    def _cut(self, request: Request) -> None:
        instance = request.instance
        if instance.was_killed(request.port, request.opened, request.ended):
            request.is_excused = True
            if request.answer.is_stream:
                self._lint(request, has_left=True)
            return
        if request.outcome == "unanswered":
            # The other side may close a connection that is idle, or not accepted yet, whenever it ends.
            is_leaving = request.instance.was_leaving(request.opened, request.ended)
            self._require(is_leaving or self._is_down(request, after=0.5), CLOSED, request)
        else:
            self._blame(CUT, request)

    def _answered(self, request: Request) -> None:
        if not request.is_streamed:
            for violation in lint_document(request.answer.json, request.vocabulary):
                self._blame(RULES, request, str(violation))
            return
        terminal, text = self._lint(request, has_left=False)
        if terminal == _FAILURES[request.vocabulary]:
            request.outcome = "failed in words"
            self._require(self._ends(request) or request.key.terminated, NO_CAUSE, request, _told(request))
        elif text != "".join(f"word{number} " for number in range(request.words)):
            self._blame(RULES, request, f"it is called complete, but its text ends in {text[-60:]!r}")

    def _lint(self, request: Request, has_left: bool) -> tuple[str | None, str]:
        """Its terminal and its text."""
        report = lint(bytes(request.answer.content), request.vocabulary, cancelled=has_left)
        for violation in report.violations:
            self._blame(RULES, request, str(violation))
        return report.terminal, report.text

    def _refused(self, request: Request) -> None:
        for violation in lint_error(request.answer.json, request.vocabulary):
            self._blame(RULES, request, str(violation))
        since = request.key.revoking_since
        is_revoked = since is not None and since <= request.ended
        status = request.answer.status
        if status == 401:
            self._require(is_revoked, LOCKED_OUT, request, _told(request))
        elif status in _NOT_NOW:
            self._require(self._ends(request) or self._may_not_know(request), NO_CAUSE, request, _told(request))
        else:
            self._blame(NO_CAUSE, request, _told(request))

    def _may_not_know(self, request: Request) -> bool:
        """Whether a store-held key may be answered 503: the store is, or just was, out of reach."""
        instance = request.instance
        if request.key.held_by == "file":
            return False
        if self._is_down(request, _RECOVERED) or instance.away.overlap(request.sent, request.ended, _RECOVERED):
            return True
        thawed = self._thaw(request)
        return thawed is not None and request.answer.first_byte <= thawed.until + _RECOVERED

    def _check_key(self, request: Request) -> None:
        """It was served: may that be?"""
        key, instance, sent = request.key, request.instance, request.sent
        # From here to its first byte it was let in; before, it may have waited for somebody to accept it.
        cut_off = instance.cut_off.since(request.answer.first_byte)
        honoured = 0.0 if cut_off is None else sent - cut_off
        if key.held_by == "store" and honoured > self._staleness + IN_TIME:
            self._blame(STALE, request, f"cut off for {honoured:.2f} s")
        if key.revoked is None or sent <= key.revoked:
            return
        thawed = self._thaw(request)
        if instance.away.since(sent) is not None or (
            thawed is not None and request.answer.first_byte <= thawed.until + IN_TIME
        ):
            return
        late = sent - max(key.revoked, instance.away.last_end(sent))
        self.latest_served = max(self.latest_served, late)
        # Who acknowledged it obeys it at once. Not asked is who is on its way out, or was not heard of for seconds.
        unheard = key.revoked - _FORGOTTEN
        is_heard = not instance.deaf.overlap(unheard, key.revoked) and not instance.away.overlap(unheard, sent)
        is_waited_for = key.by_all and is_heard and instance.began < request.opened
        if late > (0.0 if is_waited_for else IN_TIME):
            why = f"{late:.3f} s after it was in force ({'acknowledged by all' if key.by_all else 'not by all'})"
            self._blame(REVOKED, request, why)

    def _thaw(self, request: Request) -> Freeze | None:
        return request.instance.frozen(request.port, request.opened, request.ended)

    def _is_down(self, request: Request, after: float = 0.0) -> bool:
        return request.instance.down.overlap(request.sent, request.ended, after)

    def _ends(self, request: Request) -> bool:
        instance = request.instance
        frozen = self._thaw(request)
        # A worker that was frozen when its master died begins its grace later.
        ended = request.ended if frozen is None else max(request.sent, request.ended - (frozen.until - frozen.since))
        return instance.was_ending(request.opened, ended) or instance.was_ending(request.opened, request.ended)

    def _require(self, holds: bool, invariant: str, request: Request, more: str = "") -> None:
        request.is_excused = holds
        if not holds:
            self._blame(invariant, request, more)

    def _blame(self, invariant: str, request: Request, more: str = "") -> None:
        sent = self._findings.when(request.sent)
        during = f"; while it ran: {', '.join(request.happenings)}" if request.happenings else ""
        self._findings.blame(invariant, f"{request}, sent at {sent} s{during}{f': {more}' if more else ''}")


def _told(request: Request) -> str:
    """The last of what the client was told."""
    return bytes(request.answer.content[-300:]).decode(errors="replace")
