"""What went wrong in other gateways and is told by its number there: each story with real sockets, on every wire it
concerns, streamed or whole."""

import base64
import json
import os
from typing import Any

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, breaker, error, notices, speaks, text
from tests.vocabularies import facts

WIRES = ("responses", "chat", "messages")
EACH = pytest.mark.parametrize("vocabulary", WIRES)
STREAMED = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
HASTE = {"headers_seconds": 0.25, "first_token_seconds": 0.25}


def chain(open_stage: OpenStage, wire: str, first: str = "first", **settings: Any) -> Stage:
    """A route whose first candidate is about to fail; each is asked once."""
    candidates = [
        {"provider": wire, "model": first, "breaker": {"consecutive_failures": 1}, "timeouts": HASTE},
        (wire, "second"),
    ]
    route = {"candidates": candidates, "retries": {"same_target": 0}, "timeouts": {"total_seconds": 1.5}, **settings}
    return open_stage(routes={Stage.model: route})


def script(stage: Stage, status: int, headers: dict[str, str], *writes: str) -> None:
    stage.upstream.script("first", [{"status": status, "headers": headers}, *({"write": each} for each in writes)])


def served(stage: Stage, vocabulary: str, stream: bool) -> tuple[str, str | None]:
    """Reason and detail of the hop, once the client has read the second candidate's whole answer."""
    answer = ask(stage, vocabulary, stream)
    assert answer.status == 200
    if stream:
        assert text(vocabulary, answer) == TEXT
        [hop] = notices(answer)
        return hop["reason"], hop.get("detail")
    assert facts.of_document(vocabulary, answer.json).spoken == TEXT
    failed, _ = answer.json["segue"]["attempts"]
    return failed["reason"], failed.get("detail")


CREATED = (
    'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1","status":"in_progress"}}\n\n'
)
QUOTA = (
    'event: error\ndata: {"type":"error","code":"insufficient_quota","message":"You exceeded your current quota.",'
    '"param":null,"sequence_number":1}\n\n'
)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_f03_a_quota_error_after_response_created_is_a_failed_attempt(open_stage: OpenStage, vocabulary: str):
    stage = chain(open_stage, "responses")
    script(stage, 200, SSE, CREATED, QUOTA)
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert [(hop["reason"], hop.get("detail")) for hop in notices(answer)] == [("auth_error", "billing")]
    assert b"insufficient_quota" not in answer.content
    assert breaker(stage, "responses/first") == "closed"


FAULTS = [
    ("reset", "network_error"),
    ("hang", "network_error"),
    ("hang-body", "network_error"),
    ("429", "rate_limit"),
    ("401", "auth_error"),
    ("503", "server_error"),
    ("529", "server_error"),
    ("error-200", "server_error"),
    ("html-200", "server_error"),
    ("html-502", "server_error"),
    ("shapeless-200", "model_error"),
    ("content-filter", "model_error"),
]


@EACH
@STREAMED
@pytest.mark.parametrize(("modifier", "reason"), FAULTS)
def test_f04_no_wire_and_no_form_is_left_out(
    open_stage: OpenStage, vocabulary: str, stream: bool, modifier: str, reason: str
):
    stage = chain(open_stage, vocabulary, f"first+{modifier}", on_content_filter="next")
    assert served(stage, vocabulary, stream)[0] == reason
    assert stage.asked == [f"first+{modifier}", "second"]


BODIES = {
    "another's page as JSON": (200, JSON, '{"html-message":"Network connection lost."}', "model_error"),
    "an error as JSON": (200, JSON, '{"error":{"message":"Slow down.","code":429}}', "rate_limit"),
    "an error as a text": (200, JSON, '{"error":"Something broke."}', "model_error"),
    "detail": (200, JSON, '{"detail":"Something broke."}', "model_error"),
    "no JSON": (200, JSON, "it works!", "model_error"),
    "JSON under the headers of a stream": (200, SSE, '{"error":{"message":"No.","code":503}}', "server_error"),
    "a page under the headers of JSON": (502, JSON, "<html>502 Bad Gateway</html>", "server_error"),
    "a list of errors": (429, JSON, '[{"error":{"code":429,"message":"Resource exhausted."}}]', "rate_limit"),
    "a text": (422, {"content-type": "text/plain"}, "Failed to deserialize the JSON body", "model_error"),
}


@EACH
@STREAMED
@pytest.mark.parametrize("form", BODIES)
def test_f12_f14_what_is_no_answer_is_never_returned_as_one(
    open_stage: OpenStage, vocabulary: str, stream: bool, form: str
):
    status, headers, body, reason = BODIES[form]
    stage = chain(open_stage, vocabulary)
    script(stage, status, headers, body)
    assert served(stage, vocabulary, stream)[0] == reason


