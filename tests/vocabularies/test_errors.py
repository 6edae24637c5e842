"""Contract §6, cell by cell, and every class of error on every wire. Rows whose cause comes later are here too."""

from typing import Any, NamedTuple

import pytest

from proxy import errors
from proxy.conformance.lint import lint, lint_error
from proxy.errors import Cause, ProxyError
from proxy.vocabularies.catalog import DOWNSTREAM
from tests.vocabularies import corpus, facts

_REQUEST = "invalid_request_error"


class Row(NamedTuple):
    """`openai`: status, type, code of responses and chat; `messages`: status, error.type; `domain`: status, code.
    None = the contract leaves it open."""

    error: ProxyError
    openai: tuple[int, str | None, str | None]
    messages: tuple[int, str | None]
    domain: tuple[int, str | None]


ROWS = {
    "no key": Row(
        errors.Unauthenticated("no key"),
        (401, _REQUEST, "invalid_api_key"),
        (401, "authentication_error"),
        (401, "unauthenticated"),
    ),
    "key may not": Row(
        errors.PermissionDenied("may not"),
        (403, "permission_error", "insufficient_permissions"),
        (403, "permission_error"),
        (403, "insufficient_permissions"),
    ),
    "unknown model": Row(
        errors.UnknownModel("no such model", param="model"),
        (404, _REQUEST, "model_not_found"),
        (404, "not_found_error"),
        (400, "invalid_request"),
    ),
    "wrong value": Row(
        errors.InvalidRequest("wrong", param="input[0]"),
        (400, _REQUEST, "invalid_value"),
        (400, _REQUEST),
        (400, "invalid_request"),
    ),
    "wrong type": Row(
        errors.InvalidType("wrong", param="input"),
        (400, _REQUEST, "invalid_type"),
        (400, _REQUEST),
        (400, "invalid_request"),
    ),
    "missing": Row(
        errors.MissingParameter("missing", param="model"),
        (400, _REQUEST, "missing_required_parameter"),
        (400, _REQUEST),
        (400, "invalid_request"),
    ),
    "unsupported parameter": Row(
        errors.UnsupportedParameter("not yet", param="background"),
        (400, _REQUEST, "unsupported_parameter"),
        (400, _REQUEST),
        (400, "invalid_request"),
    ),
    "body too large": Row(errors.BodyTooLarge("large"), (413, _REQUEST, None), (413, "request_too_large"), (413, None)),
    "prompt too long": Row(
        errors.PromptTooLong("long", tokens=9001, maximum=8192),
        (400, None, "context_length_exceeded"),
        (400, _REQUEST),
        (422, None),  # see below
    ),
    "no capability": Row(
        errors.NoCapableCandidate("nobody", param="n"),
        (400, _REQUEST, "unsupported_value"),
        (400, _REQUEST),
        (415, "unsupported_media"),
    ),
    "day quota": Row(
        errors.QuotaExceeded("used up", scope="tokens", retry_after=3600.0),
        (429, None, "insufficient_quota"),
        (429, "rate_limit_error"),
        (429, "quota_exceeded"),
    ),
    "minute limit": Row(
        errors.RateLimited("slower", scope="requests", retry_after=2.0),
        (429, None, "rate_limit_exceeded"),
        (429, "rate_limit_error"),
        (429, "quota_exceeded"),
    ),
    "all rate limited": Row(
        errors.AllRateLimited("busy", retry_after=2.0),
        (429, None, "rate_limit_exceeded"),
        (429, "rate_limit_error"),
        (429, "rate_limited"),
    ),
    "all breakers open": Row(
        errors.AllUnavailable("down", retry_after=2.0),
        (503, "server_error", None),
        (529, "overloaded_error"),
        (503, "provider_timeout"),
    ),
    "timeouts": Row(
        errors.ChainTimedOut("late"),
        (504, "server_error", None),
        (504, "timeout_error"),
        (504, "provider_timeout"),
    ),
    "else": Row(errors.ChainFailed("failed"), (502, "server_error", None), (502, "api_error"), (502, "provider_error")),
    "store gone": Row(
        errors.StoreUnavailable("no store"), (503, "server_error", None), (529, "overloaded_error"), (503, None)
    ),
    "shedding": Row(
        errors.Overloaded("busy", retry_after=1.5),
        (503, "server_error", None),
        (529, "overloaded_error"),
        (503, "overloaded"),
    ),
    "draining": Row(
        errors.Draining("leaving", retry_after=1.0),
        (503, "server_error", None),
        (529, "overloaded_error"),
        (503, None),
    ),
    "our fault": Row(errors.InternalError("bug"), (500, "server_error", None), (500, "api_error"), (500, "internal")),
}
OPENAI = ("responses", "chat", "completions", "embeddings")


