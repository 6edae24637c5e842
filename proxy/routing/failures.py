"""What a failed attempt means: provider words and statuses become one `UpstreamFault`, whose cause carries the policy
of contract §7; and what the caller is told when nobody is left."""

from collections.abc import Mapping, Sequence

from proxy.canonical.events import Event, Failed, FaultKind, Finished, StopReason, is_content
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
from proxy.routing import waits
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
_BY_KIND = {
    FaultKind.MALFORMED: Cause.MALFORMED,
    FaultKind.OVERSIZED: Cause.MALFORMED,
    FaultKind.TRUNCATED: Cause.TRUNCATED,
    FaultKind.EMPTY: Cause.EMPTY,
}
_LATE = frozenset({Cause.TIMED_OUT, Cause.STALLED, Cause.TOO_SLOW})
_SHUT = frozenset({Cause.BREAKER_OPEN, Cause.NO_CAPACITY})


def of_status(status: int, error: UpstreamError | None, headers: Mapping[str, str], wall_clock: float) -> UpstreamFault:
    """The fault behind a non-2xx answer. `error`: what its body says, None if that is a page (which is nobody's verdict
    on the request). `wall_clock`: unix seconds, for a wait that is told as a moment."""
    said = error or UpstreamError()
    cause = _of_page(status) if error is None else _cause(status, error)
    return UpstreamFault(
        cause,
        scrub(said.message) or f"The provider answered HTTP {status}.",
        upstream_status=status,
        code=said.code or None,
        param=said.param,
        retry_after=waits.asked(
            headers, wall_clock, message=said.message, body=said.wait, is_limit=cause is Cause.RATE_LIMITED
        ),
    )


def _cause(status: int, error: UpstreamError) -> Cause:
    told = cause_of(status, error.code, error.type, error.message)
    if told is not None:
        return told
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status in _CALLERS and error.is_formal:
        return Cause.CALLERS_FAULT if error else Cause.BAD_ANSWER
    return Cause.SERVER_ERROR if status >= 500 or status < 400 else Cause.UNSUPPORTED


def _of_page(status: int) -> Cause:
    if status in _CALLERS or status < 400:
        return Cause.SERVER_ERROR
    return _BY_STATUS.get(status, Cause.SERVER_ERROR if status >= 500 else Cause.UNSUPPORTED)


def of_failed(failed: Failed) -> UpstreamFault:
    """The fault behind a stream or document that broke or reported an error under HTTP 200."""
    if failed.kind is not FaultKind.REPORTED:
        return UpstreamFault(_BY_KIND[failed.kind], f"The provider's answer broke: {failed.message}.")
    said = UpstreamError(failed.message, failed.code, failed.type, failed.param, failed.status, failed.wait)
    if failed.status is None or failed.status < 400:
        cause = cause_of(200, failed.code, failed.type, failed.message) or Cause.EMBEDDED_ERROR
    else:
        cause = _cause(failed.status, said)
    return UpstreamFault(
        cause,
        scrub(failed.message) or "The provider reported an error.",
        upstream_status=failed.status,
        code=failed.code,
        param=failed.param,
        retry_after=waits.asked({}, 0.0, message=said.message, body=said.wait, is_limit=cause is Cause.RATE_LIMITED),
    )


def of_silence(events: Sequence[Event]) -> UpstreamFault | None:
    """The fault of an answer that is whole and says nothing: no content, no call, and no reason for it. Only a route
    that does not accept such answers takes it for one."""
    last = events[-1] if events else None
    if not isinstance(last, Finished) or last.reason is not StopReason.END or any(map(is_content, events)):
        return None
    return UpstreamFault(
        Cause.BAD_GENERATION, "The provider's model ended its answer without a word.", detail="empty_response"
    )


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
    wait = min((fault.retry_after for fault in faults if fault.retry_after is not None), default=None)
    causes = {fault.cause for fault in faults}
    if causes == {Cause.RATE_LIMITED}:
        return AllRateLimited(
            f"Every candidate of model '{model}' is rate limited. Retry later.", retry_after=wait or 1.0
        )
    if causes <= _SHUT:
        return AllUnavailable(
            f"No candidate of model '{model}' is available just now. Retry later.", retry_after=wait or 1.0
        )
    if causes <= _LATE:
        return ChainTimedOut(f"Every candidate of model '{model}' timed out.", retry_after=wait)
    reasons = ", ".join(dict.fromkeys(fault.policy.reason.value for fault in faults))
    return ChainFailed(f"No candidate of model '{model}' could answer ({reasons}).", retry_after=wait)


def broken_stream(fault: UpstreamFault) -> StreamBroken:
    """What an in-stream failure says once content is out and the route's policy is to fail."""
    message = f"The answer broke off: {fault.message}"
    if fault.cause is Cause.RATE_LIMITED:
        return StreamRateLimited(message, retry_after=fault.retry_after, detail=fault.detail)
    if fault.cause in _LATE:
        return StreamTimedOut(message, detail=fault.detail)
    return StreamBroken(message, detail=fault.detail or fault.policy.reason.value)
