"""Our failures in this vocabulary's words: contract §6's domain column, and §2's in-stream codes."""

from typing import Any, NamedTuple

from proxy import errors
from proxy.errors import ProxyError, QuotaExceeded, http_status


class Words(NamedTuple):
    """`code` in a body, `title` for people, `status` None = the error's own."""

    code: str
    title: str
    status: int | None = None


_TABLE: dict[type[BaseException], Words] = {
    errors.RequestFault: Words("invalid_request", "The request is not valid"),
    errors.Unauthenticated: Words("unauthenticated", "No valid key"),
    errors.PermissionDenied: Words("insufficient_permissions", "The key may not do this"),
    errors.UnknownModel: Words("invalid_request", "There is no such model", 400),
    errors.UnknownPath: Words("not_found", "There is nothing here"),
    errors.MethodNotAllowed: Words("method_not_allowed", "The method is not allowed here"),
    errors.UpgradeRequired: Words("upgrade_required", "Not over a WebSocket"),
    errors.BodyTooLarge: Words("request_too_large", "The body is too large"),
    errors.TooLargeEverywhere: Words("request_too_large", "The body is too large"),
    errors.PromptTooLong: Words("context_budget_exceeded", "The prompt is too long", 422),
    errors.NoCapableCandidate: Words("unsupported_media", "No model here can do that", 415),
    errors.QuotaExceeded: Words("quota_exceeded", "A quota is used up"),
    errors.RateLimited: Words("quota_exceeded", "A limit is reached"),
    errors.AllRateLimited: Words("rate_limited", "The providers are busy"),
    errors.AllUnavailable: Words("provider_timeout", "No provider is available"),
    errors.ChainTimedOut: Words("provider_timeout", "The providers took too long"),
    errors.ChainFailed: Words("provider_error", "The providers failed"),
    errors.StreamRateLimited: Words("rate_limited", "The provider is busy"),
    errors.StreamTimedOut: Words("provider_timeout", "The provider took too long"),
    errors.StoreUnavailable: Words("store_unavailable", "The store is not available"),
    errors.Overloaded: Words("overloaded", "The service is overloaded"),
    errors.Draining: Words("draining", "The service is shutting down"),
    errors.InternalError: Words("internal", "Something went wrong here"),
    errors.ProxyError: Words("provider_error", "The provider failed"),
}
# What an error may be called once the stream has begun.
_IN_STREAM: dict[type[BaseException], str] = {
    errors.QuotaExceeded: "quota_exceeded",
    errors.AllRateLimited: "rate_limited",
    errors.StreamRateLimited: "rate_limited",
    errors.AllUnavailable: "provider_timeout",
    errors.ChainTimedOut: "provider_timeout",
    errors.StreamTimedOut: "provider_timeout",
    errors.StreamBroken: "stream_interrupted",
    errors.Unauthenticated: "stream_interrupted",  # its key was revoked
    errors.Draining: "stream_interrupted",
    errors.InternalError: "stream_interrupted",
    errors.ProxyError: "provider_error",
}


def _words(error: ProxyError) -> Words:
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def error_status(error: ProxyError) -> int:
    return _words(error).status or http_status(error)


def error_body(error: ProxyError, request_id: str) -> dict[str, Any]:
    """A problem of RFC 9457 with our `code`."""
    words = _words(error)
    return {
        "type": "about:blank",
        "title": words.title,
        "status": error_status(error),
        "detail": error.message,
        "instance": f"urn:request:{request_id}",
        "code": words.code,
        **_scope(error),
    }


def error_event(error: ProxyError) -> dict[str, Any]:
    """The payload of `error`."""
    code = next(_IN_STREAM[kind] for kind in type(error).__mro__ if kind in _IN_STREAM)
    return {"code": code, "message": error.message or "The request failed.", **_scope(error)}


def _scope(error: ProxyError) -> dict[str, str]:
    return {"quota_scope": error.scope} if isinstance(error, QuotaExceeded) else {}
