import json
import re
from typing import Any

import pytest

from proxy.canonical.account import Account, AttemptRecord, Exhausted, Hop
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Progress,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.request import Request
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint, lint_error
from proxy.errors import (
    AllRateLimited,
    AllUnavailable,
    BodyTooLarge,
    ChainFailed,
    ChainTimedOut,
    Draining,
    InternalError,
    InvalidRequest,
    NoCapableCandidate,
    PermissionDenied,
    PromptTooLong,
    ProxyError,
    QuotaExceeded,
    RateLimited,
    StoreUnavailable,
    StreamBroken,
    StreamRateLimited,
    StreamTimedOut,
    Unauthenticated,
    UnknownModel,
    UnsupportedParameter,
)
from proxy.vocabularies.domain.encoder import DomainEncoder
from proxy.vocabularies.domain.vocabulary import DOMAIN
from proxy.wire.codec import Head
from proxy.wire.decoder import Step

HOP = Hop("gpt@a", "claude@b", "rate_limit", 1, 12, detail="ttft_timeout", status=429)
EXHAUSTED = Exhausted(("gpt@a",), "all failed", (AttemptRecord("gpt@a", "failed", "server_error", None, 500, 9),))


def encoder(seed: str = "seed0123456789") -> DomainEncoder:
    account = Account(served_by="claude@b")
    return DOMAIN.encoder(Head(Request("responses", "route", {}), seed, 1_790_000_000, "req-ours", account))


def frames(wire: bytes) -> list[tuple[str, dict[str, Any]]]:
    blocks = [block.split(b"\n") for block in wire.split(b"\n\n") if block and not block.startswith(b":")]
    return [(event[7:].decode(), json.loads(data[6:])) for event, data in blocks]


def names(wire: bytes) -> list[str]:
    return [name for name, _ in frames(wire)]


ANSWER: list[Event] = [
    Started(Usage(input_tokens=9)),
    Opened(0, BlockKind.REASONING),
    Delta(0, "Hm "),
    Closed(0),
    Progress("start", "web_search"),
    Progress("done", "web_search", {"results": 2}),
    Opened(1, BlockKind.TEXT),
    Delta(1, "Oslo "),
    Cited(1, Citation("https://a.example", "A", "snip", start=0, end=4)),
    Opened(2, BlockKind.TOOL_CALL, "toolu_1", "weather"),
    Delta(2, '{"city":'),
    Delta(1, "it is."),
    Delta(2, '"Oslo"}'),
    Cited(1, Citation("https://a.example", "A", "snip", start=0, end=4)),
    Cited(1, Citation(None, "notes.txt", "n", "file", "file_1")),
    Closed(1),
    Closed(2),
    UsageReported(Usage(9, 7, 4, None, 2), final=True),
    Finished(StopReason.TOOL_CALLS),
]


def test_an_answer_event_by_event():
    writing = encoder()
    wire = writing.encode(ANSWER)
    verdict = lint(wire, "domain")
    assert verdict.ok, str(verdict)
    call_id = next(payload for name, payload in frames(wire) if payload.get("name") == "weather")["details"]["call_id"]
    assert re.fullmatch("call_[0-9A-Za-z]{24}", call_id)
    message_id = frames(wire)[0][1]["message_id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", message_id)
    assert frames(wire) == [
        ("stream_started", {"request_id": "req-ours", "message_id": message_id, "is_new_turn": True}),
        ("delta", {"type": "reasoning", "content": "Hm "}),
        ("tool", {"phase": "start", "name": "web_search", "details": {}}),
        ("tool", {"phase": "done", "name": "web_search", "details": {"results": 2}}),
        ("delta", {"type": "text", "content": "Oslo "}),
        ("tool", {"phase": "start", "name": "weather", "details": {"call_id": call_id}}),
        ("delta", {"type": "text", "content": "it is."}),
        (
            "tool",
            {"phase": "done", "name": "weather", "details": {"call_id": call_id, "arguments": '{"city":"Oslo"}'}},
        ),
        (
            "citations",
            {
                "items": [
                    {
                        "source": "web",
                        "title": "A",
                        "snippet": "snip",
                        "url": "https://a.example",
                        "span": {"start": 0, "end": 4},
                    },
                    {"source": "file", "title": "notes.txt", "snippet": "n", "attachment_id": "file_1"},
                ]
            },
        ),
        (
            "done",
            {
                "usage": {"input_tokens": 9, "output_tokens": 7, "cache_read_tokens": 4, "reasoning_tokens": 2},
                "effective_model": "claude@b",
                "selected_model": "route",
                "quota_decision": "allow",
            },
        ),
    ]
    assert writing.dropped == []
    assert encoder().relay([Step(None, ANSWER)]) == wire
    assert b"".join(map(piecewise(encoder()), ANSWER)) == wire


