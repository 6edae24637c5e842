"""Whether an answer may be as it is: by the checker of wires, and by what contract §6 and §7 promise for the cell."""

import json
from collections import Counter
from dataclasses import dataclass, field

from proxy.conformance.lint import lint, lint_document, lint_error
from tests.chaos import findings as chaos
from tests.chaos.findings import CUT, HUNG, RULES, Findings
from tests.chaos.instance import Instance
from tests.e2e.plays import ARGUMENTS
from tests.matrix.asking import Asked
from tests.matrix.cells import Outcome
from tests.matrix.faults import Condition, Kind
from tests.matrix.reading import GOOD_ENDINGS, SHORT_ENDINGS, Understood, understood

CLEAN = "clean endings of broken answers"
DOUBLE = "answers with two endings, or with words after one"
TEXT = "wrong texts"
PROMISE = "failures that the chain could have absorbed, or successes that it cannot have had"
SHAPE = "refusals that are not those of contract §6"
RESTARTED = "clients begun anew that did not ask for it"
GAUGES = "gauges that did not come back to zero"
PERMITS = "targets that were not asked again when they were well"
INVARIANTS = (
    *(HUNG, CLEAN, DOUBLE, CUT, TEXT, PROMISE, SHAPE, RESTARTED, RULES, GAUGES, PERMITS),
    *(chaos.TASKS, chaos.SOCKETS, chaos.DESCRIPTORS, chaos.PROCESSES, chaos.REPLACED, chaos.LOGGED),
)

_C = Condition
# condition: status and word for the two of OpenAI's family, for messages, and for domain; no word = any
SHAPES: dict[Condition, tuple[tuple[int, str], tuple[int, str], tuple[int, str]]] = {
    _C.RATE_LIMITED: ((429, "rate_limit_exceeded"), (429, "rate_limit_error"), (429, "rate_limited")),
    _C.UNAVAILABLE: ((503, ""), (529, "overloaded_error"), (503, "provider_timeout")),
    _C.TIMED_OUT: ((504, ""), (504, "timeout_error"), (504, "provider_timeout")),
    _C.FAILED: ((502, "server_error"), (502, "api_error"), (502, "provider_error")),
    _C.TOO_LARGE: ((413, ""), (413, "request_too_large"), (413, "")),
    _C.TOO_LONG: ((400, "context_length_exceeded"), (400, "invalid_request_error"), (422, "context_budget_exceeded")),
    _C.REFUSED: ((400, "invalid_request_error"), (400, "invalid_request_error"), (400, "invalid_request")),
    _C.UNPROCESSABLE: ((422, "invalid_request_error"), (422, "invalid_request_error"), (422, "invalid_request")),
}
# The same for what breaks off: the word of its failure.
BREAKS: dict[Condition, tuple[str, str, str]] = {
    _C.RATE_LIMITED: ("rate_limit_exceeded", "rate_limit_error", "rate_limited"),
    _C.TIMED_OUT: ("server_error", "timeout_error", "provider_timeout"),
    _C.FAILED: ("server_error", "api_error", "stream_interrupted"),
}
_COLUMN = {"responses": 0, "chat": 0, "messages": 1, "domain": 2}
# What a chain may come to once its breakers, cool-downs and budgets have seen many failures.
_WORN = (_C.RATE_LIMITED, _C.UNAVAILABLE, _C.TIMED_OUT, _C.FAILED)
_NOT_NOW = (429, 503, 529)
_SHORT_WAIT = 5000  # milliseconds up to which an SDK may come back by itself
# What nobody holds against a target.
_BLAMELESS = (Kind.HARMLESS, Kind.SHORT, Kind.EMPTY, Kind.CALLERS)


