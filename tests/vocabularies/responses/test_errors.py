"""Our failures in this vocabulary's words, for every class there is, and a provider's errors read back."""

from typing import Any

import pytest

from proxy import errors
from proxy.errors import Cause, ProxyError
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.codec import UpstreamError
from tests.vocabularies.responses.corpus import frames, head


def every(kind: type[ProxyError]) -> list[type[ProxyError]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in every(child))]


def made(kind: type[ProxyError]) -> ProxyError:
    if issubclass(kind, errors.UpstreamFault):
        return kind(Cause.SERVER_ERROR, "It broke.")
    extra: dict[str, Any] = {}
    if issubclass(kind, errors.QuotaExceeded):
        extra = {"scope": "tokens"}
    if issubclass(kind, errors.MethodNotAllowed):
        extra = {"allowed": "POST"}
    return kind("It broke.", **extra)


# Contract §6.
EXPECTED = [
    (errors.Unauthenticated("m"), 401, "invalid_request_error", "invalid_api_key"),
    (errors.PermissionDenied("m"), 403, "permission_error", "insufficient_permissions"),
    (errors.UnknownModel("m"), 404, "invalid_request_error", "model_not_found"),
    (errors.InvalidRequest("m", param="n"), 400, "invalid_request_error", "invalid_value"),
    (errors.InvalidType("m", param="n"), 400, "invalid_request_error", "invalid_type"),
    (errors.MissingParameter("m", param="n"), 400, "invalid_request_error", "missing_required_parameter"),
    (errors.UnsupportedParameter("m", param="n"), 400, "invalid_request_error", "unsupported_parameter"),
    (errors.BodyTooLarge("m"), 413, "invalid_request_error", "request_too_large"),
    (errors.PromptTooLong("m"), 400, "invalid_request_error", "context_length_exceeded"),
    (errors.NoCapableCandidate("m"), 400, "invalid_request_error", "unsupported_value"),
    (errors.Refused("m", status=422, code="odd"), 422, "invalid_request_error", "odd"),
    (errors.QuotaExceeded("m", scope="tokens"), 429, "insufficient_quota", "insufficient_quota"),
    (errors.RateLimited("m", scope="requests"), 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.AllRateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded"),
    (errors.AllUnavailable("m"), 503, "server_error", "server_error"),
    (errors.ChainTimedOut("m"), 504, "server_error", "server_error"),
    (errors.ChainFailed("m"), 502, "server_error", "server_error"),
    (errors.StoreUnavailable("m"), 503, "server_error", "server_error"),
    (errors.Draining("m"), 503, "server_error", "server_error"),
    (errors.InternalError("m"), 500, "server_error", "server_error"),
]


@pytest.mark.parametrize(("error", "status", "kind", "code"), EXPECTED)
def test_the_table_of_the_contract(error: ProxyError, status: int, kind: str, code: str):
    assert RESPONSES.error_status(error) == status
    member = {"message": "m", "type": kind, "param": error.param, "code": code}
    assert RESPONSES.error_body(error, "req_1") == {"error": member, "request_id": "req_1"}


@pytest.mark.parametrize("kind", every(ProxyError))
def test_every_error_has_words_whole_and_in_a_stream(kind: type[ProxyError]):
    member = RESPONSES.error_body(made(kind), "req_1")["error"]
    assert all(isinstance(member[name], str) and member[name] for name in ("message", "type", "code"))
    failed = frames(RESPONSES.encoder(head()).fail(made(kind)))[-1]["response"]
    assert failed["error"]["code"] in ("server_error", "rate_limit_exceeded")
    assert failed["segue"]["error"]["code"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}},
            UpstreamError("m", "c", "t", "p"),
        ),
        ({"error": {"message": "m", "code": 429}}, UpstreamError("m", "429", status=429)),
        ({"error": "m"}, UpstreamError("m")),
        ({"message": "m", "type": "t"}, UpstreamError("m", type="t")),
        ({"detail": "m"}, UpstreamError("m")),
        ({"error": {"message": None, "code": None}}, UpstreamError()),
        ({"object": "response", "error": None, "output": []}, UpstreamError()),
        ({}, UpstreamError()),
    ],
)
def test_a_providers_error(body: dict[str, Any], expected: UpstreamError):
    assert RESPONSES.read_error(body) == expected
