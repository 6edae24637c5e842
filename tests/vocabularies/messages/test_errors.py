import pytest

from proxy import errors
from proxy.conformance.lint import lint_error
from proxy.vocabularies.messages.vocabulary import MESSAGES
from proxy.wire.codec import UpstreamError

# Contract §6, the messages column.
ROWS = [
    (errors.Unauthenticated("m"), 401, "authentication_error"),
    (errors.PermissionDenied("m"), 403, "permission_error"),
    (errors.UnknownModel("m"), 404, "not_found_error"),
    (errors.UnknownPath("m"), 404, "not_found_error"),
    (errors.MethodNotAllowed("m", allowed="GET"), 405, "invalid_request_error"),
    (errors.UpgradeRequired("m"), 426, "invalid_request_error"),
    (errors.InvalidRequest("m", param="p"), 400, "invalid_request_error"),
    (errors.BodyTooLarge("m"), 413, "request_too_large"),
    (errors.PromptTooLong("m"), 400, "invalid_request_error"),
    (errors.NoCapableCandidate("m"), 400, "invalid_request_error"),
    (errors.ContentFiltered("m"), 400, "invalid_request_error"),
    (errors.Refused("m", status=422), 422, "invalid_request_error"),
    (errors.QuotaExceeded("m", scope="tokens"), 429, "rate_limit_error"),
    (errors.RateLimited("m", scope="requests"), 429, "rate_limit_error"),
    (errors.AllRateLimited("m"), 429, "rate_limit_error"),
    (errors.AllUnavailable("m"), 529, "overloaded_error"),
    (errors.ChainTimedOut("m"), 504, "timeout_error"),
    (errors.ChainFailed("m"), 502, "api_error"),
    (errors.TooLargeEverywhere("m"), 413, "request_too_large"),
    (errors.StoreUnavailable("m"), 529, "overloaded_error"),
    (errors.Draining("m"), 529, "overloaded_error"),
    (errors.InternalError("m"), 500, "api_error"),
]


@pytest.mark.parametrize(("error", "status", "kind"), ROWS, ids=lambda value: type(value).__name__)
def test_every_row(error: errors.ProxyError, status: int, kind: str):
    body = MESSAGES.error_body(error, "req-1")
    assert (MESSAGES.error_status(error), body["error"]["type"]) == (status, kind)
    assert body["request_id"] == "req-1"
    assert lint_error(body, "messages") == []


def test_an_overflow_is_said_in_the_words_clients_look_for():
    error = errors.PromptTooLong("m", tokens=210_000, maximum=200_000)
    message = MESSAGES.error_body(error, "r")["error"]["message"]
    assert message == "prompt is too long: 210000 tokens > 200000 maximum"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            UpstreamError("Overloaded", "", "overloaded_error"),
        ),
        ({"error": {"message": "m", "code": 402, "param": "p"}}, UpstreamError("m", "402", "", "p", 402)),
        ({"error": "bare"}, UpstreamError("bare")),
        ({"type": "message", "content": []}, UpstreamError()),
        ({"error": {"message": 7, "type": []}}, UpstreamError("7")),
        ({"detail": "Invalid messages"}, UpstreamError("Invalid messages")),
    ],
)
def test_a_providers_error_is_read(body: dict[str, object], expected: UpstreamError):
    assert MESSAGES.read_error(body) == expected
