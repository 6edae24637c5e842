"""A provider that drips is left like one that stalls: the mid-stream policy decides what becomes of its answer."""

import time

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, breaker, candidate, names, speaks, text

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
DRIP = "first+long-500+delay-20"  # some 300 characters a second
MORE = {"messages": {"max_tokens": 100_000}}
LAST = {"responses": "response.failed", "chat": "error", "messages": "error", "domain": "error"}


def staged(open_stage: OpenStage, vocabulary: str, least: float, model: str = DRIP, **route: str) -> Stage:
    rate = {"least_characters_per_second": least, "rate_window_seconds": 0.3}
    first = candidate(speaks(vocabulary), model, timeouts=rate)
    return open_stage(routes={Stage.model: {"candidates": [first, (speaks(vocabulary), "second")], **route}})


@EACH
def test_p07_where_the_policy_is_to_fail_the_stream_says_so(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, vocabulary, 2000)
    began = time.monotonic()
    answer = ask(stage, vocabulary, **MORE.get(vocabulary, {}))
    assert time.monotonic() - began < 4, "500 words take ten seconds"
    assert answer.status == 200
    assert names(vocabulary, answer)[-1] == LAST[vocabulary]
    assert b"less than 2000 characters a second for 0.3 seconds" in answer.content
    assert stage.asked == [DRIP]
    assert stage.metric("segue_streams_truncated_total", cause="too_slow") == 1
    assert stage.metric("segue_midstream_total", policy="fail", outcome="fail") == 1
    assert breaker(stage, f"{speaks(vocabulary)}/{DRIP}") == "open"
    stage.settle()
    assert stage.requests[0].disconnected, "nobody pays for the rest"


@EACH
def test_p07_where_it_is_to_begin_anew_the_next_one_does(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, vocabulary, 2000, midstream="restart")
    answer = ask(stage, vocabulary, headers={"segue-midstream": "restart"}, **MORE.get(vocabulary, {}))
    assert stage.asked == [DRIP, "second"]
    assert text(vocabulary, answer).endswith(TEXT)
    assert stage.metric("segue_midstream_total", policy="restart", outcome="restart") == 1


@EACH
def test_one_that_is_fast_enough_is_served_to_its_end(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, vocabulary, 20, "first+long-60+delay-20")
    answer = ask(stage, vocabulary, **MORE.get(vocabulary, {}))
    assert text(vocabulary, answer).split()[-1] == "word59"
    assert stage.metric("segue_requests_total", outcome="ok") == 1


def test_a_client_that_reads_slowly_makes_no_slow_provider(open_stage: OpenStage):
    rate = {"least_characters_per_second": 200, "rate_window_seconds": 0.3}
    stage = open_stage(routes={Stage.model: [candidate("chat", "flood+long-30000", timeouts=rate)]})
    with Wire(stage, receive_buffer=8192, patience=10.0) as wire:
        wire.send(wire.request(content=question(stream=True)))
        wire.until(b"word1 ")
        time.sleep(1.5)
        content = wire.until(b"0\r\n\r\n")
    assert content.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