def piecewise(writing: DomainEncoder):
    return lambda event: writing.encode([event])


def test_the_document_holds_the_same_facts():
    document = encoder().document(ANSWER)
    wire = frames(encoder().encode(ANSWER))
    assert document["text"] == "Oslo it is."
    assert document["reasoning"] == "Hm "
    assert [(tool["name"], tool["details"]["arguments"]) for tool in document["tools"]] == [
        ("weather", '{"city":"Oslo"}')
    ]
    assert document["citations"] == wire[-2][1]["items"]
    assert document["done"] == wire[-1][1]
    assert document["message_id"] == wire[0][1]["message_id"]
    assert encoder().relay_document({}, ANSWER) == document


def test_the_message_id_follows_the_seed():
    assert encoder().opening() == encoder().opening()
    assert encoder("another").opening() != encoder().opening()


def test_pings_are_events_before_the_first_content_and_comments_after_it():
    writing = encoder()
    assert writing.ping() == b": keep-alive\n\n"
    wire = writing.opening()
    assert writing.opening() == b""
    assert writing.ping() == writing.ping() == b"event: ping\ndata: {}\n\n"
    wire += writing.ping() + writing.encode([Started(), Opened(0, BlockKind.TEXT), Delta(0, "a")])
    assert writing.ping() == b": keep-alive\n\n"
    wire += writing.ping() + writing.notice(Hop("a", "b", "server_error", 2, 3, discard=True))
    wire += writing.ping()
    assert wire.endswith(b"event: ping\ndata: {}\n\n")
    wire += writing.encode([Opened(1, BlockKind.TEXT), Delta(1, "b"), Closed(1), Finished(StopReason.END)])
    assert writing.ping() == b""
    verdict = lint(wire, "domain")
    assert verdict.ok, str(verdict)
    assert verdict.text == "b"
    assert writing.dropped == []


def test_notices_wait_for_the_start_and_are_real_events():
    writing = encoder()
    assert writing.notice(HOP) == b""
    wire = writing.encode(ANSWER)
    assert names(wire)[:3] == ["stream_started", "fallback_start", "delta"]
    assert frames(wire)[1][1] == {
        "from_model": "gpt@a", "to_model": "claude@b", "reason": "rate_limit", "detail": "ttft_timeout", "status": 429,
        "attempt": 1, "discard": False, "elapsed_ms": 12,
    }  # fmt: skip
    assert lint(wire, "domain").ok


def test_a_discard_voids_what_was_collected():
    writing = encoder()
    wire = writing.encode([Started(), Opened(0, BlockKind.TEXT), Delta(0, "old"), Cited(0, Citation("https://old"))])
    wire += writing.encode([Opened(1, BlockKind.TOOL_CALL, "c", "f")])
    wire += writing.notice(Hop("a", "b", "network_error", 2, 9, discard=True))
    assert writing.encode([Delta(0, "late")]) == b""
    wire += writing.encode([Opened(2, BlockKind.TEXT), Delta(2, "new"), Finished(StopReason.END)])
    assert "citations" not in names(wire)
    assert lint(wire, "domain").text == "new"
    assert b"old" not in wire.split(b"discard")[1]


