"""Clients that leave, and clients that do not read: the upstream is cancelled promptly, and nothing leaks.

The stage itself checks on closing that no task, connection or in-flight count is left behind.
"""

import json
import time
from typing import Any

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question, within
from tests.pipeline.asking import PATHS, TEXT, ask, body, text

PROMPTLY = 1.0


def cancelled(stage: Stage) -> bool:
    return bool(stage.requests) and stage.requests[-1].disconnected


def asked_for(vocabulary: str, stream: bool) -> bytes:
    return json.dumps(body(vocabulary, stream)).encode()


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_p08_a_client_that_leaves_before_the_first_byte(open_stage: OpenStage, vocabulary: str, stream: bool):
    stage = open_stage((vocabulary, "first+hang"), (vocabulary, "second"))
    wire = Wire(stage)
    wire.send(wire.request(path=PATHS[vocabulary], content=asked_for(vocabulary, stream)))
    assert within(2.0, lambda: len(stage.requests) == 1)
    wire.leave()
    assert within(PROMPTLY, lambda: cancelled(stage))
    stage.settle()
    assert stage.asked == ["first+hang"]
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
@pytest.mark.parametrize("upstream", ["responses", "chat"])
def test_p08_a_client_that_leaves_in_the_middle(open_stage: OpenStage, vocabulary: str, upstream: str):
    stage = open_stage((upstream, "first+long-1000+delay-10"))
    wire = Wire(stage)
    wire.send(wire.request(path=PATHS[vocabulary], content=asked_for(vocabulary, True)))
    assert b"word1 " in wire.until(b"word1 ")
    wire.leave()
    assert within(PROMPTLY, lambda: cancelled(stage))
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1
    assert stage.metric("segue_streams_truncated_total") == 0
    assert stage.metric("segue_breaker_state") == 0


def test_p08_a_client_that_leaves_a_stalled_stream(open_stage: OpenStage):
    stage = open_stage(("chat", "first+stall-2"))
    wire = Wire(stage)
    wire.send(wire.request(content=question(stream=True)))
    wire.until(b"You")
    wire.leave()
    assert within(PROMPTLY, lambda: cancelled(stage))


def test_a_client_that_leaves_in_the_middle_of_its_body(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    wire = Wire(stage)
    wire.send(wire.request(content=question())[:-10])
    assert within(2.0, lambda: stage.metric("segue_requests_in_flight") == 1)
    wire.leave()
    assert within(PROMPTLY, lambda: stage.metric("segue_requests_in_flight") == 0)
    assert stage.asked == []


def test_many_clients_that_leave_leave_nothing(open_stage: OpenStage):
    stage = open_stage(("chat", "first+hang"))
    wires = [Wire(stage) for _ in range(30)]
    for wire in wires:
        wire.send(wire.request(content=question(stream=True)))
    assert within(5.0, lambda: len(stage.requests) == 30)
    for wire in wires:
        wire.leave()
    assert within(2 * PROMPTLY, lambda: stage.metric("segue_requests_in_flight") == 0)
    assert within(PROMPTLY, lambda: stage.upstream.open_connections == 0)


PIECE = 64 * 1024
PIECES = 500  # 32 MiB, far more than sockets hold


def flood(stage: Stage, model: str) -> None:
    """The upstream answers for `model` as fast as it can write."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": model}

    def frame(choice: dict[str, Any]) -> str:
        return "data: " + json.dumps({**head, "choices": [{"index": 0, **choice}]}) + "\n\n"

    much = {"write": frame({"delta": {"content": "x" * PIECE}, "finish_reason": None})}
    last = frame({"delta": {}, "finish_reason": "stop"}) + "data: [DONE]\n\n"
    stage.upstream.script(model, [*[much] * PIECES, {"write": last}])


@pytest.mark.parametrize("vocabulary", ["chat", "responses"])
def test_a_slow_reader_holds_a_bounded_buffer_and_nobody_else(
    open_stage: OpenStage, vocabulary: str, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    stage = open_stage(
        routes={Stage.model: [("chat", "flood")], "other": [("chat", "calm")]}, server={"send_timeout_seconds": 1.0}
    )
    flood(stage, "flood")
    wire = Wire(stage, receive_buffer=8192)
    wire.send(wire.request(path=PATHS[vocabulary], content=asked_for(vocabulary, True)))
    assert within(2.0, lambda: bool(stage.requests) and stage.requests[0].bytes_written > 0)
    began = time.monotonic()
    answer = ask(stage, "chat", model="other")
    assert text("chat", answer) == TEXT
    assert time.monotonic() - began < 1.0
    # Whoever reads nothing for the configured time is cut off, and so is the upstream.
    assert within(4.0, lambda: stage.requests[0].disconnected)
    assert stage.requests[0].bytes_written < PIECE * PIECES / 2
    wire.leave()
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1
    assert stage.metric("segue_breaker_state") == 0
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert sorted(line["outcome"] for line in logged) == ["cancelled", "ok"], "one line per request and nothing else"
    assert not caplog.records


def test_a_reader_that_takes_its_time_gets_everything(open_stage: OpenStage):
    stage = open_stage(("chat", "flood"))
    flood(stage, "flood")
    with Wire(stage, receive_buffer=8192, patience=10.0) as wire:
        wire.send(wire.request(content=question(stream=True)))
        received = 0
        wire.until(b"\r\n\r\n")
        time.sleep(0.2)
        while (content := wire.more()) and not content.endswith(b"0\r\n\r\n"):
            received += len(content)
    assert received > PIECE * PIECES
