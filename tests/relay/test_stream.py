"""From the commit point to the end: what may be told when, the two ways across, and how the loop stops."""

from collections.abc import Sequence
from typing import Any

import pytest

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.events import (
    BlockKind,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Opened,
    Started,
    StopReason,
)
from proxy.errors import Cause, ChainFailed, ProxyError, StreamBroken, UpstreamFault
from proxy.relay.downstream import Downstream, Told
from proxy.relay.pump import pump
from proxy.relay.writers import PassThrough, Transcode
from proxy.wire.decoder import Step
from proxy.wire.sse import Frame

HOP = Hop("a", "b", "rate_limit", 1, 0)
ERROR = StreamBroken("it broke")
TEXT = Step(Frame(b"", b"x"), [Started(), Opened(0, BlockKind.TEXT), Delta(0, "x")])
LAST = Step(Frame(b"", b"end"), [Closed(0), Finished(StopReason.END)])
BROKEN = Step(None, [Failed(FaultKind.TRUNCATED, "cut")])


class Scribe:
    """An encoder that writes down what it was asked for."""

    def __init__(self, interleaves: bool = True) -> None:
        self.interleaves = interleaves
        self.encoded: list[Event] = []
        self.relayed: list[Step] = []

    def opening(self) -> bytes:
        return b"opening;"

    def notice(self, notice: Hop | Exhausted) -> bytes:
        return b"notice;"

    def encode(self, events: Sequence[Event]) -> bytes:
        self.encoded += events
        return b"".join(b"said;" for event in events if isinstance(event, Delta | Finished))

    def relay(self, steps: Sequence[Step]) -> bytes:
        self.relayed += steps
        return b"".join(step.frame.data + b";" for step in steps if step.frame)

    def fail(self, error: ProxyError) -> bytes:
        return b"failed;"

    def ping(self) -> bytes:
        return b"ping;"

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        return {}

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return body


def downstream(told: Told) -> Downstream:
    """One that has told its client this much already."""
    made = Downstream(Scribe())
    if told is Told.HEADERS:
        made.open()
    if told is Told.CONTENT:
        made.commit(PassThrough(Scribe()))
        made.write([TEXT])
    if told is Told.THE_END:
        made.end()
    assert made.told is told
    return made


@pytest.mark.parametrize(
    ("told", "wires"),
    [
        # open, ping, notice, fail
        (Told.NOTHING, (b"opening;", b"", b"notice;", b"failed;")),
        (Told.HEADERS, (b"", b"ping;", b"notice;", b"failed;")),
        (Told.CONTENT, (b"", b"ping;", b"notice;", b"failed;")),
        (Told.THE_END, (b"", b"", b"", b"")),
    ],
)
def test_what_may_be_told_when(told: Told, wires: tuple[bytes, ...]):
    assert downstream(told).open() == wires[0]
    assert downstream(told).ping() == wires[1]
    assert downstream(told).notice(HOP) == wires[2]
    assert downstream(told).fail(ERROR) == wires[3]


def test_opening_is_told_once():
    once = downstream(Told.NOTHING)
    assert (once.open(), once.open(), once.told) == (b"opening;", b"", Told.HEADERS)


def test_p06_a_wire_without_an_opening_opens_with_a_ping():
    class Mute(Scribe):
        def opening(self) -> bytes:
            return b""

    mute = Downstream(Mute())
    assert (mute.open(), mute.open(), mute.told) == (b"ping;", b"", Told.HEADERS)


def test_nothing_is_written_before_the_commit_or_after_the_end():
    early = downstream(Told.HEADERS)
    assert early.write([TEXT]) == b""
    late = downstream(Told.CONTENT)
    assert late.fail(ERROR) == b"failed;"
    assert late.told is Told.THE_END
    assert (late.write([TEXT]), late.fail(ERROR), late.notice(HOP), late.ping(), late.open()) == (b"",) * 5


