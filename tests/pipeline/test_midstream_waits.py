"""What happens to a client's stream while a successor is sought: silence is filled, deadlines hold, and who leaves
takes everything along."""

import json
import time

import msgspec
import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, within
from tests.pipeline.asking import PATHS, TEXT, VOCABULARIES, ask, body, candidate, speaks, text
from tests.pipeline.breaking import breaking, ends_well, first
from tests.pipeline.test_stories import arrivals

EACH = pytest.mark.parametrize("vocabulary", VOCABULARIES)
WAYS = pytest.mark.parametrize("midstream", ["continue", "restart"])


def fills(stage: Stage, seconds: float) -> Stage:
    """The same, with silence filled after `seconds`; configuration files promise at least 5."""
    snapshot = stage.app._snapshot
    server = msgspec.structs.replace(snapshot.server, ping_interval=seconds)
    stage.app._snapshot = msgspec.structs.replace(snapshot, server=server)
    return stage


@EACH
@WAYS
def test_p06_silence_is_filled_while_a_successor_is_sought(open_stage: OpenStage, vocabulary: str, midstream: str):
    slow = ("chat", "second+prefill+slow-headers-350")
    stage = fills(breaking(open_stage, first("chat", "cut-2"), slow, midstream=midstream), 0.1)
    reads = arrivals(stage, vocabulary)
    silent = [content for _, content in reads if content.startswith(b":") or b"event: ping" in content]
    assert silent, "nothing filled the silence"
    assert TEXT in _heard(vocabulary, reads)


def _heard(vocabulary: str, reads: list[tuple[float, bytes]]) -> str:
    class Heard:
        content = b"".join(content for _, content in reads)

    return text(vocabulary, Heard())  # type: ignore[arg-type]


@EACH
def test_p06_silence_is_filled_after_the_successors_first_word(open_stage: OpenStage, vocabulary: str):
    slow = ("chat", "second+prefill+delay-350")
    stage = fills(breaking(open_stage, first("chat", "cut-3"), slow), 0.1)
    reads = arrivals(stage, vocabulary)
    assert any(content.startswith(b":") or b"event: ping" in content for _, content in reads)
    assert _heard(vocabulary, reads) == TEXT


@EACH
def test_p07_a_stalled_answer_is_given_up_and_goes_on(open_stage: OpenStage, vocabulary: str):
    """After the target's idle time, not after as long as the provider likes."""
    stage = breaking(open_stage, first(speaks(vocabulary), "stall-2"), ("chat", "second+prefill"))
    began = time.monotonic()
    answer = ask(stage, vocabulary)
    assert time.monotonic() - began < 5.0
    assert text(vocabulary, answer) == TEXT
    assert within(2.0, lambda: stage.requests[0].disconnected)


@EACH
@WAYS
def test_the_deadline_holds_over_all_of_it(open_stage: OpenStage, vocabulary: str, midstream: str):
    slow = candidate("chat", "second+prefill+hang")
    stage = breaking(open_stage, first("chat", "stall-2"), slow, midstream=midstream)
    began = time.monotonic()
    answer = ask(stage, vocabulary, headers={"segue-timeout-ms": "900", "segue-midstream": midstream})
    assert time.monotonic() - began < 5.0
    assert not ends_well(vocabulary, answer)
    assert TEXT.startswith(text(vocabulary, answer))
    assert len(stage.asked) == 2


@EACH
@WAYS
@pytest.mark.parametrize("heir", ["prefill+hang", "prefill+hang-body", "prefill+503"])
def test_a_client_that_leaves_meanwhile_takes_everything_along(
    open_stage: OpenStage, vocabulary: str, midstream: str, heir: str
):
    """The stage checks that no task, connection or count is left behind, and no breaker has heard of it."""
    chain = [first("chat", "cut-2"), candidate("chat", f"second+{heir}"), candidate("messages", "third+prefill+hang")]
    stage = breaking(open_stage, *chain, midstream=midstream)
    wire = asking(stage, vocabulary, midstream)
    count = 3 if heir.endswith("503") else 2
    assert within(3.0, lambda: len(stage.requests) == count)
    wire.leave()
    assert within(2.0, lambda: stage.requests[-1].disconnected)
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1
    assert stage.metric("segue_target_in_flight") == 0
    target = f"chat/second+{heir}" if count == 2 else "messages/third+prefill+hang"
    assert stage.metric("segue_breaker_state", target=target) == 0


def asking(stage: Stage, vocabulary: str, midstream: str) -> Wire:
    wire = Wire(stage)
    domain = "domain" if vocabulary == "domain" else ""
    content = json.dumps(body(vocabulary)).encode()
    wire.send(wire.request(path=PATHS[vocabulary], content=content, segue_midstream=midstream, segue_vocabulary=domain))
    return wire


@EACH
@WAYS
def test_the_broken_attempt_gives_its_place_back_at_once(open_stage: OpenStage, vocabulary: str, midstream: str):
    """It is free again while the successor is still being asked."""
    stage = breaking(
        open_stage, first("chat", "cut-2", concurrency=1), ("chat", "second+prefill+hang"), midstream=midstream
    )
    with asking(stage, vocabulary, midstream):
        assert within(3.0, lambda: len(stage.requests) == 2)
        assert stage.metric("segue_target_in_flight", target="chat/first+cut-2") == 0
        assert stage.metric("segue_target_in_flight", target="chat/second+prefill+hang") == 1
