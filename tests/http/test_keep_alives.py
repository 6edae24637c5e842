"""P06: load balancers close what is silent for a minute. A stream is never silent for longer than its ping interval,
once its headers are out; those go out by themselves when nothing else does. Intervals are short here; a configuration
file promises at least 5 s."""

import itertools
import json
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire
from tests.pipeline.asking import PATHS, VOCABULARIES, body, speaks

EVERY = 0.2  # seconds
ROOM = 0.35  # seconds that a busy machine may be late
COMPLETIONS = "completions"
EACH = pytest.mark.parametrize("vocabulary", [*VOCABULARIES, COMPLETIONS])
BEFORE = {"messages": b"event: ping\ndata: ", "domain": b"event: ping\ndata: {}\n\n"}
AFTER = {"messages": b"event: ping\ndata: "}
COMMENT = b": "


def staged(open_stage: OpenStage, *candidates: Any, headers_after: float = EVERY, **route: Any) -> Stage:
    """A stage that fills silence every 0.2 s."""
    stage = open_stage(routes={Stage.model: {"candidates": list(candidates), **route}})
    snapshot = stage.app._snapshot
    server = msgspec.structs.replace(snapshot.server, ping_interval=EVERY, silence_before_headers=headers_after)
    stage.app._snapshot = msgspec.structs.replace(snapshot, server=server)
    return stage


def provider(vocabulary: str) -> str:
    return "chat" if vocabulary == COMPLETIONS else speaks(vocabulary)


def asked(wire: Wire, vocabulary: str, headers: Mapping[str, str] | None = None) -> None:
    """A streaming request, sent."""
    more = {"segue_vocabulary": "domain"} if vocabulary == "domain" else {}
    if vocabulary == COMPLETIONS:
        path, content = "/v1/completions", {"model": Stage.model, "prompt": "Hi there", "stream": True}
    else:
        path, content = PATHS[vocabulary], body(vocabulary)
    wire.send(wire.request(path=path, content=json.dumps(content).encode(), **more, **dict(headers or {})))


def heard(wire: Wire, seconds: float) -> list[tuple[float, bytes]]:
    """What comes within so many seconds, each read with its time since now."""
    began = time.monotonic()
    found = []
    while (left := began + seconds - time.monotonic()) > 0:
        wire._socket.settimeout(left)
        try:
            content = wire.more()
        except TimeoutError:
            break
        found.append((time.monotonic() - began, content))
        if not content or content.endswith(b"0\r\n\r\n"):
            break
    return found


def pings(vocabulary: str, content: bytes, before: bool = False) -> int:
    """How often silence was filled, in the form that this vocabulary has for it."""
    form = (BEFORE if before else AFTER).get(vocabulary)
    if form is not None:
        return content.count(form)
    return sum(line.startswith(COMMENT) and b"segue" not in line for line in content.split(b"\n"))


def never_silent(reads: list[tuple[float, bytes]]) -> bool:
    moments = [at for at, _ in reads]
    return all(later - sooner < EVERY + ROOM for sooner, later in itertools.pairwise(moments))


