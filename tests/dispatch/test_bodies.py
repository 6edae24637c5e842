"""What the body of an answer does to its attempt: refusals in every form, JSON in place of a stream, answers without a
word (F19)."""

import json
from typing import Any

import pytest

from proxy import errors
from proxy.canonical.events import Finished
from proxy.canonical.request import Request
from proxy.routing.settings import Retries
from tests.dispatch.toy import HELLO, Answer, Stage, refusal, sse

JSON = "application/json"
SILENT = Answer(sse("role", "stop"))
SILENT_WHOLE = Answer(b'{"says":["stop"]}', content_type=JSON)
SPOKEN_WHOLE = Answer(b'{"says":["text:hello","stop"]}', content_type=JSON)
BARE = Retries(again=0)


async def told(answer: Answer) -> tuple[str, str | None]:
    """Reason and detail of the failure before the second candidate answers."""
    stage = Stage({"a": answer, "b": HELLO}, retries=BARE)
    (await stage.first()).close()
    [hop] = stage.account.hops
    return hop.reason, hop.detail


@pytest.mark.parametrize(
    ("status", "content_type", "body", "reason", "detail"),
    [
        # Errors of Gemini come in a list.
        (400, JSON, [{"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}], "context_overflow", None),
        (429, JSON, [{"error": {"message": "Resource exhausted."}}], "rate_limit", None),
        # Servers made with axum refuse what they cannot read in plain text.
        (422, "text/plain", b"Failed to deserialize the JSON body into the target type", "model_error", "unsupported"),
        (400, "text/plain", b"Bad Request", "model_error", "unsupported"),
        (400, "text/plain", b"", "model_error", "unsupported"),
        (503, "text/plain", b"no healthy upstream", "server_error", None),
        (401, "text/plain", b"Unauthorized", "auth_error", None),
        (400, "text/plain", b"This model does not support tools", "model_error", "unsupported"),
        (400, "text/html", b"<html>400</html>", "server_error", None),
        (502, JSON, b"<html>502</html>", "server_error", None),
        (413, "text/html", b"<html>413 Request Entity Too Large</html>", "model_error", "too_large"),
        (400, JSON, b"{}", "model_error", "malformed"),
    ],
)
async def test_f14_a_refusal_in_any_form_is_taken_for_what_it_is(
    status: int, content_type: str, body: Any, reason: str, detail: str | None
):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert await told(Answer(content, status=status, content_type=content_type)) == (reason, detail)


@pytest.mark.parametrize(
    "content_type", [JSON, "application/problem+json", "text/json; charset=utf-8", "text/event-stream"]
)
async def test_f12_json_in_place_of_a_stream_is_read(content_type: str):
    broken = Answer(b'{"error":{"message":"It broke."}}', content_type=content_type)
    assert (await told(broken))[0] == "model_error"


async def test_c06_a_text_the_caller_may_have_caused_opens_no_breaker():
    stage = Stage({"a": Answer(b"Failed to deserialize", status=422, content_type="text/plain")}, retries=BARE)
    with pytest.raises(errors.ChainFailed):
        await stage.first()
    assert stage.is_neutral("a")


@pytest.mark.parametrize(
    ("silent", "is_streamed"),
    [(SILENT, True), (SILENT_WHOLE, True), (SILENT_WHOLE, False)],
    ids=["streamed", "whole for a stream", "whole"],
)
async def test_f19_an_empty_answer_is_an_answer_by_default(silent: Answer, is_streamed: bool):
    stage = Stage({"a": silent, "b": HELLO})
    stage.request = Request("toy", "m", {"model": "m"}, stream=is_streamed)
    served = await stage.first()
    assert stage.transport.models == ["a"]
    events = served.attempt.document.events if served.attempt.document else served.attempt.held[-1].events
    assert isinstance(events[-1], Finished)
    served.close()


@pytest.mark.parametrize(
    ("silent", "spoken", "is_streamed"),
    [(SILENT, HELLO, True), (SILENT_WHOLE, HELLO, True), (SILENT_WHOLE, SPOKEN_WHOLE, False)],
    ids=["streamed", "whole for a stream", "whole"],
)
@pytest.mark.parametrize(("again", "asked"), [(0, ["a", "b"]), (1, ["a", "a", "b"])])
async def test_f19_a_route_may_ask_on_for_words(
    silent: Answer, spoken: Answer, is_streamed: bool, again: int, asked: list[str]
):
    retries = Retries(again=again, first_wait=0.0)
    stage = Stage({"a": silent, "b": spoken}, accepts_empty_answer=False, retries=retries)
    stage.request = Request("toy", "m", {"model": "m"}, stream=is_streamed)
    served = await stage.first()
    assert stage.transport.models == asked
    assert stage.hops == [("a", "b", "model_error", "empty_response")]
    assert stage.is_neutral("a"), "a model that has nothing to say is not ill"
    served.close()


@pytest.mark.parametrize("answer", ["call:call_1:weather", "reasoning:hm", "refusal:no", "hosted"])
async def test_f19_a_call_or_a_thought_is_a_word(answer: str):
    stage = Stage({"a": Answer(sse("role", answer, "stop")), "b": HELLO}, accepts_empty_answer=False)
    (await stage.first()).close()
    assert stage.transport.models == ["a"]


async def test_f19_silence_everywhere_is_a_failure_then():
    stage = Stage({"a": SILENT, "b": SILENT}, accepts_empty_answer=False, retries=BARE)
    with pytest.raises(errors.ChainFailed):
        await stage.first()
    assert stage.transport.models == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        refusal(429, "Rate limit reached. Please try again in 9s."),
        refusal(429, x_ratelimit_reset_tokens="9s", x_ratelimit_remaining_tokens="0"),
        refusal(429, retry_after="9"),
        Answer(sse("error:rate_limit_exceeded")),
    ],
    ids=["words", "window", "header", "in a stream"],
)
async def test_c02_however_a_wait_is_told_the_target_is_left_alone_for_it(answer: Answer):
    stage = Stage({"a": answer, "b": HELLO}, retries=BARE)
    for _ in range(2):
        (await stage.first()).close()
    assert stage.transport.models == ["a", "b", "b"]
    assert stage.hops[1][2:] == ("rate_limit", "cooling_down")