def test_an_exhausted_chain_ends_in_both():
    writing = encoder()
    wire = writing.opening() + writing.notice(HOP) + writing.notice(EXHAUSTED) + writing.fail(ChainFailed("all failed"))
    assert names(wire) == ["stream_started", "fallback_start", "fallback_exhausted", "error"]
    assert frames(wire)[2][1]["attempts"] == [
        {"model": "gpt@a", "reason": "server_error", "status": 500, "elapsed_ms": 9}
    ]
    assert lint(wire, "domain").ok


def test_a_failure_may_be_the_sole_event():
    wire = encoder().fail(ChainFailed("all failed"))
    assert frames(wire) == [("error", {"code": "provider_error", "message": "all failed"})]
    assert lint(wire, "domain").ok


def test_nothing_follows_the_end_and_what_was_dropped_is_counted():
    writing = encoder()
    writing.encode(ANSWER)
    assert writing.encode([Progress("start", "late"), Finished(StopReason.END)]) == b""
    assert writing.notice(HOP) == writing.fail(StreamBroken("late")) == b""
    assert writing.dropped == ["tool", "done", "fallback_start"]


def test_a_second_choice_and_hosted_tools_are_not_shown():
    told: list[Event] = [
        Started(),
        Opened(0, BlockKind.TEXT),
        Delta(0, "a"),
        Opened(1, BlockKind.TEXT, choice=1),
        Delta(1, "b"),
        Opened(2, BlockKind.HOSTED),
        Delta(2, "c"),
        Finished(StopReason.END),
    ]
    assert lint(encoder().encode(told), "domain").text == "a"
    assert encoder().document(told)["text"] == "a"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ChainFailed("m"), "provider_error"),
        (InvalidRequest("m"), "provider_error"),
        (ChainTimedOut("m"), "provider_timeout"),
        (StreamTimedOut("m"), "provider_timeout"),
        (AllUnavailable("m"), "provider_timeout"),
        (AllRateLimited("m"), "rate_limited"),
        (StreamRateLimited("m"), "rate_limited"),
        (QuotaExceeded("m", scope="tokens"), "quota_exceeded"),
        (StreamBroken("m"), "stream_interrupted"),
        (Draining("m"), "stream_interrupted"),
        (InternalError("m"), "stream_interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_codes_in_the_stream(error: ProxyError, code: str):
    wire = encoder().fail(error)
    [(_, payload)] = frames(wire)
    assert payload["code"] == code
    assert payload.get("quota_scope") == ("tokens" if isinstance(error, QuotaExceeded) else None)
    assert lint(wire, "domain").ok


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Unauthenticated("m"), 401, "unauthenticated"),
        (PermissionDenied("m"), 403, "insufficient_permissions"),
        (UnknownModel("m"), 400, "invalid_request"),
        (InvalidRequest("m"), 400, "invalid_request"),
        (BodyTooLarge("m"), 413, "request_too_large"),
        (PromptTooLong("m"), 422, "context_budget_exceeded"),
        (NoCapableCandidate("m"), 415, "unsupported_media"),
        (QuotaExceeded("m", scope="credits"), 429, "quota_exceeded"),
        (RateLimited("m", scope="requests"), 429, "quota_exceeded"),
        (AllRateLimited("m"), 429, "rate_limited"),
        (AllUnavailable("m"), 503, "provider_timeout"),
        (ChainTimedOut("m"), 504, "provider_timeout"),
        (ChainFailed("m"), 502, "provider_error"),
        (StoreUnavailable("m"), 503, "store_unavailable"),
        (Draining("m"), 503, "draining"),
        (InternalError("m"), 500, "internal"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_bodies_are_problems(error: ProxyError, status: int, code: str):
    body = DOMAIN.error_body(error, "req-ours")
    assert (DOMAIN.error_status(error), body["status"], body["code"]) == (status, status, code)
    assert body["detail"] == "m"
    assert body.get("quota_scope") == getattr(error, "scope", None)
    assert lint_error(body, "domain") == []


def test_there_is_no_request_of_its_own():
    with pytest.raises(UnsupportedParameter):
        DOMAIN.read_request({})
