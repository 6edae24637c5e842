"""The error object OpenAI's wires share: `{"error": {message, type, param, code}}` (openai-python 3.52,
`types/shared/error_object.py`; the rows are contract §6)."""

from typing import Any

from proxy.errors import (
    AllRateLimited,
    BodyTooLarge,
    ContentFiltered,
    InvalidRequest,
    MethodNotAllowed,
    NoCapableCandidate,
    PermissionDenied,
    PromptTooLong,
    ProxyError,
    QuotaExceeded,
    RateLimited,
    Refused,
    RequestFault,
    StreamRateLimited,
    TooLargeEverywhere,
    Unauthenticated,
    UnknownModel,
    UnknownPath,
    UpgradeRequired,
    http_status,
)

_REQUEST = "invalid_request_error"
# error class -> (type, code); looked up along the class's ancestors, so a later class is right by inheritance.
_ROWS: dict[type[BaseException], tuple[str, str]] = {
    Unauthenticated: (_REQUEST, "invalid_api_key"),
    PermissionDenied: ("permission_error", "insufficient_permissions"),
    UnknownModel: (_REQUEST, "model_not_found"),
    UnknownPath: (_REQUEST, "unknown_url"),
    MethodNotAllowed: (_REQUEST, "method_not_allowed"),
    UpgradeRequired: (_REQUEST, "upgrade_required"),
    BodyTooLarge: (_REQUEST, "request_too_large"),
    PromptTooLong: (_REQUEST, "context_length_exceeded"),
    NoCapableCandidate: (_REQUEST, "unsupported_value"),
    ContentFiltered: (_REQUEST, "content_filter"),
    RateLimited: ("rate_limit_error", "rate_limit_exceeded"),
    QuotaExceeded: ("insufficient_quota", "insufficient_quota"),
    RequestFault: (_REQUEST, "invalid_value"),
    AllRateLimited: ("rate_limit_error", "rate_limit_exceeded"),
    StreamRateLimited: ("rate_limit_error", "rate_limit_exceeded"),
    TooLargeEverywhere: (_REQUEST, "request_too_large"),
    ProxyError: ("server_error", "server_error"),
}


def error_object(error: ProxyError) -> dict[str, Any]:
    """The inner error object."""
    type_, code = next(_ROWS[ancestor] for ancestor in type(error).__mro__ if ancestor in _ROWS)
    if isinstance(error, (InvalidRequest, Refused)) and error.code:
        code = error.code
    return {"message": error.message, "type": type_, "param": error.param, "code": code}


def error_object_body(error: ProxyError, request_id: str) -> dict[str, Any]:
    return {"error": error_object(error), "request_id": request_id}


def error_object_status(error: ProxyError) -> int:
    return http_status(error)
