"""Errors in every wrapping in which providers put them; each sample names who sends it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.events import Failed, FaultKind
from proxy.wire.codec import UpstreamError
from proxy.wire.reported import failed, is_error, read_error_object, read_refusal

LISTED = [{"error": {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        # The form of the official APIs.
        (
            {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}},
            UpstreamError("m", "c", "t", "p"),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            UpstreamError("Overloaded", type="overloaded_error"),
        ),
        ({"type": "error", "code": "server_error", "message": "m"}, UpstreamError("m", "server_error")),
        # A status for a code: OpenRouterTeam/docs, api_reference/errors-and-debugging.mdx.
        ({"error": {"message": "m", "code": 429}}, UpstreamError("m", "429", status=429)),
        ({"error": {"message": "m", "code": "502"}}, UpstreamError("m", "502", status=502)),
        ({"error": {"message": "m", "code": 40303}}, UpstreamError("m", "40303")),
        ({"error": {"message": "m", "code": 200}}, UpstreamError("m", "200")),
        (
            {"error": {"code": 502, "message": "m", "metadata": {"error_type": "provider_unavailable"}}},
            UpstreamError("m", "502", "provider_unavailable", status=502),
        ),
        (
            {"type": "error", "error": {"type": "api_error", "message": "m", "error_type": "provider_overloaded"}},
            UpstreamError("m", type="provider_overloaded"),
        ),
        (
            {"error": {"code": "server_error", "message": "m"}, "error_type": "authentication"},
            UpstreamError("m", "server_error", "authentication"),
        ),
        # OpenRouterTeam/docs, api_reference/limits.mdx.
        (
            {"error": {"code": 402, "message": "m", "metadata": {"limit_source": "openrouter_in_flight_budget"}}},
            UpstreamError("m", "openrouter_in_flight_budget", status=402),
        ),
        # huggingface/text-generation-inference, router/src/server.rs.
        (
            {"error": "Model is overloaded", "error_type": "overloaded"},
            UpstreamError("Model is overloaded", type="overloaded"),
        ),
        (
            {"error": {"message": "m", "http_status_code": 422}},
            UpstreamError("m", status=422),
        ),
        # vLLM's older form, and llama.cpp's (`format_error_response` of its server).
        ({"object": "error", "message": "m", "type": "t", "code": 40}, UpstreamError("m", "40", "t")),
        (
            {"code": 400, "message": "m", "type": "exceed_context_size_error"},
            UpstreamError("m", "400", "exceed_context_size_error", status=400),
        ),
        # Gemini: a status of words beside the code, and how long to wait (google.rpc, error_details.proto).
        (LISTED[0], UpstreamError("Resource has been exhausted.", "429", "RESOURCE_EXHAUSTED", status=429)),
        (
            {"error": {"code": 429, "message": "m", "details": [{"@type": "a"}, {"@type": "b", "retryDelay": "17s"}]}},
            UpstreamError("m", "429", status=429, wait="17s"),
        ),
        # xAI: a sentence for a code (router-for-me/CLIProxyAPI issue 4282 has `error` as a text, too).
        (
            {"code": "The caller does not have permission.", "error": "Incorrect API key provided."},
            UpstreamError("Incorrect API key provided."),
        ),
        (
            {"statusCode": 401, "error": "Unauthorized", "message": "no key"},
            UpstreamError("Unauthorized: no key", status=401),
        ),
        ({"statusCode": 401, "message": "Unauthorized."}, UpstreamError("Unauthorized.", status=401)),
        # Cohere: continuedev/continue issue 3881.
        ({"message": "invalid request: m"}, UpstreamError("invalid request: m")),
        ({"id": "7f0f", "message": "m"}, UpstreamError("m")),
        # Cloudflare: anomalyco/opencode issue 23773.
        (
            {"result": None, "success": False, "errors": [{"code": 7003, "message": "m"}], "messages": []},
            UpstreamError("m", "7003"),
        ),
        ({"error": [{"message": "m"}]}, UpstreamError("m")),
        # FastAPI.
        ({"detail": "not found"}, UpstreamError("not found")),
        ({"detail": {"message": "m", "code": "c"}}, UpstreamError("m", "c")),
        ({"detail": {"error": {"message": "m"}}}, UpstreamError("m")),
        (
            {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]},
            UpstreamError("Field required", param="body.messages"),
        ),
        ({"detail": [{"loc": [None]}]}, UpstreamError("invalid request", param="")),
        ({"message": "m", "type": "error"}, UpstreamError("m")),
        # No error.
        ({"message": {"a": 1}}, UpstreamError()),
        ({"error": {}}, UpstreamError()),
        ({"error": []}, UpstreamError()),
        ({"error": False}, UpstreamError()),
        ({"errors": []}, UpstreamError()),
        ({"error": None, "id": "x"}, UpstreamError()),
        ({"error": {"message": None, "code": None, "type": 3, "param": []}}, UpstreamError()),
        ({"object": "response", "error": None, "output": []}, UpstreamError()),
        ({"choices": []}, UpstreamError()),
        ({"type": "message", "content": []}, UpstreamError()),
        ({}, UpstreamError()),
    ],
)
def test_a_providers_error_is_read(body: dict[str, Any], expected: UpstreamError):
    assert read_error_object(body) == expected
    assert bool(read_error_object(body)) is bool(expected.message or expected.code or expected.type)


@pytest.mark.parametrize("odd", [{"a": 1}, ["b"], True], ids=str)
def test_what_is_no_word_is_not_repeated(odd: object):
    """Neither as JSON nor as Python would write it."""
    assert read_error_object({"error": {"message": "m", "code": odd, "param": odd}}) == UpstreamError("m")
    assert not read_error_object({"error": {"message": odd, "code": None}})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "errors", "detail", "message", "code", "type", "metadata", "details", "loc", "status"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_whatever_the_body_it_is_read_or_left(body: Any):
    refusal = read_refusal(json.dumps(body).encode(), read_error_object)
    assert refusal is None or isinstance(refusal.message, str)
    if isinstance(body, dict):
        is_error(body)
        assert failed(read_error_object(body)).message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error": {"message": "m"}}', UpstreamError("m")),
        # Gemini's errors are a list with one in it: n4ze3m/page-assist issue 406.
        (json.dumps(LISTED, indent=2).encode(), read_error_object(LISTED[0])),
        (b'"Unauthorized"', UpstreamError("Unauthorized", is_formal=False)),
        (b"Internal Server Error", UpstreamError("Internal Server Error", is_formal=False)),
        (b"\xef\xbb\xbf  no healthy upstream\n", UpstreamError("no healthy upstream", is_formal=False)),
        (b"\xff\xfe", UpstreamError("\ufffd\ufffd", is_formal=False)),
        (b"", UpstreamError(is_formal=False)),
        (b"[]", UpstreamError(is_formal=False)),
        (b"[[1]]", UpstreamError(is_formal=False)),
        (b"null", UpstreamError(is_formal=False)),
        (b"7", UpstreamError(is_formal=False)),
        (b'{"error":', UpstreamError('{"error":', is_formal=False)),
        (b"<html><body>502 Bad Gateway</body></html>", None),
        (b"\n <!doctype html><title>403</title>", None),
    ],
)
def test_f14_bodies_of_refusals(body: bytes, expected: UpstreamError | None):
    assert read_refusal(body, read_error_object) == expected


def test_a_body_nested_too_deeply_is_a_text():
    found = read_refusal(b"[" * 100_000, read_error_object)
    assert found is not None
    assert not found.is_formal


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "error", "message": "m"}, True),
        ({"object": "error", "message": "m"}, True),
        ({"detail": "Rate limited"}, True),
        ({"detail": [{"msg": "m"}]}, True),
        ({"message": "Rate limited"}, True),
        ({"message": "m", "code": 503, "request": "r"}, True),
        ({"errors": [{"message": "m"}], "success": False}, True),
        ({"message": "success", "code": 0, "data": []}, False),
        ({"message": "queued", "status": "in_progress"}, False),
        ({"type": "keepalive", "note": 1}, False),
        ({"errors": [], "success": True}, False),
        ({"status": "ok"}, False),
        ({"choices": []}, False),
        ({}, False),
    ],
)
def test_errors_without_a_wrapping(body: dict[str, Any], expected: bool):
    assert is_error(body) is expected


def test_an_error_inside_a_200_keeps_what_it_says():
    said = UpstreamError("m", "c", "t", "p", 503, "2s")
    assert failed(said) == Failed(FaultKind.REPORTED, "m", "c", "t", 503, "p", "2s")
    assert failed(UpstreamError()).message == "the provider reported an error"