def test_a_write_of_nothing_is_no_content():
    quiet = downstream(Told.HEADERS)
    quiet.commit(PassThrough(Scribe()))
    assert quiet.write([BROKEN]) == b""
    assert quiet.told is Told.HEADERS


@pytest.mark.parametrize("interleaves", [True, False])
def test_a_translation_never_sees_a_failure(interleaves: bool):
    scribe = Scribe(interleaves)
    assert Transcode(scribe).write([TEXT, BROKEN]) == b"said;"
    assert scribe.encoded == TEXT.events


def test_only_a_wire_that_cannot_interleave_is_sequenced():
    mixed = [Step(None, [Opened(0, BlockKind.TEXT), Opened(1, BlockKind.TEXT), Delta(1, "b"), Delta(0, "a")])]
    free, strict = Scribe(), Scribe(interleaves=False)
    Transcode(free).write(mixed)
    Transcode(strict).write(mixed)
    assert free.encoded == mixed[0].events
    assert strict.encoded == [Opened(0, BlockKind.TEXT), Delta(0, "a")]


def test_the_same_vocabulary_gets_its_own_steps():
    scribe = Scribe()
    assert PassThrough(scribe).write([TEXT, LAST]) == b"x;end;"
    assert scribe.relayed == [TEXT, LAST]


class Listed:
    """A source that gives its batches and has ended after the last; an exception is raised in its place."""

    def __init__(self, *batches: list[Step] | UpstreamFault) -> None:
        self._batches = list(batches)

    @property
    def ended(self) -> bool:
        return not self._batches

    async def more(self) -> list[Step]:
        batch = self._batches.pop(0)
        if isinstance(batch, UpstreamFault):
            raise batch
        return batch


class Line:
    """What one client was sent, and what the meter saw."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.seen: list[Step] = []
        self.over = False
        self.downstream = Downstream(Scribe())
        self.downstream.commit(PassThrough(Scribe()))

    async def pump(self, held: list[Step], *batches: list[Step] | UpstreamFault) -> None:
        await pump(Listed(*batches), held, self.downstream, self._send, self.seen.extend)

    async def _send(self, wire: bytes, *, last: bool = False) -> None:
        assert not self.over
        self.over = last
        self.sent.append(wire)


async def test_each_read_is_one_write_until_the_end():
    line = Line()
    await line.pump([TEXT], [TEXT, TEXT], [], [LAST])
    assert line.sent == [b"x;", b"x;x;", b"end;"]
    assert line.over
    assert line.seen == [TEXT, TEXT, TEXT, LAST]
    assert line.downstream.told is Told.THE_END


async def test_an_answer_that_was_held_whole_is_one_write():
    line = Line()
    await line.pump([TEXT, LAST])
    assert line.sent == [b"x;end;"]
    assert line.downstream.told is Told.THE_END


@pytest.mark.parametrize(
    ("batches", "cause"),
    [
        (([TEXT, BROKEN],), Cause.TRUNCATED),
        (([TEXT], [BROKEN]), Cause.TRUNCATED),
        (([TEXT], UpstreamFault(Cause.STALLED, "m")), Cause.STALLED),
        (([TEXT, Step(None, [Failed(FaultKind.REPORTED, "x", "rate_limit_exceeded")])],), Cause.RATE_LIMITED),
    ],
)
async def test_what_was_good_is_sent_before_a_break(batches: tuple[Any, ...], cause: Cause):
    line = Line()
    with pytest.raises(UpstreamFault) as broke:
        await line.pump([TEXT], *batches)
    assert broke.value.cause is cause
    assert b"".join(line.sent) == b"x;x;"
    assert line.downstream.told is Told.CONTENT
    assert line.downstream.fail(ChainFailed("m")) == b"failed;"


async def test_a_break_in_what_was_held_is_noticed_too():
    line = Line()
    with pytest.raises(UpstreamFault):
        await line.pump([TEXT, BROKEN])
    assert line.sent == [b"x;"]
