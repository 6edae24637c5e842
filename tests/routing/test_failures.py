"""Contract §7's table, row by row, and what §6 makes of an exhausted chain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.canonical.events import Failed, FaultKind
from proxy.errors import POLICIES, Cause, Next, Reason, UpstreamFault, Verdict
from proxy.routing.failures import broken_stream, exhausted, final_word, of_failed, of_status, retry_after
from proxy.wire.codec import UpstreamError

WORDS = UpstreamError("Something is wrong.", "", "some_error")
NO_WORDS = UpstreamError()
HTML = None
OVERFLOW = UpstreamError("prompt is too long: 213462 tokens > 200000 maximum")
FILTER = UpstreamError("It was filtered.", "content_filter")
BILLING = UpstreamError("You exceeded your current quota.", "insufficient_quota")

# What the table says of a row: reason, the same target again, next candidate, breaker.
RATE = (Reason.RATE_LIMIT, False, Next.YES, Verdict.COOL_DOWN)
AUTH = (Reason.AUTH_ERROR, False, Next.YES, Verdict.CREDENTIAL)
MODEL = (Reason.MODEL_ERROR, False, Next.YES, Verdict.NONE)
SERVER = (Reason.SERVER_ERROR, True, Next.YES, Verdict.FAILURE)
SHAPELESS = (Reason.MODEL_ERROR, True, Next.YES, Verdict.FAILURE)
NETWORK = (Reason.NETWORK_ERROR, True, Next.YES, Verdict.FAILURE)
TOO_LONG = (Reason.CONTEXT_OVERFLOW, False, Next.LARGER_WINDOW, Verdict.NONE)
FILTERED = (Reason.MODEL_ERROR, False, Next.IF_ROUTE_ALLOWS, Verdict.NONE)
CALLERS = (Reason.UNKNOWN, False, Next.NO, Verdict.NONE)
SKIPPED = (Reason.CIRCUIT_BREAKER, False, Next.YES, Verdict.NONE)

STATUSES = [
    (429, WORDS, RATE),
    (429, HTML, RATE),
    (429, OVERFLOW, RATE),
    (402, WORDS, AUTH),
    (400, BILLING, AUTH),
    (429, BILLING, AUTH),
    (401, WORDS, AUTH),
    (401, HTML, AUTH),
    (403, UpstreamError("Incorrect API key provided."), AUTH),
    (403, WORDS, MODEL),
    (403, HTML, MODEL),
    (404, WORDS, MODEL),
    (404, HTML, MODEL),
    (400, UpstreamError("No.", "model_not_found"), MODEL),
    (400, UpstreamError("'seed' is not supported with this model."), MODEL),
    (422, UpstreamError("No.", "unsupported_parameter"), MODEL),
    (413, WORDS, MODEL),
    (413, HTML, MODEL),
    (400, UpstreamError("No.", "invalid_encrypted_content"), MODEL),
    (404, UpstreamError("Item with id 'rs_1' not found."), MODEL),
    (409, WORDS, MODEL),
    (498, WORDS, MODEL),
    (405, WORDS, MODEL),
    (410, HTML, MODEL),
    (418, NO_WORDS, MODEL),
    (451, WORDS, MODEL),
    *[(status, WORDS, SERVER) for status in (408, 425, 500, 501, 502, 503, 504, 520, 524, 529, 599)],
    *[(status, HTML, SERVER) for status in (408, 425, 500, 502, 503, 520, 529)],
    *[(status, HTML, SERVER) for status in (300, 301, 302, 307, 308)],
    (302, WORDS, SERVER),
    (400, HTML, SERVER),
    (422, HTML, SERVER),
    (400, NO_WORDS, SHAPELESS),
    (400, OVERFLOW, TOO_LONG),
    (413, OVERFLOW, TOO_LONG),
    (500, OVERFLOW, TOO_LONG),
    (400, FILTER, FILTERED),
    (403, FILTER, FILTERED),
    (400, WORDS, CALLERS),
    (422, WORDS, CALLERS),
]


@pytest.mark.parametrize(("status", "error", "row"), STATUSES)
def test_a_status_and_its_words(status: int, error: UpstreamError | None, row: tuple[object, ...]):
    fault = of_status(status, error, {}, 0.0)
    assert fault.policy[:4] == row
    assert fault.upstream_status == status
    assert fault.message == (error.message if error else f"The provider answered HTTP {status}.")


@pytest.mark.parametrize(
    ("cause", "row"),
    [
        (Cause.CONNECT_FAILED, NETWORK),
        (Cause.TIMED_OUT, NETWORK),
        (Cause.TRUNCATED, NETWORK),
        (Cause.STALLED, NETWORK),
        (Cause.EMPTY, SHAPELESS),
        (Cause.MALFORMED, SHAPELESS),
        (Cause.BAD_ANSWER, SHAPELESS),
        (Cause.EMBEDDED_ERROR, SHAPELESS),
        (Cause.BREAKER_OPEN, SKIPPED),
    ],
)
def test_what_has_no_status(cause: Cause, row: tuple[object, ...]):
    assert UpstreamFault(cause, "m").policy[:4] == row


def test_every_cause_has_a_row():
    assert POLICIES.keys() == set(Cause)


@given(st.integers(100, 999), st.sampled_from([WORDS, NO_WORDS, HTML]))
def test_no_status_is_without_a_cause(status: int, error: UpstreamError | None):
    fault = of_status(status, error, {}, 0.0)
    assert (fault.policy.next is Next.NO) is (status in (400, 422) and error is WORDS)


@pytest.mark.parametrize(
    ("failed", "row", "detail"),
    [
        (Failed(FaultKind.MALFORMED, "m"), SHAPELESS, "malformed"),
        (Failed(FaultKind.OVERSIZED, "m"), SHAPELESS, "malformed"),
        (Failed(FaultKind.TRUNCATED, "m"), NETWORK, "truncated"),
        (Failed(FaultKind.EMPTY, "m"), SHAPELESS, "empty_response"),
        (Failed(FaultKind.REPORTED, "It broke."), SHAPELESS, "error_event"),
        (Failed(FaultKind.REPORTED), SHAPELESS, "error_event"),
        (Failed(FaultKind.REPORTED, "Overloaded", type="overloaded_error"), SERVER, None),
        (Failed(FaultKind.REPORTED, "Slow", code="rate_limit_exceeded"), RATE, None),
        (Failed(FaultKind.REPORTED, OVERFLOW.message), TOO_LONG, None),
        (Failed(FaultKind.REPORTED, "No.", code="insufficient_quota"), AUTH, "billing"),
        (Failed(FaultKind.REPORTED, "No.", code="content_filter"), FILTERED, "content_filter"),
        (Failed(FaultKind.REPORTED, "No.", status=400), CALLERS, None),
        (Failed(FaultKind.REPORTED, "No.", status=503), SERVER, None),
        (Failed(FaultKind.REPORTED, "No.", status=200), SHAPELESS, "error_event"),
    ],
)
def test_an_answer_that_broke_or_reported_an_error(failed: Failed, row: tuple[object, ...], detail: str | None):
    fault = of_failed(failed)
    assert fault.policy[:4] == row
    assert fault.detail == detail


def test_words_are_scrubbed():
    secret = "Bad key sk-obviously-fake-123 for msg_01XFDUDYJgAACzvnptvVoYEL"
    for fault in (of_status(400, UpstreamError(secret), {}, 0), of_failed(Failed(FaultKind.REPORTED, secret))):
        assert fault.message == "Bad key [key] for [id]"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Fri, 13 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 13 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "1e308"}, 86400.0),
        ({"retry-after": "9" * 300}, 86400.0),
        ({"retry-after-ms": "1e308"}, 86400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86400.0),
        ({"retry-after": "86401"}, 86400.0),
        ({"retry-after": "-1e308"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after-ms": "inf"}, None),
    ],
)
def test_retry_after_in_every_form(headers: dict[str, str], seconds: float | None):
    noon = 1794571200.0  # Fri, 13 Nov 2026 12:00:00 GMT
    assert retry_after(headers, noon) == seconds
    assert of_status(429, WORDS, headers, noon).retry_after == seconds


@given(st.text(), st.text())
def test_no_retry_after_is_an_error(seconds: str, milliseconds: str):
    wait = retry_after({"retry-after": seconds, "retry-after-ms": milliseconds}, 0.0)
    assert wait is None or 0 <= wait < float("inf")


def fault(cause: Cause, wait: float | None = None, status: int | None = None, message: str = "m") -> UpstreamFault:
    return UpstreamFault(cause, message, retry_after=wait, upstream_status=status, code="their_code", param="p")


RATE_LIMITED, OPEN = fault(Cause.RATE_LIMITED), fault(Cause.BREAKER_OPEN, 4.0)
TIMED_OUT, BROKE = fault(Cause.TIMED_OUT), fault(Cause.SERVER_ERROR)


@pytest.mark.parametrize(
    ("faults", "kind", "status", "wait"),
    [
        ([RATE_LIMITED], errors.AllRateLimited, 429, 1.0),
        ([fault(Cause.RATE_LIMITED, 9.0), fault(Cause.RATE_LIMITED, 3.0)], errors.AllRateLimited, 429, 3.0),
        ([OPEN, fault(Cause.BREAKER_OPEN, 2.0)], errors.AllUnavailable, 503, 2.0),
        ([TIMED_OUT, fault(Cause.STALLED)], errors.ChainTimedOut, 504, None),
        ([BROKE], errors.ChainFailed, 502, None),
        ([RATE_LIMITED, BROKE], errors.ChainFailed, 502, None),
        ([RATE_LIMITED, OPEN], errors.ChainFailed, 502, 4.0),
        ([TIMED_OUT, OPEN, BROKE], errors.ChainFailed, 502, 4.0),
        ([fault(Cause.CREDENTIAL_REJECTED, status=401)], errors.ChainFailed, 502, None),
        ([fault(Cause.BILLING, status=402)], errors.ChainFailed, 502, None),
        ([fault(Cause.MODEL_UNAVAILABLE, status=404)], errors.ChainFailed, 502, None),
        ([BROKE, fault(Cause.TOO_LARGE, status=413)], errors.TooLargeEverywhere, 413, None),
        ([fault(Cause.TOO_LARGE, status=413), BROKE], errors.ChainFailed, 502, None),
        ([fault(Cause.CONTEXT_OVERFLOW)], errors.PromptTooLong, 400, None),
        ([fault(Cause.CONTENT_FILTER)], errors.ContentFiltered, 400, None),
    ],
)
def test_an_exhausted_chain(faults: list[UpstreamFault], kind: type, status: int, wait: float | None):
    told = exhausted(faults, "m-1")
    assert type(told) is kind
    assert errors.http_status(told) == status
    assert told.retry_after == wait


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.CALLERS_FAULT}))
def test_what_is_masked_is_the_operators_affair(cause: Cause):
    last = fault(cause, status=418, message="their words")
    told = exhausted([last], "m-1")
    assert (told.message == "their words") is not last.policy.masked


@pytest.mark.parametrize(("status", "told"), [(400, 400), (422, 422), (None, 400), (500, 400)])
def test_the_callers_fault_is_returned(status: int | None, told: int):
    refused = final_word(fault(Cause.CALLERS_FAULT, status=status))
    assert isinstance(refused, errors.Refused)
    assert (errors.http_status(refused), refused.code, refused.param) == (told, "their_code", "p")


def test_an_overflow_names_its_numbers():
    told = final_word(of_status(400, OVERFLOW, {}, 0))
    assert isinstance(told, errors.PromptTooLong)
    assert (told.tokens, told.maximum) == (213462, 200000)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (Cause.RATE_LIMITED, errors.StreamRateLimited),
        (Cause.TIMED_OUT, errors.StreamTimedOut),
        (Cause.STALLED, errors.StreamTimedOut),
        (Cause.TRUNCATED, errors.StreamBroken),
        (Cause.MALFORMED, errors.StreamBroken),
    ],
)
def test_a_broken_stream(cause: Cause, kind: type):
    told = broken_stream(fault(cause))
    assert type(told) is kind
    assert told.message == "The answer broke off: m"
