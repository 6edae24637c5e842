"""A body that stops half way holds its request for a bounded time (docs/configuration.md, body_timeout_seconds)."""

import time

import pytest

from tests.e2e.harness import OpenStage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import PATHS

_TIMEOUT = 1.0


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
def test_half_a_body_is_given_up(open_stage: OpenStage, vocabulary: str):
    stage = open_stage(("chat", "first"), server={"body_timeout_seconds": _TIMEOUT})
    with Wire(stage) as wire:
        whole = wire.request(path=PATHS[vocabulary], content=question())
        began = time.monotonic()
        wire.send(whole[:-5])
        reply = wire.reply()
    assert reply.status == 408
    assert "did not arrive" in str(reply.json["error"])
    assert _TIMEOUT <= time.monotonic() - began < _TIMEOUT + 3
    assert stage.metric("segue_requests_in_flight") == 0


def test_a_slow_body_that_arrives_in_time_is_served(open_stage: OpenStage):
    stage = open_stage(("chat", "first"), server={"body_timeout_seconds": _TIMEOUT})
    with Wire(stage) as wire:
        whole = wire.request(content=question())
        for start in range(0, len(whole), 1 + len(whole) // 5):
            wire.send(whole[start : start + 1 + len(whole) // 5])
            time.sleep(0.05)
        assert wire.reply().status == 200
