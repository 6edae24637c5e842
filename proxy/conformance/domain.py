"""The domain vocabulary: contract §2's phase machine and payloads, word for word."""

from typing import Any

from proxy.conformance.framing import Frame
from proxy.conformance.notices import FALLBACK_EXHAUSTED, FALLBACK_START, Notices
from proxy.conformance.report import Findings
from proxy.conformance.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    NAME,
    NUMBER,
    OBJECT,
    TEXT,
    Shape,
    list_of,
    nullable,
    one_of,
    optional,
    record,
)

RULES = {
    "domain.unknown-event": "use only the events of contract §2",
    "domain.fields": "send every member that contract §2 lists for the event",
    "domain.ping": "send ping with the data {}",
    "domain.phase": "send each event only in the phases contract §2 allows",
    "domain.error-code": "use only the in-stream error codes of contract §2",
    "domain.after-terminal": "send nothing after done or error",
    "domain.no-terminal": "end with done or error; a producer that stops short ends in error stream_interrupted",
}

_TIER_WARNING: Shape = {
    "tier": NAME,
    "period": NAME,
    "remaining_percentage": NUMBER,
    "warning": FLAG,
    "exhausted": FLAG,
    "next_reset": optional(nullable(ANYTHING)),
}
_CITATION: Shape = {
    "source": one_of("file", "web"),
    "title": TEXT,
    "snippet": TEXT,
    "url": optional(nullable(TEXT)),
    "attachment_id": optional(nullable(TEXT)),
    "score": optional(nullable(NUMBER)),
    "span": optional(nullable(record({"start": COUNT, "end": COUNT}))),
}
EVENTS: dict[str, Shape] = {
    "stream_started": {
        "request_id": NAME,
        "message_id": NAME,
        "is_new_turn": FLAG,
        "thread_summary_applied": optional(nullable(record({"token_estimate": COUNT}))),
    },
    "ping": {},
    "delta": {"type": one_of("text", "reasoning"), "content": TEXT},
    "tool": {"phase": one_of("start", "progress", "done"), "name": NAME, "details": ANYTHING},
    "citations": {"items": list_of(_CITATION)},
    "fallback_start": FALLBACK_START,
    "fallback_exhausted": FALLBACK_EXHAUSTED,
    "done": {
        "usage": optional(nullable(OBJECT)),
        "effective_model": NAME,
        "selected_model": NAME,
        "quota_decision": one_of("allow", "downgrade"),
        "downgrade_from": optional(nullable(NAME)),
        "downgrade_reason": optional(nullable(NAME)),
        "quota_warnings": optional(nullable(list_of(_TIER_WARNING))),
    },
    "error": {"code": NAME, "message": NAME, "quota_scope": optional(nullable(NAME))},
}
ERROR_CODES = (
    "provider_error", "provider_timeout", "rate_limited", "quota_exceeded", "web_search_calls_exceeded",
    "code_interpreter_calls_exceeded", "stream_interrupted",
)  # fmt: skip

_SAME = ""
_FLOWING = {
    "fallback_start": _SAME,
    "delta": "Streaming",
    "tool": "Streaming",
    "citations": "Citations",
    "fallback_exhausted": "Exhausted",
    "done": "Terminal",
    "error": "Terminal",
}
# phase -> event -> next phase; an event that is not listed is forbidden in that phase
PHASES: dict[str, dict[str, str]] = {
    "Idle": {"stream_started": "Started", "done": "Terminal", "error": "Terminal"},
    "Started": _FLOWING | {"ping": "Pinging"},
    "Pinging": _FLOWING | {"ping": "Pinging"},
    "Streaming": _FLOWING,
    "Citations": {"done": "Terminal", "error": "Terminal"},
    "Exhausted": {"error": "Terminal"},
    "Terminal": {},
}


class Domain:
    """Reads one stream through the phase machine."""

    def __init__(self, findings: Findings, notices: Notices) -> None:
        self.findings = findings
        self.notices = notices
        self.report = findings.report
        self.phase = "Idle"
        notices.is_void = True  # here the notice itself is the mark, wherever it may stand

    def read(self, frame: Frame) -> None:
        name, event = str(frame.event), frame.payload or {}
        known = name in EVENTS
        if not self.findings.require(known, "domain.unknown-event", f"the event is {frame.event!r}"):
            return
        if self.report.terminal is not None:
            self.findings.add("domain.after-terminal", f"{name} follows {self.report.terminal}")
            return
        if name in ("fallback_start", "fallback_exhausted"):
            self.notices.read(name, event, rule="domain.fields")
        else:
            self.findings.check("domain.fields", event, EVENTS[name])
        self._enter(name, event)
        self._understand(name, event)

    def end(self, *, cancelled: bool) -> None:
        ended = cancelled or self.report.terminal is not None
        self.findings.require(ended, "domain.no-terminal", "the stream ends without done or error")

    def _enter(self, name: str, event: dict[str, Any]) -> None:
        following = PHASES[self.phase].get(name)
        if following is None:
            self.findings.add("domain.phase", f"{name} in phase {self.phase}")
            following = "Terminal" if name in ("done", "error") else _SAME
        discards = name == "fallback_start" and event.get("discard") is True
        if discards:
            self.report.text = self.report.reasoning = ""
        if discards and self.phase == "Streaming":
            following = "Started"
        self.phase = following or self.phase

    def _understand(self, name: str, event: dict[str, Any]) -> None:
        match name:
            case "ping":
                self.findings.require(event == {}, "domain.ping", f"ping carries {event}")
            case "delta" if event.get("type") == "text":
                self.report.text += str(event.get("content", ""))
            case "delta":
                self.report.reasoning += str(event.get("content", ""))
            case "done":
                self.report.terminal, self.report.usage = name, event.get("usage")
            case "error":
                self.report.terminal = name
                code = event.get("code")
                self.findings.require(code in ERROR_CODES, "domain.error-code", f"the code is {code!r}")
                self.findings.scrubbed(event.get("message"))
