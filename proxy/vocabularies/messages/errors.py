"""Our failures in this vocabulary's words (contract §6).

Sources: anthropic (Python) 2.11, `types/shared/error_response.py`, `error_type.py`; the vendor's page api/errors for
request_too_large and the statuses 504 and 529.
"""

from typing import Any, NamedTuple

from proxy import errors
from proxy.errors import PromptTooLong, ProxyError, http_status


class Words(NamedTuple):
    """`status` None = the error's own."""

    type: str
    status: int | None = None


_REQUEST = "invalid_request_error"
_TABLE: dict[type[BaseException], Words] = {
    errors.RequestFault: Words(_REQUEST),
    errors.Unauthenticated: Words("authentication_error"),
    errors.PermissionDenied: Words("permission_error"),
    errors.UnknownModel: Words("not_found_error"),
    errors.UnknownPath: Words("not_found_error"),
    errors.BodyTooLarge: Words("request_too_large"),
    errors.QuotaExceeded: Words("rate_limit_error"),
    errors.AllRateLimited: Words("rate_limit_error"),
    errors.AllUnavailable: Words("overloaded_error", 529),
    errors.ChainTimedOut: Words("timeout_error"),
    errors.TooLargeEverywhere: Words("request_too_large"),
    errors.StreamRateLimited: Words("rate_limit_error"),
    errors.StreamTimedOut: Words("timeout_error"),
    errors.StoreUnavailable: Words("overloaded_error", 529),
    errors.Overloaded: Words("overloaded_error", 529),
    errors.Draining: Words("overloaded_error", 529),
    errors.ProxyError: Words("api_error"),
}


def _words(error: ProxyError) -> Words:
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def error_status(error: ProxyError) -> int:
    return _words(error).status or http_status(error)


def error_body(error: ProxyError, request_id: str) -> dict[str, Any]:
    """The body of an HTTP error, and the payload of an `error` event."""
    return {
        "type": "error",
        "error": {"type": _words(error).type, "message": _message(error)},
        "request_id": request_id,
    }


def _message(error: ProxyError) -> str:
    """Clients of this wire recognise an overflow by these words and these numbers."""
    if isinstance(error, PromptTooLong) and error.tokens is not None and error.maximum is not None:
        return f"prompt is too long: {error.tokens} tokens > {error.maximum} maximum"
    if isinstance(error, PromptTooLong) and not error.message.startswith("prompt is too long"):
        return f"prompt is too long: {error.message}"
    return error.message or "The request failed."
