"""Contract §7's table of failure classes, row by row and word by word: what each failure is taken for, whether the same
target or another one is asked, what the breaker learns, and which status the caller gets if it was the last."""

from typing import NamedTuple

import pytest

from proxy import errors
from proxy.canonical.events import Failed, FaultKind
from proxy.errors import POLICIES, Again, Cause, Next, Reason, UpstreamFault, Verdict
from proxy.routing.failures import exhausted, of_failed, of_status
from proxy.wire.codec import UpstreamError

PAGE = None  # HTML, or anything else that is nobody's word on the request
WORDS = UpstreamError("Something is wrong.", "", "some_error")
SHAPELESS = UpstreamError()
TEXT = UpstreamError("Something is wrong.", is_formal=False)
ANYTHING = UpstreamError("Something is wrong.", "", "server_error")  # some servers call every error that
OVERFLOW = UpstreamError("prompt is too long: 213462 tokens > 200000 maximum")


class Row(NamedTuple):
    """The columns of the table. `status`: of the last candidate's failure, as the caller sees it; None = the provider's
    own. `masked`: the provider's words and status are the operator's affair."""

    reason: Reason
    again: Again
    next: Next
    breaker: Verdict
    status: int | None
    masked: bool = True


def at(status: int, error: UpstreamError | None = WORDS) -> UpstreamFault:
    return of_status(status, error, {}, 0.0)


def embedded(message: str = "No.", code: str = "", type: str = "", status: int | None = None) -> UpstreamFault:
    return of_failed(Failed(FaultKind.REPORTED, message, code, type, status))


def broken(kind: FaultKind) -> UpstreamFault:
    return of_failed(Failed(kind, "it broke"))


def found(cause: Cause, detail: str | None = None) -> UpstreamFault:
    return UpstreamFault(cause, "It went wrong.", detail=detail)


RATE_LIMIT = Row(Reason.RATE_LIMIT, Again.LAST_RESORT, Next.YES, Verdict.COOL_DOWN, 429)
AUTH = Row(Reason.AUTH_ERROR, Again.NO, Next.YES, Verdict.CREDENTIAL, 502)
MODEL = Row(Reason.MODEL_ERROR, Again.NO, Next.YES, Verdict.NONE, 502)
TOO_LARGE = MODEL._replace(status=413, masked=False)
SERVER = Row(Reason.SERVER_ERROR, Again.YES, Next.YES, Verdict.FAILURE, 502)
NO_ANSWER = Row(Reason.MODEL_ERROR, Again.YES, Next.YES, Verdict.FAILURE, 502)
NETWORK = Row(Reason.NETWORK_ERROR, Again.YES, Next.YES, Verdict.FAILURE, 502)
LATE = NETWORK._replace(status=504)
TOO_SLOW = LATE._replace(again=Again.NO)
TOO_LONG = Row(Reason.CONTEXT_OVERFLOW, Again.NO, Next.LARGER_WINDOW, Verdict.NONE, 400, masked=False)
FILTERED = Row(Reason.MODEL_ERROR, Again.NO, Next.IF_ROUTE_ALLOWS, Verdict.NONE, 400, masked=False)
CALLERS = Row(Reason.UNKNOWN, Again.NO, Next.NO, Verdict.NONE, None, masked=False)
PASSED_OVER = Row(Reason.CIRCUIT_BREAKER, Again.LAST_RESORT, Next.YES, Verdict.NONE, 503)
UNSAID = Row(Reason.MODEL_ERROR, Again.YES, Next.YES, Verdict.NONE, 502)