def body_of(vocabulary: str, error: ProxyError) -> dict[str, Any]:
    return DOWNSTREAM[vocabulary].error_body(error, "req_ours")


@pytest.mark.parametrize("vocabulary", OPENAI)
@pytest.mark.parametrize("row", ROWS)
def test_openai_cells(row: str, vocabulary: str):
    error, (status, kind, code) = ROWS[row].error, ROWS[row].openai
    body = body_of(vocabulary, error)["error"]
    assert DOWNSTREAM[vocabulary].error_status(error) == status
    assert kind in (None, body["type"])
    assert code in (None, body["code"])
    assert body["param"] == error.param
    assert body["message"] == error.message


@pytest.mark.parametrize("row", ROWS)
def test_messages_cells(row: str):
    error, (status, kind) = ROWS[row].error, ROWS[row].messages
    body = body_of("messages", error)
    assert DOWNSTREAM["messages"].error_status(error) == status
    assert kind in (None, body["error"]["type"])
    assert body["type"] == "error"
    assert body["request_id"] == "req_ours"


@pytest.mark.parametrize("row", ROWS)
def test_domain_cells(row: str):
    error, (status, code) = ROWS[row].error, ROWS[row].domain
    body = body_of("domain", error)
    assert DOWNSTREAM["domain"].error_status(error) == status == body["status"]
    assert code in (None, body["code"])
    assert DOWNSTREAM["domain"].error_content_type == "application/problem+json"


def test_anthropics_clients_recognise_an_overflow():
    message = body_of("messages", ROWS["prompt too long"].error)["error"]["message"]
    assert message == "prompt is too long: 9001 tokens > 8192 maximum"


def test_the_domain_has_two_words_for_an_overflow():
    assert body_of("domain", ROWS["prompt too long"].error)["code"] in ("input_too_long", "context_budget_exceeded")


@pytest.mark.parametrize("row", ["day quota", "minute limit"])
def test_the_domain_names_the_scope(row: str):
    error = ROWS[row].error
    assert isinstance(error, errors.QuotaExceeded)
    assert body_of("domain", error)["quota_scope"] == error.scope


def every_class(base: type[ProxyError] = ProxyError) -> list[type[ProxyError]]:
    return [base, *(each for child in base.__subclasses__() for each in every_class(child))]


def made(kind: type[ProxyError]) -> ProxyError:
    if issubclass(kind, errors.UpstreamFault):
        return kind(Cause.SERVER_ERROR, "it failed")
    if issubclass(kind, errors.QuotaExceeded):
        return kind("too much", scope="tokens")
    if issubclass(kind, errors.MethodNotAllowed):
        return kind("not so", allowed="GET")
    return kind("it failed")


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages", "domain"])
@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_class_has_a_body_on_every_wire(kind: type[ProxyError], vocabulary: str):
    error = made(kind)
    assert not lint_error(body_of(vocabulary, error), vocabulary)
    status = DOWNSTREAM[vocabulary].error_status(error)
    assert 400 <= status < 600
    if isinstance(error, errors.RequestFault):
        assert status < 500


@pytest.mark.parametrize("vocabulary", corpus.DOWNSTREAM)
@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_every_class_can_end_a_stream(kind: type[ProxyError], vocabulary: str):
    encoder = corpus.encoder(vocabulary)
    stream = encoder.fail(made(kind))
    verdict = lint(stream, vocabulary)
    assert verdict.ok, str(verdict)
    assert verdict.terminal == ("response.failed" if vocabulary == "responses" else "error")
    assert encoder.fail(made(kind)) == b""
    assert encoder.ping() == b"" or encoder.ping().startswith(b":")


@pytest.mark.parametrize("limited", [errors.StreamRateLimited, errors.AllRateLimited])
def test_a_failed_response_knows_two_codes(limited: type[ProxyError]):
    for kind, code in ((limited, "rate_limit_exceeded"), (errors.StreamTimedOut, "server_error")):
        last = facts.payloads(corpus.encoder("responses").fail(made(kind)))[-1]
        assert last["type"] == "response.failed"
        assert last["response"]["error"]["code"] == code


def test_a_refusal_keeps_its_status_code_and_param():
    refused = errors.Refused("Unknown parameter: 'demo'.", status=422, code="unknown_parameter", param="demo")
    for vocabulary in ("responses", "chat"):
        assert DOWNSTREAM[vocabulary].error_status(refused) == 422
        assert body_of(vocabulary, refused)["error"] == {
            "message": "Unknown parameter: 'demo'.",
            "type": _REQUEST,
            "param": "demo",
            "code": "unknown_parameter",
        }
    assert body_of("messages", refused)["error"]["type"] == _REQUEST
