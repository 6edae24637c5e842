"""`segue_overhead_seconds` is our own share: not waiting for providers, failed ones included, nor for the client."""

import time

import pytest

from tests.e2e.harness import OpenStage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import ask

_HANG = 0.6


@pytest.mark.parametrize("stream", [True, False])
def test_waiting_for_a_provider_that_failed_is_not_our_time(open_stage: OpenStage, stream: bool):
    limits = {"headers_seconds": _HANG, "first_token_seconds": _HANG, "total_seconds": 4 * _HANG}
    stage = open_stage(("chat", "first+hang"), ("chat", "second"), defaults={"timeouts": limits})
    answer = ask(stage, "chat", stream)
    assert answer.status == 200
    assert stage.metric("segue_request_duration_seconds_sum", route=stage.model) >= _HANG
    assert stage.metric("segue_overhead_seconds_sum", vocabulary="chat") < _HANG


def test_waiting_for_a_slow_upload_is_not_our_time(open_stage: OpenStage):
    stage = open_stage(("chat", "first"))
    with Wire(stage) as wire:
        whole = wire.request(content=question())
        wire.send(whole[:-5])
        time.sleep(_HANG)
        wire.send(whole[-5:])
        assert wire.reply().status == 200
    assert stage.metric("segue_overhead_seconds_sum", vocabulary="chat") < _HANG


@pytest.mark.parametrize("stream", [True, False])
def test_waiting_for_a_provider_that_the_client_had_no_time_for_is_not_our_time(open_stage: OpenStage, stream: bool):
    stage = open_stage(("chat", "first+hang"))
    with Wire(stage) as wire:
        wire.send(wire.request(content=question(stream=stream)))
        time.sleep(_HANG)
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1
    assert stage.metric("segue_overhead_seconds_sum", vocabulary="chat") < _HANG / 2


def test_waiting_for_a_place_at_a_target_is_not_our_time(open_stage: OpenStage):
    slow = {"provider": "chat", "model": "first+slow-first-600", "concurrency": 1}
    stage = open_stage(slow)
    with Wire(stage) as first, Wire(stage) as second:
        for wire in (first, second):
            wire.send(wire.request(content=question()))
        assert (first.reply().status, second.reply().status) == (200, 200)
    assert stage.metric("segue_request_duration_seconds_sum", route=stage.model) >= 3 * _HANG
    assert stage.metric("segue_overhead_seconds_sum", vocabulary="chat") < _HANG / 2