TABLE = {
    "429, transient": (
        RATE_LIMIT,
        [at(429), at(429, SHAPELESS), at(429, PAGE), at(429, TEXT), at(429, OVERFLOW), at(429, ANYTHING)],
    ),
    "billing or quota exhausted": (
        AUTH,
        [
            at(402),
            at(402, PAGE),
            at(400, UpstreamError("No.", "insufficient_quota")),
            at(429, UpstreamError("You exceeded your current quota.", "insufficient_quota")),
            at(400, UpstreamError("Your credit balance is too low to access the API.")),
        ],
    ),
    "401, 403 invalid key": (
        AUTH,
        [
            at(401),
            at(401, PAGE),
            at(401, TEXT),
            at(401, ANYTHING),
            at(403, UpstreamError("Incorrect API key provided.")),
        ],
    ),
    "a 402 that will pass": (
        RATE_LIMIT,
        [at(402, UpstreamError("Retry after in-flight requests settle.", "openrouter_in_flight_budget"))],
    ),
    "403 for a model or region": (
        MODEL,
        [at(403), at(403, PAGE), at(403, UpstreamError("No.", "unsupported_country_region_territory"))],
    ),
    "404 model or deployment": (
        MODEL,
        [
            at(404),
            at(404, PAGE),
            at(404, ANYTHING),
            at(404, UpstreamError("", "DeploymentNotFound")),
            at(400, UpstreamError("No such model.", "model_not_found")),
        ],
    ),
    "400 or 422 unsupported for that model": (
        MODEL,
        [
            at(400, UpstreamError("No.", "unsupported_parameter")),
            at(422, UpstreamError("No.", "unsupported_value")),
            at(400, UpstreamError("'seed' is not supported with this model.")),
            at(400, TEXT),  # a mere text says what happened, and not that it would happen everywhere
            at(422, UpstreamError(is_formal=False)),
        ],
    ),
    "413 (keeps its status if last)": (
        TOO_LARGE,
        [at(413), at(413, PAGE), at(413, TEXT), at(429, UpstreamError("Request too large for m on tokens per min"))],
    ),
    "foreign item or encrypted content": (
        MODEL,
        [
            at(400, UpstreamError("No.", "invalid_encrypted_content")),
            at(404, UpstreamError("Item with id 'rs_1' not found.")),
            at(400, UpstreamError("messages.1: Invalid `signature` in `thinking` block")),
        ],
    ),
    "409; 498": (MODEL, [at(409), at(498)]),
    "any other 4xx": (MODEL, [at(status) for status in (405, 406, 410, 415, 418, 426, 451)] + [at(410, PAGE)]),
    "408, 425": (SERVER, [at(408), at(425), at(408, PAGE)]),
    "any other 5xx": (
        SERVER,
        [
            at(status, error)
            for status in (500, 501, 502, 503, 504, 520, 524, 529, 599)
            for error in (WORDS, PAGE, TEXT)
        ],
    ),
    "3xx": (SERVER, [at(status, error) for status in (300, 301, 302, 307, 308) for error in (PAGE, WORDS, TEXT)]),
    "HTML where an error should be": (SERVER, [at(400, PAGE), at(422, PAGE)]),
    "HTML 2xx": (SERVER, [found(Cause.SERVER_ERROR, "html")]),
    "shapeless 2xx, shapeless 400": (
        NO_ANSWER,
        [found(Cause.BAD_ANSWER), broken(FaultKind.MALFORMED), at(400, SHAPELESS), at(422, SHAPELESS)],
    ),
    "connect, TLS, reset": (
        NETWORK,
        [found(Cause.CONNECT_FAILED, detail) for detail in ("connect", "tls", "reset", None)],
    ),
    "header or first-token timeout": (
        LATE,
        [found(Cause.TIMED_OUT, "headers_timeout"), found(Cause.TIMED_OUT, "ttft_timeout")],
    ),
    "context overflow": (
        TOO_LONG,
        [
            at(400, OVERFLOW),
            at(413, OVERFLOW),
            at(500, OVERFLOW),
            at(400, UpstreamError("No.", "context_length_exceeded")),
        ],
    ),
    "content filter": (
        FILTERED,
        [at(400, UpstreamError("No.", "content_filter")), at(403, UpstreamError("Content violates usage guidelines."))],
    ),
    "400, 422 otherwise": (CALLERS, [at(400), at(422)]),
    "200, then an error that says what it is": (
        SERVER,
        [
            embedded("Overloaded", type="overloaded_error"),
            embedded(code="server_error"),
            embedded(code="server_is_overloaded"),
            embedded(status=503),
            embedded("Service Unavailable", code="502", status=502),
        ],
    ),
    "200, then a rate limit": (
        RATE_LIMIT,
        [embedded(code="rate_limit_exceeded"), embedded(type="rate_limit_error"), embedded(status=429)],
    ),
    "200, then billing": (AUTH, [embedded(code="insufficient_quota"), embedded(status=402), embedded(status=401)]),
    "200, then an overflow": (TOO_LONG, [embedded(OVERFLOW.message), embedded(code="context_length_exceeded")]),
    "200, then a filter": (FILTERED, [embedded(code="content_filter")]),
    "200, then the caller's fault": (
        CALLERS._replace(status=400),
        [embedded(status=400), embedded(type="invalid_request_error"), embedded(code="invalid_image_url")],
    ),
    "200, then an error that says nothing": (NO_ANSWER, [embedded(), embedded(""), embedded(code="7")]),
    "empty stream": (NO_ANSWER, [broken(FaultKind.EMPTY)]),
    "truncated": (NETWORK, [broken(FaultKind.TRUNCATED), found(Cause.TRUNCATED)]),
    "broken": (NO_ANSWER, [broken(FaultKind.MALFORMED), broken(FaultKind.OVERSIZED)]),
    "stalled": (LATE, [found(Cause.STALLED)]),
    "too slow": (TOO_SLOW, [found(Cause.TOO_SLOW)]),
    "breaker open": (PASSED_OVER, [found(Cause.BREAKER_OPEN), found(Cause.BREAKER_OPEN, "probe_pending")]),
    "no capacity": (PASSED_OVER, [found(Cause.NO_CAPACITY)]),
    # Beyond the contract: the model did not manage, which is no word about the target's health.
    "nothing said, or nothing passed on": (
        UNSAID,
        [found(Cause.BAD_GENERATION), at(400, UpstreamError("No.", "tool_use_failed"))],
    ),
}
CELLS = [
    pytest.param(row, fault, id=f"{name}-{number}")
    for name, (row, faults) in TABLE.items()
    for number, fault in enumerate(faults)
]