OVERLOADED = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_f21_overloaded_as_the_first_event_goes_to_the_next(open_stage: OpenStage, vocabulary: str):
    stage = chain(open_stage, "messages")
    script(stage, 200, SSE, OVERLOADED)
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert [hop["reason"] for hop in notices(answer)] == ["server_error"]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_r13_an_error_beside_an_empty_list_of_choices_goes_to_the_next(open_stage: OpenStage, vocabulary: str):
    stage = chain(open_stage, "chat")
    script(stage, 200, SSE, 'data: {"id":"c","choices":[],"error":{"code":429,"message":"Slow down."}}\n\n')
    answer = ask(stage, vocabulary)
    assert text(vocabulary, answer) == TEXT
    assert [hop["reason"] for hop in notices(answer)] == ["rate_limit"]


@EACH
@STREAMED
def test_f19_an_empty_answer_is_an_answer_unless_the_route_says_retry(
    open_stage: OpenStage, vocabulary: str, stream: bool
):
    pairs = [(vocabulary, "first+empty-answer"), (vocabulary, "second")]
    retrying = {"candidates": pairs, "retries": {"same_target": 0}, "on_empty_answer": "retry"}
    stage = open_stage(routes={"accepting": pairs, Stage.model: retrying})
    assert ask(stage, vocabulary, stream, model="accepting").status == 200
    assert stage.asked == ["first+empty-answer"]
    assert served(stage, vocabulary, stream) == ("model_error", "empty_response")
    assert breaker(stage, f"{vocabulary}/first+empty-answer") == "closed"


LIMITS = {
    "header": ({"retry-after": "120"}, "Slow down."),
    "milliseconds": ({"retry-after-ms": "120000"}, "Slow down."),
    "window": ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m0s"}, "Slow down."),
    "words": ({}, "Rate limit reached. Please try again in 2m0s."),
}


@EACH
@pytest.mark.parametrize("told", LIMITS)
def test_c02_the_providers_wait_reaches_the_client(open_stage: OpenStage, vocabulary: str, told: str):
    headers, message = LIMITS[told]
    stage = open_stage((vocabulary, "first"))
    script(stage, 429, JSON | headers, json.dumps({"error": {"message": message, "code": 429}}))
    first = ask(stage, vocabulary)
    assert first.status == 429
    assert (first.headers["retry-after"], first.headers["retry-after-ms"]) == ("120", "120000")
    cooling = ask(stage, vocabulary)
    assert cooling.status == 429
    assert 110 <= int(cooling.headers["retry-after"]) <= 120
    assert stage.asked == ["first"]


@EACH
def test_c03_the_wait_is_the_newest_answers(open_stage: OpenStage, vocabulary: str):
    """The second candidate's wait, shorter than the first one's, is what the client is told."""
    stage = open_stage((vocabulary, "a+429-retry-after-90"), (vocabulary, "b+429-retry-after-30"))
    answer = ask(stage, vocabulary)
    assert answer.headers["retry-after"] == "30"


@EACH
def test_c05_unknown_models_and_late_streams_are_statuses_and_single_lines(
    open_stage: OpenStage, vocabulary: str, capfd: pytest.CaptureFixture[str]
):
    stage = chain(open_stage, vocabulary, "first+hang")
    stage.metrics()
    capfd.readouterr()
    for number in range(20):
        unknown = ask(stage, vocabulary, model=f"no-such-model-{number}")
        assert unknown.status == 404
        assert f"no-such-model-{number}" in error(vocabulary, unknown)[1]
    late = ask(stage, vocabulary, headers={"segue-fallbacks": "off"})
    assert late.status == 504
    stage.settle()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) == 21
    assert {line["level"] for line in requests} == {"info"}
    assert not [line for line in lines if "traceback" in json.dumps(line).lower()]


IMAGE = base64.b64encode(os.urandom(6 * 1024 * 1024)).decode()
PICTURES: dict[str, Any] = {
    "chat": {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}]}
        ]
    },
    "responses": {
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}", "detail": "auto"}],
            }
        ]
    },
    "messages": {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}],
            }
        ]
    },
}


@EACH
@pytest.mark.parametrize("upstream", WIRES)
def test_p02_pictures_go_through_without_being_decoded(
    open_stage: OpenStage, vocabulary: str, upstream: str, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any, **__: Any) -> bytes:
        raise AssertionError("somebody decodes a picture")

    stage = open_stage((upstream, "second"))
    monkeypatch.setattr(base64, "b64decode", refuse)
    monkeypatch.setattr(base64, "decodebytes", refuse)
    answer = ask(stage, vocabulary, **PICTURES[vocabulary])
    assert answer.status == 200
    [sent] = stage.requests
    assert IMAGE in sent.raw.decode()
    assert speaks(vocabulary) == vocabulary
