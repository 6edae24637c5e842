"""What a failed attempt means: provider words and statuses become one `UpstreamFault`, whose cause carries the policy
of contract §7; and what the caller is told when nobody is left."""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isfinite

from proxy.canonical.events import Failed, FaultKind
from proxy.errors import (
    AllRateLimited,
    AllUnavailable,
    Cause,
    ChainFailed,
    ChainTimedOut,
    ContentFiltered,
    PromptTooLong,
    ProxyError,
    Refused,
    StreamBroken,
    StreamRateLimited,
    StreamTimedOut,
    TooLargeEverywhere,
    UpstreamFault,
)
from proxy.providers.phrases import cause_of, prompt_size
from proxy.routing.scrub import scrub
from proxy.wire.codec import UpstreamError

_BY_STATUS = {
    401: Cause.CREDENTIAL_REJECTED,
    402: Cause.BILLING,
    403: Cause.MODEL_UNAVAILABLE,
    404: Cause.MODEL_UNAVAILABLE,
    408: Cause.SERVER_ERROR,
    409: Cause.UNSUPPORTED,
    413: Cause.TOO_LARGE,
    425: Cause.SERVER_ERROR,
    429: Cause.RATE_LIMITED,
    498: Cause.UNSUPPORTED,
}
_CALLERS = (400, 422)
_LONGEST_WAIT = 86_400.0  # who asks for more is asked again tomorrow
_BY_KIND = {
    FaultKind.MALFORMED: (Cause.MALFORMED, "malformed"),
    FaultKind.OVERSIZED: (Cause.MALFORMED, "malformed"),
    FaultKind.TRUNCATED: (Cause.TRUNCATED, "truncated"),
    FaultKind.EMPTY: (Cause.EMPTY, "empty_response"),
}


def of_status(status: int, error: UpstreamError | None, headers: Mapping[str, str], wall_clock: float) -> UpstreamFault:
    """The fault behind a non-2xx answer. `error`: what its JSON body says, None if the body was not JSON (a gateway's
    HTML page is nobody's verdict on the request). `wall_clock`: unix seconds, for a Retry-After given as a date."""
    cause = _cause(status, error) if error is not None else _without_body(status)
    message = scrub(error.message) if error and error.message else f"The provider answered HTTP {status}."
    return UpstreamFault(
        cause,
        message,
        upstream_status=status,
        code=error.code if error else None,
        param=error.param if error else None,
        retry_after=retry_after(headers, wall_clock),
        detail=_DETAIL.get(cause),
    )


_DETAIL = {
    Cause.BILLING: "billing",
    Cause.CONTENT_FILTER: "content_filter",
    Cause.TOO_LARGE: "too_large",
    Cause.MODEL_UNAVAILABLE: "model_unavailable",
    Cause.UNSUPPORTED: "unsupported",
    Cause.FOREIGN_ITEM: "foreign_item",
}


def _cause(status: int, error: UpstreamError) -> Cause:
    told = cause_of(status, error.code, error.type, error.message)
    if told is not None:
        return told
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in _CALLERS:
        return Cause.CALLERS_FAULT if error else Cause.BAD_ANSWER
    return Cause.SERVER_ERROR if status >= 500 or status < 400 else Cause.UNSUPPORTED


def _without_body(status: int) -> Cause:
    if status in _CALLERS or status < 400:
        return Cause.SERVER_ERROR
    return _BY_STATUS.get(status, Cause.SERVER_ERROR if status >= 500 else Cause.UNSUPPORTED)


def of_failed(failed: Failed) -> UpstreamFault:
    """The fault behind a stream or document that broke or reported an error under HTTP 200."""
    if failed.kind is not FaultKind.REPORTED:
        cause, detail = _BY_KIND[failed.kind]
        return UpstreamFault(cause, f"The provider's answer broke: {failed.message}.", detail=detail)
    error = UpstreamError(failed.message, failed.code, failed.type, failed.param)
    told = cause_of(failed.status or 200, failed.code, failed.type, failed.message)
    if told is None and failed.status is not None and failed.status >= 400:
        told = _cause(failed.status, error)
    return UpstreamFault(
        told or Cause.EMBEDDED_ERROR,
        scrub(failed.message) or "The provider reported an error.",
        upstream_status=failed.status,
        code=failed.code,
        param=failed.param,
        retry_after=_bounded(failed.retry_after) if failed.retry_after is not None else None,
        detail=_DETAIL.get(told) if told else "error_event",
    )


def retry_after(headers: Mapping[str, str], wall_clock: float) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or an HTTP date), a day at most; None if absent or
    unreadable."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - wall_clock)
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST_WAIT)


def _number(value: str) -> float | None:
    """A finite number, so that no provider can ask for a pause without end."""
    try:
        number = float(value)
    except ValueError:
        return None
    return number if isfinite(number) else None


def final_word(fault: UpstreamFault) -> ProxyError | None:
    """The caller's error for a fault that ends the chain by itself or keeps its meaning as the last one; None where
    the chain's summary (`exhausted`) speaks instead."""
    match fault.cause:
        case Cause.CALLERS_FAULT:
            status = fault.upstream_status if fault.upstream_status in _CALLERS else 400
            return Refused(fault.message, status=status, code=fault.code or None, param=fault.param)
        case Cause.CONTEXT_OVERFLOW:
            tokens, maximum = prompt_size(fault.message)
            return PromptTooLong(fault.message, tokens=tokens, maximum=maximum)
        case Cause.CONTENT_FILTER:
            return ContentFiltered(fault.message)
        case Cause.TOO_LARGE:
            return TooLargeEverywhere(fault.message)
    return None


def exhausted(faults: Sequence[UpstreamFault], model: str) -> ProxyError:
    """What the caller is told when no candidate is left (contract §6). `faults`: one per candidate, in order; those of
    skipped candidates carry as `retry_after` when they may be asked again."""
    last = final_word(faults[-1])
    if last is not None:
        return last
    waits = [fault.retry_after for fault in faults if fault.retry_after is not None]
    wait = min(waits) if waits else None
    causes = {fault.cause for fault in faults}
    if causes == {Cause.RATE_LIMITED}:
        return AllRateLimited(
            f"Every candidate of model '{model}' is rate limited. Retry later.", retry_after=wait or 1.0
        )
    if causes == {Cause.BREAKER_OPEN}:
        return AllUnavailable(
            f"No candidate of model '{model}' is available just now. Retry later.", retry_after=wait or 1.0
        )
    if causes <= {Cause.TIMED_OUT, Cause.STALLED}:
        return ChainTimedOut(f"Every candidate of model '{model}' timed out.", retry_after=wait)
    reasons = ", ".join(dict.fromkeys(fault.policy.reason.value for fault in faults))
    return ChainFailed(f"No candidate of model '{model}' could answer ({reasons}).", retry_after=wait)


def broken_stream(fault: UpstreamFault) -> StreamBroken:
    """What an in-stream failure says once content is out and the route's policy is to fail."""
    message = f"The answer broke off: {fault.message}"
    if fault.cause is Cause.RATE_LIMITED:
        return StreamRateLimited(message, retry_after=fault.retry_after, detail=fault.detail)
    if fault.cause in (Cause.TIMED_OUT, Cause.STALLED):
        return StreamTimedOut(message, detail=fault.detail)
    return StreamBroken(message, detail=fault.detail or fault.policy.reason.value)