@EACH
def test_p06_before_the_first_content(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+hang-body"))
    with Wire(stage) as wire:
        asked(wire, vocabulary)
        reads = heard(wire, 7 * EVERY)
    content = b"".join(read for _, read in reads)
    assert content.startswith(b"HTTP/1.1 200 OK")
    assert EVERY * 0.9 <= reads[0][0] <= EVERY + ROOM
    assert never_silent(reads)
    assert pings(vocabulary, content, before=True) >= 3


@EACH
def test_p06_after_the_first_content(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+stall-2"))
    with Wire(stage) as wire:
        asked(wire, vocabulary)
        wire.until(b"You")
        reads = heard(wire, 6 * EVERY)
    content = b"".join(read for _, read in reads)
    assert never_silent(reads)
    assert pings(vocabulary, content) >= 3
    assert b"event: ping" not in content or vocabulary == "messages", "after content a comment, where pings are illegal"


@EACH
def test_p06_eager_ones_are_filled_from_the_start(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+hang"), headers_after=60.0, announce="eager")
    with Wire(stage) as wire:
        asked(wire, vocabulary)
        reads = heard(wire, 5 * EVERY)
    content = b"".join(read for _, read in reads)
    assert reads[0][0] < ROOM
    assert never_silent(reads)
    assert pings(vocabulary, content, before=True) >= 2


@EACH
def test_held_ones_stay_silent_until_it_has_lasted(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+hang"), headers_after=60.0)
    with Wire(stage) as wire:
        asked(wire, vocabulary)
        assert heard(wire, 3 * EVERY) == []


@EACH
def test_a_lively_stream_gets_no_pings(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, ("chat", "first+long-40+delay-20"))  # which sends none of its own
    with Wire(stage, patience=10.0) as wire:
        asked(wire, vocabulary)
        content = wire.until(b"0\r\n\r\n")
    assert pings(vocabulary, content) == pings(vocabulary, content, before=True) == 0


@EACH
def test_p06_while_a_slow_client_reads_nothing_no_pings_pile_up(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+stall-2"))
    with Wire(stage, receive_buffer=4096) as wire:
        asked(wire, vocabulary)
        wire.until(b"You")
        time.sleep(6 * EVERY)
        content = wire.more()
    assert pings(vocabulary, content) <= 8


@EACH
def test_p06_while_a_successor_is_asked(open_stage: OpenStage, vocabulary: str):
    """Before any content: the first hangs up late, the second takes its time."""
    first = (provider(vocabulary), "first+slow-headers-700+503")
    stage = staged(open_stage, first, (provider(vocabulary), "second+slow-first-700"))
    with Wire(stage, patience=10.0) as wire:
        asked(wire, vocabulary)
        reads = heard(wire, 8.0)
    content = b"".join(read for _, read in reads)
    assert never_silent(reads)
    assert stage.asked[-1] == "second+slow-first-700"
    stage.settle()
    assert stage.metric("segue_requests_total", outcome="ok") == 1
    assert content.endswith(b"0\r\n\r\n")
    assert pings(vocabulary, content, before=True) >= 2


@EACH
def test_p06_while_a_place_is_waited_for(open_stage: OpenStage, vocabulary: str):
    """The target serves one at a time, and somebody else is being served."""
    busy = {"provider": provider(vocabulary), "model": "first+slow-first-1200", "concurrency": {"limit": 1, "queue": 5}}
    stage = staged(open_stage, busy)
    with Wire(stage, patience=10.0) as before, Wire(stage) as wire:
        asked(before, vocabulary)
        before.until(b"\r\n\r\n")
        asked(wire, vocabulary)
        reads = heard(wire, 0.9)
        assert stage.metric("segue_target_queue") == 1
        before.until(b"0\r\n\r\n")
    content = b"".join(read for _, read in reads)
    assert content.startswith(b"HTTP/1.1 200 OK")
    assert never_silent(reads)
    assert pings(vocabulary, content, before=True) >= 1


@EACH
def test_p06_while_a_provider_that_is_busy_is_given_its_time(open_stage: OpenStage, vocabulary: str):
    stage = staged(open_stage, (provider(vocabulary), "first+429-retry-after-1"))
    with Wire(stage, patience=10.0) as wire:
        asked(wire, vocabulary)
        reads = heard(wire, 8.0)
    content = b"".join(read for _, read in reads)
    assert never_silent(reads)
    assert pings(vocabulary, content, before=True) >= 2
    assert stage.asked == ["first+429-retry-after-1"] * 2
    assert b"rate limited" in content, "and in the end, in the stream"


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_p06_while_a_successor_is_asked_in_mid_stream(open_stage: OpenStage, vocabulary: str):
    first, second = (speaks(vocabulary), "first+cut-2"), (speaks(vocabulary), "second+slow-headers-1000")
    stage = staged(open_stage, first, second, headers_after=60.0, midstream="restart")
    with Wire(stage, patience=10.0) as wire:
        asked(wire, vocabulary, {"segue_midstream": "restart"})
        reads = heard(wire, 8.0)
    content = b"".join(read for _, read in reads)
    assert stage.asked == ["first+cut-2", "second+slow-headers-1000"]
    assert never_silent(reads)
    assert pings(vocabulary, content) + pings(vocabulary, content, before=True) >= 3