@dataclass(slots=True)
class Judge:
    """`outcomes`: how often what was seen. `is_calm`: each target is asked for the first time, nothing is killed."""

    instance: Instance
    findings: Findings
    is_calm: bool = True
    outcomes: Counter[str] = field(default_factory=Counter)

    def consider(self, asked: Asked) -> None:
        """To be asked once, when it has ended."""
        match asked.ended:
            case "whole":
                self.outcomes[self._whole(asked)] += 1
                return
            case "left":
                self._lint(asked, has_left=True)
            case "hung":
                self._blame(HUNG, asked)
            case _:
                is_excused = self.instance.was_killed(asked.port, asked.opened, asked.over)
                self._require(is_excused, CUT, asked, "nobody was killed")
        self.outcomes[asked.ended] += 1

    def _whole(self, asked: Asked) -> str:
        """What it is, in a word."""
        if not asked.request_id:
            self._blame(SHAPE, asked, "it has no x-request-id")
        if asked.answer.status != 200:
            self._refused(asked)
            return f"{Outcome.REFUSED.value} {asked.answer.status}"
        self._lint(asked)
        try:
            told = understood(asked.answer, asked.cell.vocabulary)
        except (ValueError, KeyError, TypeError, IndexError) as mistake:
            self._blame(RULES, asked, f"it cannot be read: {mistake!r}")
            return "unreadable"
        return self._answered(asked, told).value

    def _lint(self, asked: Asked, has_left: bool = False) -> None:
        answer, vocabulary = asked.answer, asked.cell.vocabulary
        if answer.is_stream:
            violations = lint(bytes(answer.content), vocabulary, cancelled=has_left).violations
        elif has_left:
            return
        else:
            violations = lint_document(answer.json, vocabulary)
        for violation in violations:
            self._blame(RULES, asked, str(violation))

    def _answered(self, asked: Asked, told: Understood) -> Outcome:
        self._require(len(told.endings) < 2 and not told.late, DOUBLE, asked, f"{told.endings}, then {told.late}")
        if not told.endings:
            self._blame(CLEAN, asked, "it just ends")
            return Outcome.BROKEN
        outcome = outcome_of(told)
        is_free = told.discards == 0 or asked.cell.may_restart
        self._require(is_free, RESTARTED, asked, f"{told.discards} discards")
        if outcome is Outcome.BROKEN:
            self._broken(asked, told)
        else:
            self._complete(asked, told)
        self._require(self._is_promised(asked, outcome), PROMISE, asked, f"promised was {asked.cell.promise}")
        return outcome

    def _broken(self, asked: Asked, told: Understood) -> None:
        """It says that it failed: what came must be right, and the word, too."""
        self._require(asked.job.whole.startswith(told.text), TEXT, asked, f"the text is {told.text!r}")
        word = BREAKS[asked.cell.fault.alone][_COLUMN[asked.cell.vocabulary]]
        self._require(told.code == word, SHAPE, asked, f"the code is {told.code!r}, not {word!r}")

    def _complete(self, asked: Asked, told: Understood) -> None:
        """It is called complete: then it must be."""
        job, is_domain = asked.job, asked.cell.vocabulary == "domain"
        if asked.cell.fault.asks == "tools":
            called = [told.calls[at] for at in sorted(told.calls)]
            shown = [name if is_domain else (name, json.loads(given)) for name, given in called]
            right = [name if is_domain else (name, json.loads(given)) for name, given in ARGUMENTS]
            self._require(shown == right, CLEAN, asked, f"the calls are {called}")
            return
        rights = {job.whole, ""} if asked.cell.kind is Kind.EMPTY else {job.whole}
        self._require(told.text in rights, CLEAN, asked, f"the text is {told.text!r}")
        is_same = told.final_text is None or told.final_text == told.text
        self._require(is_same, TEXT, asked, f"the finished object says {told.final_text!r}")
        served_by = (told.account or {}).get("served_by")
        self._require(is_domain or served_by, RULES, asked, "it does not say who served")

    def _is_promised(self, asked: Asked, outcome: Outcome) -> bool:
        cell = asked.cell
        promised, _ = cell.promise
        if cell.vocabulary == "domain" and promised is Outcome.SHORT:  # its `done` says no such thing
            promised = Outcome.WHOLE
        if outcome is promised:
            return True
        if self.is_calm or cell.kind in _BLAMELESS:
            return False
        # A breaker that is open spares the client what was promised to it.
        return outcome is Outcome.WHOLE and cell.is_followed

    def _refused(self, asked: Asked) -> None:
        answer, cell = asked.answer, asked.cell
        try:
            violations = lint_error(answer.json, cell.vocabulary)
        except ValueError:
            self._blame(SHAPE, asked, "its body is not JSON")
            return
        for violation in violations:
            self._blame(SHAPE, asked, str(violation))
        promised, condition = cell.promise
        is_worn = not self.is_calm and not cell.is_followed and cell.kind not in _BLAMELESS
        expected = {condition} if promised is Outcome.REFUSED else set()
        conditions = [each for each in (*expected, *(_WORN if is_worn else ())) if each is not None]
        if not conditions:
            self._blame(PROMISE, asked, f"promised was {cell.promise}")
            return
        shapes = [SHAPES[each][_COLUMN[cell.vocabulary]] for each in conditions]
        words = words_of(asked)
        fits = any(answer.status == status and (not word or word in words) for status, word in shapes)
        self._require(fits, SHAPE, asked, f"one of {shapes} was promised, the words are {words}")
        self._waits(asked)

    def _waits(self, asked: Asked) -> None:
        """Contract §5: what says when to come back, and whether an SDK may do so by itself."""
        headers, status = asked.answer.headers, asked.answer.status
        has_both = "retry-after" in headers and "retry-after-ms" in headers
        self._require(has_both or status not in _NOT_NOW, SHAPE, asked, "it does not say when to come back")
        is_short = status in _NOT_NOW and int(headers.get("retry-after-ms", _SHORT_WAIT + 1)) <= _SHORT_WAIT
        is_told_not_to = headers.get("x-should-retry") == "false"
        self._require(is_short != is_told_not_to, SHAPE, asked, f"x-should-retry: {headers.get('x-should-retry')}")

    def _require(self, holds: object, invariant: str, asked: Asked, more: str) -> None:
        if not holds:
            self._blame(invariant, asked, more)

    def _blame(self, invariant: str, asked: Asked, more: str = "") -> None:
        self.findings.blame(invariant, f"{more}; {asked}" if more else str(asked))


def outcome_of(told: Understood) -> Outcome:
    """Of an answer that has an ending."""
    ending = told.endings[0]
    if ending in SHORT_ENDINGS or (told.is_short and ending in GOOD_ENDINGS):
        return Outcome.SHORT
    return Outcome.WHOLE if ending in GOOD_ENDINGS else Outcome.BROKEN


def words_of(asked: Asked) -> list[str]:
    """An error body's code and type, the more telling one first."""
    body = asked.answer.json
    error = body if asked.cell.vocabulary == "domain" else body["error"]
    named = [error.get(name) for name in ("code", "type")]
    return [word for word in named if word]