@pytest.mark.parametrize(("row", "fault"), CELLS)
def test_a_row_of_the_contract(row: Row, fault: UpstreamFault):
    policy = fault.policy
    assert (policy.reason, policy.again, policy.next, fault.verdict) == row[:4]
    assert policy.retry_same is (row.again is Again.YES)
    assert policy.masked is row.masked
    told = exhausted([fault], "m-1")
    assert errors.http_status(told) == (row.status or fault.upstream_status)
    assert (told.message == fault.message) is not row.masked


def test_every_cause_has_a_row_that_is_shown():
    assert POLICIES.keys() == set(Cause)
    assert {fault.cause for _, faults in TABLE.values() for fault in faults} == set(Cause)


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        (Cause.TOO_SLOW, "too_slow"),
        (Cause.NO_CAPACITY, "concurrency_limit"),
        (Cause.BREAKER_OPEN, "breaker_open"),
        (Cause.STALLED, "stream_stalled"),
        (Cause.TRUNCATED, "truncated"),
        (Cause.MALFORMED, "malformed"),
        (Cause.EMPTY, "empty_response"),
        (Cause.EMBEDDED_ERROR, "error_event"),
        (Cause.CONTENT_FILTER, "content_filter"),
        (Cause.BILLING, "billing"),
        (Cause.RATE_LIMITED, None),
        (Cause.TIMED_OUT, None),
    ],
)
def test_the_finer_word_is_the_tables_unless_somebody_knows_better(cause: Cause, detail: str | None):
    assert UpstreamFault(cause, "m").detail == detail
    assert UpstreamFault(cause, "m", detail="finer").detail == "finer"


def test_c06_who_was_in_a_hurry_blames_nobody():
    late = UpstreamFault(Cause.TIMED_OUT, "m", blames_target=False)
    assert late.verdict is Verdict.NONE
    assert (late.policy.reason, late.policy.again) == (Reason.NETWORK_ERROR, Again.YES)


def test_c06_no_failure_of_the_callers_making_touches_a_breaker():
    assert {
        POLICIES[cause].verdict for cause in (Cause.CALLERS_FAULT, Cause.CONTEXT_OVERFLOW, Cause.CONTENT_FILTER)
    } == {Verdict.NONE}
