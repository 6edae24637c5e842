"""The error object of contract §6, columns "responses, chat", for every error there is."""

from collections.abc import Iterator

import pytest

from proxy import errors
from proxy.errors import Cause, ProxyError, UpstreamFault
from proxy.wire.error_object import error_object, error_object_body, error_object_status

REQUEST = "invalid_request_error"
# condition of §6 -> status, type (None where §6 names none), code
ROWS = [
    (errors.Unauthenticated("m"), 401, REQUEST, "invalid_api_key"),
    (errors.PermissionDenied("m"), 403, "permission_error", "insufficient_permissions"),
    (errors.UnknownModel("m"), 404, REQUEST, "model_not_found"),
    (errors.InvalidRequest("m", param="p"), 400, REQUEST, "invalid_value"),
    (errors.MissingParameter("m", param="p"), 400, REQUEST, "missing_required_parameter"),
    (errors.InvalidType("m", param="p"), 400, REQUEST, "invalid_type"),
    (errors.InvalidJson("m"), 400, REQUEST, "invalid_json"),
    (errors.UnsupportedParameter("m", param="p"), 400, REQUEST, "unsupported_parameter"),
    (errors.UnsupportedEncoding("m"), 415, REQUEST, "unsupported_encoding"),
    (errors.BodyTooLarge("m"), 413, REQUEST, None),
    (errors.RequestTimedOut("m"), 408, REQUEST, None),
    (errors.PromptTooLong("m", tokens=2, maximum=1), 400, None, "context_length_exceeded"),
    (errors.NoCapableCandidate("m", param="n"), 400, None, "unsupported_value"),
    (errors.QuotaExceeded("m", scope="tokens"), 429, None, "insufficient_quota"),
    (errors.RateLimited("m", scope="requests"), 429, None, "rate_limit_exceeded"),
    (errors.AllRateLimited("m"), 429, None, "rate_limit_exceeded"),
    (errors.AllUnavailable("m"), 503, "server_error", None),
    (errors.ChainTimedOut("m"), 504, "server_error", None),
    (errors.ChainFailed("m"), 502, "server_error", None),
    (errors.TooLargeEverywhere("m"), 413, REQUEST, None),
    (errors.StoreUnavailable("m"), 503, "server_error", None),
    (errors.Overloaded("m"), 503, "server_error", None),
    (errors.Draining("m"), 503, "server_error", None),
    (errors.InternalError("m"), 500, "server_error", None),
    (errors.ContentFiltered("m"), 400, REQUEST, "content_filter"),
    (errors.UnknownPath("m"), 404, REQUEST, None),
    (errors.MethodNotAllowed("m", allowed="POST"), 405, REQUEST, None),
    (errors.UpgradeRequired("m"), 426, REQUEST, None),
    (errors.Refused("m", status=422, code="their_code", param="top_k"), 422, REQUEST, "their_code"),
    (errors.StreamBroken("m"), 502, "server_error", "server_error"),
    (errors.StreamRateLimited("m"), 429, None, "rate_limit_exceeded"),
    (errors.StreamTimedOut("m"), 504, "server_error", "server_error"),
]


@pytest.mark.parametrize(("error", "status", "type_", "code"), ROWS, ids=[type(row[0]).__name__ for row in ROWS])
def test_rows_of_the_contract(error: ProxyError, status: int, type_: str | None, code: str | None):
    assert error_object_status(error) == status
    told = error_object(error)
    assert set(told) == {"message", "type", "param", "code"}
    assert (told["message"], told["param"]) == ("m", error.param)
    assert told["type"] == (type_ or told["type"])
    assert told["code"] == (code or told["code"])


def family(root: type[ProxyError]) -> Iterator[type[ProxyError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


@pytest.mark.parametrize("kind", sorted({k for k in family(ProxyError) if k.__module__ == errors.__name__}, key=str))
def test_every_error_has_a_row_by_inheritance(kind: type[ProxyError]):
    later = type("AddedLater", (kind,), {"__init__": ProxyError.__init__})
    error = later("m")
    if issubclass(kind, errors.Refused):
        error.code = None
    told = error_object(error)
    assert told["type"] in (REQUEST, "permission_error", "insufficient_quota", "rate_limit_error", "server_error")
    assert (told["type"] == "server_error") is (
        not issubclass(
            kind, (errors.RequestFault, errors.AllRateLimited, errors.StreamRateLimited, errors.TooLargeEverywhere)
        )
    )


def test_the_rows_speak_of_every_error():
    spoken_of = {kind for error, *_ in ROWS for kind in type(error).__mro__}
    assert {kind for kind in family(ProxyError) if kind.__module__ == errors.__name__} - spoken_of == {UpstreamFault}


def test_the_body_names_the_request():
    body = error_object_body(UpstreamFault(Cause.SERVER_ERROR, "m"), "req_1")
    assert body == {
        "error": {"message": "m", "type": "server_error", "param": None, "code": "server_error"},
        "request_id": "req_1",
    }
