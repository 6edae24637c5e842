"""OpenAI's error objects, shared by every vocabulary of that family.

Shape and codes: platform.openai.com/docs/guides/error-codes; context_length_exceeded and insufficient_quota as
quoted in public issue reports; content_filter is Azure's (github.com/openai/openai-python/issues/331); the refusal of a
prefill as Copilot passes Anthropic's on (github.com/anomalyco/opencode/issues/13768).
"""

from proxy.demo.faults import Fault
from proxy.demo.frames import Json

# fault: status, type, code, param, message
_ROWS: dict[str, tuple[int, str | None, str | None, str | None, str]] = {
    "400": (400, "invalid_request_error", "unknown_parameter", "demo", "Unknown parameter: 'demo'."),
    "401": (401, "invalid_request_error", "invalid_api_key", None, "Incorrect API key provided: sk-demo****demo."),
    "402": (402, "insufficient_quota", "insufficient_quota", None, "Insufficient Balance"),
    "403": (403, "invalid_request_error", "model_not_found", None, "Project does not have access to model `{model}`"),
    "404-model": (
        404,
        "invalid_request_error",
        "model_not_found",
        None,
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    "413": (413, "invalid_request_error", None, None, "Request body is larger than the limit."),
    "422": (422, "invalid_request_error", None, None, "The request could not be understood."),
    "429": (429, "requests", "rate_limit_exceeded", None, "Rate limit reached for {model} on requests per min (RPM)."),
    "500": (500, "server_error", None, None, "The server had an error while processing your request."),
    "503": (503, "server_error", None, None, "The engine is currently overloaded, please try again later."),
    "billing": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        None,
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "context-overflow": (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    ),
    "content-filter": (
        400,
        None,
        "content_filter",
        "prompt",
        "The response was filtered due to the prompt triggering the content management policy.",
    ),
    "no-prefill": (
        400,
        "invalid_request_error",
        None,
        "messages",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    "prefill-space": (
        400,
        "invalid_request_error",
        None,
        "messages",
        "messages: final assistant content cannot end with trailing whitespace",
    ),
}


def error_object(fault: Fault) -> tuple[int, Json]:
    """Status and error object (without its envelope)."""
    if fault.name in _ROWS:
        status, kind, code, param, message = _ROWS[fault.name]
    else:
        status = int(fault.name)
        kind, code, param = ("server_error" if status >= 500 else "invalid_request_error"), None, None
        message = f"The upstream answered with status {status}."
    return status, {"message": message.format(model=fault.model), "type": kind, "param": param, "code": code}
