"""What the checker found: the violations, and what a faithful client would have understood."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.conformance.shapes import Shape, faults

RULES = {
    "error.scrubbed": "remove upstream URLs, request ids and keys from every message before it leaves",
}

_UPSTREAM_TRACE = re.compile(
    r"https?://|\bBearer\s+(?!sg-…)\S|\b(?:sk|sg|gsk)-[\w-]{8,}|\b[a-z]{2,4}-[A-Za-z0-9]{20,}|\breq_\w{6,}"
)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule; `frame` and `line` count from 1 and name the frame's first line in the file."""

    rule: str
    frame: int
    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, frame {self.frame}: {self.rule}: {self.message}"


@dataclass(slots=True)
class ToolCall:
    """A call as the client would execute it; `arguments` is the concatenated text, usually JSON."""

    id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Report:
    """The verdict on one stream. `terminal` is the event that ended it, None if nothing did."""

    vocabulary: str | None = None
    frames: int = 0
    violations: list[Violation] = field(default_factory=list)
    terminal: str | None = None
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    notices: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.violations

    def __str__(self) -> str:
        verdict = "conforms" if self.ok else f"{len(self.violations)} violation(s)"
        summary = f"{self.vocabulary or 'unknown vocabulary'}: {self.frames} frames, ends in {self.terminal}: {verdict}"
        return "\n".join([summary, *map(str, self.violations)])


class Findings:
    """A report being written. `at` says which frame the next violations belong to.

    `rules` maps every rule id to its remedy; `ours` is false for a provider's own stream, which owes
    nothing to the rules that only bind Segue (id alphabet, `segue` member, scrubbed messages).
    """

    def __init__(self, rules: Mapping[str, str], *, ours: bool = True) -> None:
        self.rules = rules
        self.ours = ours
        self.report = Report()
        self.frame = 1
        self.line = 1

    def at(self, frame: int, line: int) -> None:
        self.frame, self.line = max(frame, 1), line

    def add(self, rule: str, wrong: str) -> None:
        message = f"{wrong}. Remedy: {self.rules[rule]}."
        self.report.violations.append(Violation(rule, self.frame, self.line, message))

    def require(self, holds: object, rule: str, wrong: str) -> bool:
        """Blame `rule` unless the condition holds; returns the condition."""
        if not holds:
            self.add(rule, wrong)
        return bool(holds)

    def check(self, rule: str, value: object, shape: Shape, path: str = "") -> set[str]:
        """Blame `rule` for every member that does not fit `shape`; returns the names of those at the top."""
        wrong = list(faults(value, shape, path))
        for fault in wrong:
            self.add(rule, fault.message)
        return {fault.member for fault in wrong}

    def scrubbed(self, message: object) -> None:
        """Contract §2: error messages carry no upstream ids, URLs or keys."""
        if self.ours and isinstance(message, str) and (trace := _UPSTREAM_TRACE.search(message)):
            self.add("error.scrubbed", f"the error message betrays its upstream near {trace.group()!r}")
