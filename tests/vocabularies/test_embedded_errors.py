"""Errors where an answer should be, under HTTP 200: on every wire, in every wrapping, what they are taken for."""

import json
from typing import Any

import pytest

from proxy.canonical.events import Failed, FaultKind
from proxy.errors import Cause
from proxy.routing.failures import of_failed
from tests.vocabularies import corpus

VOCABULARIES = list(corpus.UPSTREAM)
EACH = pytest.mark.parametrize("name", VOCABULARIES)
# What each wire sends before it has anything to say.
OPENINGS = {
    "responses": [
        ("response.created", {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}),
        ("response.in_progress", {"type": "response.in_progress", "response": {"id": "resp_1"}}),
    ],
    "chat": [
        (
            "",
            {
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
            },
        )
    ],
    "messages": [
        ("message_start", {"type": "message_start", "message": {"role": "assistant", "content": [], "usage": {}}}),
        ("ping", {"type": "ping"}),
    ],
}


def frame(payload: Any, event: str = "") -> bytes:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return (b"event: %b\n" % event.encode() if event else b"") + b"data: %b\n\n" % data


def opening(name: str) -> bytes:
    return b"".join(frame(payload, event) for event, payload in OPENINGS[name])


def ending(name: str, *chunks: bytes) -> Failed:
    last = corpus.events(name, *chunks)[-1]
    assert isinstance(last, Failed)
    return last


# A name, the bytes, and what they are taken for.
IN_FRAMES = {
    "an error object with a status": (frame({"error": {"message": "Slow down.", "code": 429}}), Cause.RATE_LIMITED),
    "an error object with a code": (frame({"error": {"message": "No.", "code": "insufficient_quota"}}), Cause.BILLING),
    "named error": (frame({"error": {"message": "No.", "type": "overloaded_error"}}, "error"), Cause.SERVER_ERROR),
    "with a type": (
        frame({"type": "error", "error": {"message": "No.", "type": "overloaded_error"}}, "error"),
        Cause.SERVER_ERROR,
    ),
    "a text": (frame({"error": "Something broke."}), Cause.EMBEDDED_ERROR),
    "a text with a type": (frame({"error": "Model is overloaded", "error_type": "overloaded"}), Cause.RATE_LIMITED),
    "a list": (frame({"errors": [{"message": "No.", "code": 503}], "success": False}), Cause.SERVER_ERROR),
    "detail": (frame({"detail": "Something broke."}), Cause.EMBEDDED_ERROR),
    "validation errors": (frame({"detail": [{"loc": ["body", "n"], "msg": "wrong"}]}), Cause.EMBEDDED_ERROR),
    "a message with a status": (frame({"message": "No.", "code": 503, "data": None}), Cause.SERVER_ERROR),
    "an object called error": (frame({"object": "error", "message": "No.", "code": 400}), Cause.CALLERS_FAULT),
    "no JSON": (frame(b"Internal Server Error", "error"), Cause.EMBEDDED_ERROR),
    "a field called error": (b'error: {"code":503,"message":"Loading model","type":"x"}\n\n', Cause.SERVER_ERROR),
    "an overflow": (
        frame({"error": {"message": "prompt is too long: 213462 tokens > 200000 maximum"}}),
        Cause.CONTEXT_OVERFLOW,
    ),
}


@EACH
@pytest.mark.parametrize("form", IN_FRAMES)
@pytest.mark.parametrize("is_opened", [False, True], ids=["at once", "after the opening"])
def test_r13_an_error_in_a_frame_is_taken_for_what_it_is(name: str, form: str, is_opened: bool):
    content, cause = IN_FRAMES[form]
    last = ending(name, (opening(name) if is_opened else b"") + content)
    assert last.kind is FaultKind.REPORTED
    assert of_failed(last).cause is cause


@EACH
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_f12_json_in_place_of_a_stream(name: str, indent: int | None, end: bytes):
    body = json.dumps({"error": {"message": "Slow down.", "code": 429}}, indent=indent).encode() + end
    assert of_failed(ending(name, body)).cause is Cause.RATE_LIMITED


@EACH
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b": OPENROUTER PROCESSING\n\n" * 3,
        b"event: ping\n\n: nothing\n\n",
        b"data: [DONE]\n\n",
        b"retry: 10\n\nid: 7\n\n",
    ],
    ids=["nothing", "comments", "no data", "only its end", "other fields"],
)
def test_a_stream_that_says_nothing_is_empty(name: str, content: bytes):
    fault = of_failed(ending(name, content))
    assert (fault.cause, fault.detail) == (Cause.EMPTY, "empty_response")


def test_a_stream_of_pings_is_empty():
    assert ending("messages", frame({"type": "ping"}, "ping") * 3).kind is FaultKind.EMPTY


