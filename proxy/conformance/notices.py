"""Fallback notices, in whatever form they travel: domain events, `segue:` events, or `: segue {…}` comments.

Source: contract §2 (the members) and §3 (the three forms).
"""

import json
from typing import Any

from proxy.conformance.framing import Comment
from proxy.conformance.report import Findings
from proxy.conformance.shapes import (
    COUNT,
    FLAG,
    LIST,
    NAME,
    NUMBER,
    TEXT,
    Shape,
    list_of,
    list_of_names,
    nullable,
    one_of,
    optional,
    record,
)

RULES = {
    "notice.json": "follow `: segue ` with one JSON object",
    "notice.fields": "send every member that contract §2 lists for the notice",
    "notice.unknown": "use only the extension events segue:fallback_start and segue:fallback_exhausted",
    "notice.hop": "announce every hop, so that each from_model is the to_model of the hop before",
    "notice.discard": "say `discard: true` only right after the vocabulary's own mark that all before it is void",
}

PREFIX = "segue:"

REASON = one_of(
    "rate_limit", "context_overflow", "auth_error", "network_error",
    "server_error", "model_error", "circuit_breaker", "unknown",
)  # fmt: skip
ATTEMPT: Shape = {
    "model": NAME,
    "reason": REASON,
    "detail": optional(nullable(TEXT)),
    "status": optional(nullable(COUNT)),
    "elapsed_ms": NUMBER,
}
FALLBACK_START: Shape = {
    "from_model": NAME,
    "to_model": NAME,
    "reason": REASON,
    "detail": optional(nullable(TEXT)),
    "status": optional(nullable(COUNT)),
    "attempt": COUNT,
    "discard": FLAG,
    "elapsed_ms": NUMBER,
}
FALLBACK_EXHAUSTED: Shape = {"models_tried": list_of_names(), "final_error": NAME, "attempts": list_of(ATTEMPT)}
NOTICES: dict[str, Shape] = {"fallback_start": FALLBACK_START, "fallback_exhausted": FALLBACK_EXHAUSTED}

SEGUE_MEMBER: Shape = {
    "served_by": nullable(NAME),
    "attempts": list_of({}),
    "quota": record({"decision": one_of("allow", "downgrade"), "warnings": LIST}),
    "warnings": list_of({"param": TEXT, "action": TEXT}),
    "output_limit": optional(nullable(COUNT)),
}


class Notices:
    """Invariant: `place` is where the last announced hop went. `is_void`: whether everything sent was just taken back
    in the vocabulary's own way, so that a notice may say so too."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.place: str | None = None
        self.is_void = False

    def read_comment(self, comment: Comment) -> None:
        """Collect `segue {…}` comments; every other comment is silence."""
        if not comment.text.startswith("segue "):
            return
        try:
            notice = json.loads(comment.text.removeprefix("segue "))
        except ValueError:
            notice = None
        if not isinstance(notice, dict):
            self.findings.add("notice.json", f"the comment is {comment.text[:60]!r}")
            return
        self.read(_name(notice), notice)

    def read(self, name: str, notice: dict[str, Any], rule: str = "notice.fields") -> None:
        """One notice called `name`, with or without the prefix."""
        self.findings.report.notices.append(notice)
        shape = NOTICES.get(name.removeprefix(PREFIX))
        if not self.findings.require(shape is not None, "notice.unknown", f"the notice is called {name!r}"):
            return
        self.findings.check(rule, notice, shape or {})
        if shape is FALLBACK_START:
            self._hop(notice)
            truthful = self.is_void or notice.get("discard") is not True
            self.findings.require(truthful, "notice.discard", "the hop discards what nothing has marked as void")
        else:
            self.findings.scrubbed(notice.get("final_error"))

    def _hop(self, notice: dict[str, Any]) -> None:
        left = notice.get("from_model")
        arrived = self.place
        if arrived is not None:
            self.findings.require(
                left == arrived, "notice.hop", f"the hop leaves {left!r}, the last went to {arrived!r}"
            )
        self.place = notice.get("to_model")


def _name(notice: dict[str, Any]) -> str:
    """A comment has no event line: its name is the `type` member, else told by what it holds."""
    named = notice.get("type") or notice.get("event")
    if isinstance(named, str):
        return named
    return next((name for name, shape in NOTICES.items() if next(iter(shape)) in notice), "")
