"""What is this vocabulary's own about failures: the two codes of a stream that fails, and the finer one beside them
(contract §6). The rest is `wire.error_object`."""

from proxy import errors
from proxy.errors import ProxyError, http_status

# Contract §2: the finer codes of a stream that fails.
_FINER: dict[type[ProxyError], str] = {
    errors.ProxyError: "provider_error",
    errors.RequestFault: "invalid_request",
    errors.QuotaExceeded: "quota_exceeded",
    errors.RateLimited: "rate_limited",
    errors.AllRateLimited: "rate_limited",
    errors.StreamRateLimited: "rate_limited",
    errors.ChainTimedOut: "provider_timeout",
    errors.StreamTimedOut: "provider_timeout",
    errors.StreamBroken: "stream_interrupted",
    errors.Unauthenticated: "stream_interrupted",  # its key was revoked
    errors.Draining: "stream_interrupted",
    errors.InternalError: "internal",
}


def stream_error(error: ProxyError) -> dict[str, str]:
    """`response.error` of a failed stream, whose code has only two values."""
    limited = http_status(error) == 429
    return {"code": "rate_limit_exceeded" if limited else "server_error", "message": error.message}


def finer_error(error: ProxyError) -> dict[str, str]:
    """What the member `segue` adds to it."""
    code = next(_FINER[kind] for kind in type(error).__mro__ if kind in _FINER)
    return {"code": code, **({"detail": error.detail} if error.detail else {})}