@EACH
def test_an_opening_without_an_answer_is_cut(name: str):
    assert ending(name, opening(name)).kind is FaultKind.TRUNCATED


WHOLE = {
    "an error object": ({"error": {"message": "No.", "code": 503}}, Cause.SERVER_ERROR),
    "a text": ({"error": "Something broke."}, Cause.EMBEDDED_ERROR),
    "a text with a type": ({"error": "Model is overloaded", "error_type": "overloaded"}, Cause.RATE_LIMITED),
    "with a type": ({"type": "error", "error": {"type": "rate_limit_error", "message": "No."}}, Cause.RATE_LIMITED),
    "an object called error": ({"object": "error", "message": "No.", "code": 404}, Cause.MODEL_UNAVAILABLE),
    "detail": ({"detail": "Something broke."}, Cause.EMBEDDED_ERROR),
    "a list": ({"errors": [{"message": "No.", "code": 7003}], "success": False}, Cause.EMBEDDED_ERROR),
    "nothing of the wire": ({"html-message": "Network connection lost."}, Cause.MALFORMED),
    "an empty object": ({}, Cause.MALFORMED),
    "a status": ({"status": "ok"}, Cause.MALFORMED),
}


@EACH
@pytest.mark.parametrize("form", WHOLE)
def test_f12_a_whole_answer_must_have_its_wires_shape(name: str, form: str):
    body, cause = WHOLE[form]
    last = corpus.UPSTREAM[name].read_document(body, corpus.peer())[-1]
    assert isinstance(last, Failed)
    assert of_failed(last).cause is cause


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        # An empty list of choices beside the error.
        (frame({"choices": [], "error": {"code": 429, "message": "No."}}), Cause.RATE_LIMITED),
        (frame({"choices": [], "usage": {"prompt_tokens": 1}, "error": {"message": "No."}}), Cause.EMBEDDED_ERROR),
        # OpenRouterTeam/docs, api_reference/errors-and-debugging.mdx: in the chunk, and in the choice.
        (
            frame(
                {
                    "object": "chat.completion.chunk",
                    "error": {"code": 502, "message": "No.", "metadata": {"error_type": "provider_unavailable"}},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
            Cause.SERVER_ERROR,
        ),
        (
            frame(
                {
                    "choices": [
                        {"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "No."}}
                    ]
                }
            ),
            Cause.RATE_LIMITED,
        ),
        (frame({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}), Cause.EMBEDDED_ERROR),
        # No choices at all, and then the end.
        (frame({"choices": []}) + b"data: [DONE]\n\n", Cause.EMPTY),
    ],
)
def test_r12_r13_choices_do_not_hide_an_error(content: bytes, cause: Cause):
    assert of_failed(ending("chat", content)).cause is cause


def test_f21_overloaded_as_the_first_event():
    content = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    assert of_failed(ending("messages", content)).cause is Cause.SERVER_ERROR
    assert of_failed(ending("messages", opening("messages") + content)).cause is Cause.SERVER_ERROR


@pytest.mark.parametrize(
    ("payload", "cause"),
    [
        ({"type": "error", "code": "insufficient_quota", "message": "No.", "param": None}, Cause.BILLING),
        ({"type": "error", "error": {"code": "insufficient_quota", "message": "No."}}, Cause.BILLING),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "insufficient_quota", "message": "No."}},
            },
            Cause.BILLING,
        ),
        ({"type": "response.error", "error": {"code": "rate_limit_exceeded", "message": "No."}}, Cause.RATE_LIMITED),
        (
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"code": "invalid_image", "message": "No."}},
            },
            Cause.CALLERS_FAULT,
        ),
        (
            {
                "type": "response.failed",
                "response": {
                    "status": "failed",
                    "error": {"code": "server_error", "message": "Invalid credentials"},
                    "error_type": "authentication",
                },
            },
            Cause.CREDENTIAL_REJECTED,
        ),
        ({"type": "response.failed", "response": {"status": "failed", "error": None}}, Cause.EMBEDDED_ERROR),
    ],
)
def test_f03_created_and_then_an_error(payload: dict[str, Any], cause: Cause):
    last = ending("responses", opening("responses") + frame(payload, payload["type"]))
    assert of_failed(last).cause is cause


@EACH
def test_the_wait_of_an_embedded_rate_limit_is_read(name: str):
    said = {"code": 429, "message": "Rate limit reached. Please try again in 1.2s."}
    assert of_failed(ending(name, frame({"error": said}))).retry_after == 1.2
    told = said | {"details": [{"retryDelay": "17s"}]}
    assert of_failed(ending(name, frame({"error": told}))).retry_after == 17.0
