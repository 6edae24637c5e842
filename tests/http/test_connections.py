"""Connections: HTTP/1.0, reuse after errors, pipelines, 100-continue, headers nobody needs (contract §1, §5)."""

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import PATHS, SAID, TEXT


@pytest.fixture(scope="module")
def shared(open_shared: OpenStage) -> Stage:
    return open_shared(("chat", "first"), ("chat", "second"), server={"body_limit": 65536})


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.upstream.recorder.forget()
    return shared


def test_http_1_0_streams_end_with_the_connection(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=True), version="1.0"))
        reply = wire.reply()
    assert reply.status == 200
    assert "transfer-encoding" not in reply.headers
    assert reply.body.endswith(b"data: [DONE]\n\n")


def test_the_headers_of_a_stream(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=True), accept_encoding="gzip, br"))
        reply = wire.reply()
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/nothing"), ("OPTIONS", "/v1/responses")],
)
def test_nobody_learns_what_we_are_built_with(stage: Stage, method: str, path: str):
    for streaming in (True, False):
        with Wire(stage) as wire:
            wire.send(wire.request(method, path, content=question(stream=streaming) if method == "POST" else b""))
            assert wire.reply().headers["server"] == "segue"


def test_a_connection_survives_errors_and_streams(stage: Stage):
    requests = [
        ({"content": b"{"}, 400),
        ({"content": question(stream=True)}, 200),
        ({"method": "GET", "path": "/v1/nothing"}, 404),
        ({"content": question(), "authorization": "Bearer sg-wrong"}, 401),
        ({"content": question(model="unknown")}, 404),
        ({"method": "GET"}, 405),
        ({"content": question(), "content_encoding": "lzma"}, 415),
        ({"content": question()}, 200),
    ]
    with Wire(stage) as wire:
        for request, status in requests:
            wire.send(wire.request(**request))  # type: ignore[arg-type]
            assert wire.reply().status == status


def test_after_a_refused_body_the_next_request_is_understood(stage: Stage):
    """Either the connection ends, or what was left of the body is not taken for a request."""
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(said="x" * 200_000)))
        assert wire.reply().status == 413
        try:
            wire.send(wire.request(content=question()))
            left = wire.until(b"\r\n")
        except OSError:
            left = b""
        assert left in (b"", b"HTTP/1.1 200 OK\r\n")


def test_a_pipeline_is_answered_in_order(stage: Stage):
    with Wire(stage) as wire:
        wire.send(
            wire.request(content=question(said="one"))
            + wire.request("GET", "/v1/models")
            + wire.request(content=question(said="two", stream=True))
        )
        first, second, third = wire.reply(), wire.reply(), wire.reply()
    assert first.json["choices"][0]["message"]["content"] == "You said: one"
    assert second.json["object"] == "list"
    assert third.body.endswith(b"data: [DONE]\n\n")


def test_100_continue(stage: Stage):
    content = question()
    with Wire(stage) as wire:
        wire.send(wire.request(content_length=str(len(content)), expect="100-continue"))
        assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(content)
        assert wire.reply().json["choices"][0]["message"]["content"] == TEXT


def test_nobody_is_asked_to_continue_in_vain(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(content_length="100", expect="100-continue", authorization="Bearer sg-wrong"))
        assert wire.reply().status == 401


@pytest.mark.parametrize(
    "request_line", [b"POST /v1/responses HTTP/9.9", b"nonsense", b"GET\x00 / HTTP/1.1", b"POST  /v1 HTTP/1.1 more"]
)
def test_what_is_not_http_is_answered_4xx(stage: Stage, request_line: bytes):
    with Wire(stage) as wire:
        wire.send(request_line + b"\r\nhost: segue.test\r\n\r\n")
        answered = wire.until(b"\r\n")
    assert answered == b"" or answered.split()[1].startswith(b"4")


def test_huge_headers_are_4xx(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(), x_large="x" * 100_000))
        assert 400 <= wire.reply().status < 500
    with Wire(stage) as wire:
        wire.send(wire.request(path="/v1/models/" + "x" * 100_000, method="GET"))
        assert 400 <= wire.reply().status < 500
    assert stage.raw("POST", PATHS["chat"], question()).status == 200


def test_two_lengths_smuggle_nothing(stage: Stage):
    inner = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    with Wire(stage) as wire:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: segue.test\r\ncontent-length: 5\r\n"
        wire.send(head + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n" + inner)
        answered = wire.until(b"\r\n")
    assert answered == b"" or answered.split()[1] == b"400"
    assert stage.asked == []


def test_the_host_header_names_nothing(stage: Stage):
    for host in ("localhost/#@attacker.example", "", "x" * 300):
        answer = stage.raw("POST", PATHS["chat"], question(said=SAID), {"host": host})
        assert answer.status in (200, 400)


def test_retries_of_clients_are_counted(stage: Stage):
    for count in ("0", "1", "2"):
        stage.raw("POST", PATHS["chat"], question(), {"x-stainless-retry-count": count})
    assert stage.metric("segue_client_retries_total") == 2
