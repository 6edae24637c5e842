"""What the caller is told when the chain is exhausted or a stream broke (contract §6), and what faults carry besides
their class; the classes themselves are `test_policies.py`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.canonical.events import BlockKind, Delta, Event, Failed, FaultKind, Finished, Opened, Started, StopReason
from proxy.errors import Cause, Next, UpstreamFault
from proxy.routing.failures import broken_stream, exhausted, final_word, of_failed, of_silence, of_status
from proxy.wire.codec import UpstreamError

WORDS = UpstreamError("Something is wrong.", "", "some_error")
OVERFLOW = UpstreamError("prompt is too long: 213462 tokens > 200000 maximum")


@given(st.integers(100, 999), st.sampled_from([WORDS, UpstreamError(), UpstreamError(is_formal=False), None]))
def test_no_status_is_without_a_cause(status: int, error: UpstreamError | None):
    fault = of_status(status, error, {}, 0.0)
    assert (fault.policy.next is Next.NO) is (status in (400, 422) and error is WORDS)
    assert fault.upstream_status == status
    assert fault.message == (error.message if error else f"The provider answered HTTP {status}.")


@pytest.mark.parametrize(
    ("failed", "cause", "detail"),
    [
        (Failed(FaultKind.MALFORMED, "m"), Cause.MALFORMED, "malformed"),
        (Failed(FaultKind.OVERSIZED, "m"), Cause.MALFORMED, "malformed"),
        (Failed(FaultKind.TRUNCATED, "m"), Cause.TRUNCATED, "truncated"),
        (Failed(FaultKind.EMPTY, "m"), Cause.EMPTY, "empty_response"),
        (Failed(FaultKind.REPORTED, "It broke."), Cause.EMBEDDED_ERROR, "error_event"),
        (Failed(FaultKind.REPORTED), Cause.EMBEDDED_ERROR, "error_event"),
        (Failed(FaultKind.REPORTED, "No.", status=200), Cause.EMBEDDED_ERROR, "error_event"),
        (Failed(FaultKind.REPORTED, "Overloaded", type="overloaded_error"), Cause.SERVER_ERROR, None),
        (Failed(FaultKind.REPORTED, "No.", code="insufficient_quota"), Cause.BILLING, "billing"),
        # A status of failure is stronger than a word that stands for anything beside one.
        (Failed(FaultKind.REPORTED, "No.", type="invalid_request_error", status=500), Cause.SERVER_ERROR, None),
        (
            Failed(FaultKind.REPORTED, "No.", type="invalid_request_error", status=404),
            Cause.MODEL_UNAVAILABLE,
            "model_unavailable",
        ),
    ],
)
def test_an_answer_that_broke_or_reported_an_error(failed: Failed, cause: Cause, detail: str | None):
    fault = of_failed(failed)
    assert (fault.cause, fault.detail) == (cause, detail)


def test_words_are_scrubbed():
    secret = "Bad key sk-obviously-fake-123 for msg_01XFDUDYJgAACzvnptvVoYEL"
    for fault in (of_status(400, UpstreamError(secret), {}, 0), of_failed(Failed(FaultKind.REPORTED, secret))):
        assert fault.message == "Bad key [key] for [id]"


SAID = [Started(), Opened(0, BlockKind.TEXT)]


@pytest.mark.parametrize(
    ("events", "is_silence"),
    [
        ([Started(), Finished(StopReason.END)], True),
        ([*SAID, Delta(0, ""), Finished(StopReason.END)], True),
        ([*SAID, Delta(0, "Hi"), Finished(StopReason.END)], False),
        ([Started(), Opened(0, BlockKind.REASONING), Delta(0, "Hm"), Finished(StopReason.END)], False),
        ([Started(), Opened(0, BlockKind.TOOL_CALL, "call_1", "weather"), Finished(StopReason.END)], False),
        # A reason that explains the silence is an answer.
        ([Started(), Finished(StopReason.LENGTH)], False),
        ([Started(), Finished(StopReason.STOP_SEQUENCE, "###")], False),
        ([Started(), Finished(StopReason.CONTENT_FILTER)], False),
        ([Started(), Finished(StopReason.REFUSAL)], False),
        ([Started()], False),
        ([], False),
    ],
)
def test_f19_an_answer_without_content_call_or_reason(events: list[Event], is_silence: bool):
    fault = of_silence(events)
    assert (fault is not None) is is_silence
    if fault is not None:
        assert (fault.cause, fault.detail) == (Cause.BAD_GENERATION, "empty_response")


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
        ([OPEN, fault(Cause.NO_CAPACITY)], errors.AllUnavailable, 503, 4.0),
        ([fault(Cause.NO_CAPACITY)], errors.AllUnavailable, 503, 1.0),
        ([TIMED_OUT, fault(Cause.STALLED)], errors.ChainTimedOut, 504, None),
        ([TIMED_OUT, fault(Cause.TOO_SLOW)], errors.ChainTimedOut, 504, None),
        ([BROKE], errors.ChainFailed, 502, None),
        ([RATE_LIMITED, BROKE], errors.ChainFailed, 502, None),
        ([RATE_LIMITED, OPEN], errors.ChainFailed, 502, 4.0),
        ([TIMED_OUT, OPEN, BROKE], errors.ChainFailed, 502, 4.0),
        ([BROKE, fault(Cause.TOO_LARGE, status=413)], errors.TooLargeEverywhere, 413, None),
        ([fault(Cause.TOO_LARGE, status=413), BROKE], errors.ChainFailed, 502, None),
        ([fault(Cause.CONTEXT_OVERFLOW)], errors.PromptTooLong, 400, None),
        ([fault(Cause.CONTENT_FILTER)], errors.ContentFiltered, 400, None),
    ],
)
def test_c02_an_exhausted_chain_names_the_smallest_wait(
    faults: list[UpstreamFault], kind: type, status: int, wait: float | None
):
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
        (Cause.TOO_SLOW, errors.StreamTimedOut),
        (Cause.TRUNCATED, errors.StreamBroken),
        (Cause.MALFORMED, errors.StreamBroken),
    ],
)
def test_a_broken_stream(cause: Cause, kind: type):
    told = broken_stream(fault(cause))
    assert type(told) is kind
    assert told.message == "The answer broke off: m"
