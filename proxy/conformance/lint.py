"""The checker's front door: judge a stream, a whole body, or an error body in any vocabulary."""

from collections.abc import Callable
from typing import Any, Protocol

from proxy.conformance import chat, domain, framing, messages, notices, report, responses
from proxy.conformance.framing import Comment, Frame, read_frames
from proxy.conformance.notices import Notices
from proxy.conformance.report import Findings, Report, Violation
from proxy.conformance.response_object import check_item, check_response
from proxy.conformance.shapes import COUNT, NAME, TEXT, Shape, nullable, optional

_OWN_RULES = {
    "stream.vocabulary": "name the vocabulary, or capture the stream from its first frame",
    "stream.empty": "send at least the terminal event",
    "error.body": "shape the error as contract §6 says for its vocabulary",
}
# Every rule id and its remedy.
RULES: dict[str, str] = (
    _OWN_RULES | framing.RULES | report.RULES | notices.RULES
    | responses.RULES | chat.RULES | messages.RULES | domain.RULES
)  # fmt: skip

_PROBLEM: Shape = {
    "type": optional(TEXT),
    "title": NAME,
    "status": COUNT,
    "detail": optional(TEXT),
    "code": NAME,
    "quota_scope": optional(nullable(NAME)),
}


class Checker(Protocol):
    """Reads one stream frame by frame, blaming rules on the findings it was made with."""

    def read(self, frame: Frame) -> None: ...

    def end(self, *, cancelled: bool) -> None: ...


_CHECKERS: dict[str, Callable[[Findings, Notices], Checker]] = {
    "responses": responses.Responses,
    "chat": chat.Chat,
    "messages": messages.Messages,
    "domain": domain.Domain,
}
VOCABULARIES = tuple(_CHECKERS)


def lint(stream: bytes, vocabulary: str | None = None, *, cancelled: bool = False, ours: bool = True) -> Report:
    """Judge the bytes of one SSE body.

    `vocabulary` None = told by the frames. `cancelled`: the client left, so the stream may stop anywhere. `ours`
    false: a provider's own stream, free of the rules that bind only Segue. Raises ValueError for an unknown vocabulary.
    """
    findings = Findings(RULES, ours=ours)
    units = list(read_frames(stream, findings, cancelled=cancelled))
    frames = [unit for unit in units if isinstance(unit, Frame)]
    verdict = findings.report
    verdict.frames = len(frames)
    verdict.vocabulary = vocabulary or _detect(frames)
    told = Notices(findings)
    checker = _checker(verdict.vocabulary, findings, told) if verdict.vocabulary else None
    for unit in units:
        if isinstance(unit, Comment):
            findings.at(_frame_after(frames, unit), unit.line)
            told.read_comment(unit)
        elif checker is not None and (unit.payload is not None or unit.is_done_marker):
            findings.at(unit.number, unit.line)
            checker.read(unit)
    if not frames:
        findings.require(cancelled, "stream.empty", "there is no frame")
    elif checker is None:
        findings.add("stream.vocabulary", "no frame tells which vocabulary this is")
    else:
        findings.at(frames[-1].number, frames[-1].line)
        checker.end(cancelled=cancelled)
    verdict.violations.sort(key=lambda violation: violation.line)
    return verdict


def lint_document(body: dict[str, Any], vocabulary: str, *, ours: bool = True) -> list[Violation]:
    """Judge an answer that was not streamed. Raises ValueError for a vocabulary that has none."""
    findings = Findings(RULES, ours=ours)
    match vocabulary:
        case "responses":
            check_response(findings, body, "completed", "incomplete", "failed")
            output = body.get("output")
            for item in output if isinstance(output, list) else ():
                check_item(findings, item)
        case "chat":
            chat.check_completion(findings, body)
        case "messages":
            messages.check_message(findings, body)
        case _:
            raise ValueError(f"{vocabulary!r} has no answer that is not streamed")
    return findings.report.violations


def lint_error(body: dict[str, Any], vocabulary: str, *, ours: bool = True) -> list[Violation]:
    """Judge an error body by contract §6. Raises ValueError for an unknown vocabulary."""
    findings = Findings(RULES, ours=ours)
    match vocabulary:
        case "responses" | "chat":
            chat.check_error_member(findings, "error.body", body)
        case "messages":
            messages.check_messages_error(findings, "error.body", body)
            findings.check("error.body", body, {"request_id": NAME} if ours else {})
        case "domain":
            findings.check("error.body", body, _PROBLEM)
            if body.get("code") == "quota_exceeded":
                findings.check("error.body", body, {"quota_scope": NAME})
            findings.scrubbed(body.get("detail"))
        case _:
            raise ValueError(f"unknown vocabulary {vocabulary!r}")
    return findings.report.violations


def _checker(vocabulary: str, findings: Findings, told: Notices) -> Checker:
    if vocabulary not in _CHECKERS:
        raise ValueError(f"unknown vocabulary {vocabulary!r}, expected one of {', '.join(VOCABULARIES)}")
    return _CHECKERS[vocabulary](findings, told)


def _detect(frames: list[Frame]) -> str | None:
    return next(filter(None, map(_vocabulary_of, frames)), None)


def _vocabulary_of(frame: Frame) -> str | None:
    """What one frame tells. `ping` and `error` occur in several vocabularies and differ in their payload."""
    if frame.is_done_marker:
        return "chat"
    event = frame.payload or {}
    name = str(event.get("type"))
    if name.startswith("response.") or (name == "error" and "error" not in event):
        return "responses"
    if name in messages.EVENTS or (name == "error" and "error" in event):
        return "messages"
    if frame.event in domain.EVENTS:
        return "domain"
    if frame.event is None and ("choices" in event or "error" in event):
        return "chat"
    return None


def _frame_after(frames: list[Frame], comment: Comment) -> int:
    return next((frame.number for frame in frames if frame.line > comment.line), len(frames) or 1)
