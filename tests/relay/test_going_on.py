"""After a break: what the client may be told, and that what was noted as sent is what was sent."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from proxy.canonical.account import Hop
from proxy.canonical.events import BlockKind, Closed, Delta, Event, Failed, FaultKind, Opened, Started
from proxy.errors import UpstreamFault
from proxy.relay.downstream import Downstream, Told
from proxy.relay.sequencer import Sequencer
from proxy.relay.writers import PassThrough, Transcode
from proxy.routing.midstream import Sent
from proxy.wire.decoder import Step
from proxy.wire.sse import Frame
from tests.relay.test_stream import BROKEN, ERROR, LAST, TEXT, Scribe

HOP = Hop("a", "b", "network_error", 1, 0, discard=True)


class Clerk(Scribe):
    def resume(self, text: str, block: int) -> bytes:
        return f"on with {text} in {block};".encode()

    def restart(self, hop: Hop) -> bytes:
        return f"void, says {hop.to_model};".encode()


class Torn(Clerk):
    """Breaks over the second step it is given."""

    def relay(self, steps: Sequence[Step]) -> bytes:
        if len(steps) > 1:
            raise msgspec.DecodeError("no")
        return super().relay(steps)


def said_something() -> Downstream:
    downstream = Downstream(Clerk())
    downstream.open()
    downstream.commit(PassThrough(Clerk()))
    downstream.write([TEXT])
    assert downstream.told is Told.CONTENT
    return downstream


def test_an_answer_that_goes_on_is_the_same_answer():
    downstream = said_something()
    assert downstream.resume("x", 0) == b"on with x in 0;"
    assert downstream.told is Told.CONTENT


def test_after_a_restart_nothing_has_been_said():
    downstream = said_something()
    assert downstream.restart(HOP) == b"void, says b;"
    assert downstream.told is Told.HEADERS
    downstream.write([TEXT])
    assert downstream.told is Told.CONTENT


def test_after_the_end_nothing_goes_on():
    downstream = said_something()
    downstream.fail(ERROR)
    assert (downstream.resume("x", 0), downstream.restart(HOP)) == (b"", b"")


def noted(sent: Sent) -> dict[int, str]:
    return {number: block.text for number, block in sent.answer.blocks.items()}


@pytest.mark.parametrize("writer", [Transcode, PassThrough])
def test_what_is_written_is_noted(writer: Any):
    sent = Sent()
    write = writer(Clerk(), sent).write
    write([TEXT, Step(Frame(b"", b"y"), [Delta(0, "y")])])
    write([LAST, BROKEN])
    assert noted(sent) == {0: "xy"}
    assert sent.answer.blocks[0].closed
    assert sent.is_certain


def test_a_frame_that_fails_is_not_relayed_and_so_not_noted():
    sent = Sent()
    half: list[Event] = [Delta(0, "never sent"), Failed(FaultKind.REPORTED)]
    PassThrough(Clerk(), sent).write([TEXT, Step(Frame(b"", b"z"), half)])
    assert noted(sent) == {0: "x"}
    translated = Sent()
    Transcode(Clerk(), translated).write([TEXT, Step(Frame(b"", b"z"), half)])
    assert noted(translated) == {0: "xnever sent"}


def test_what_waits_for_its_turn_is_not_noted():
    sent = Sent()
    overlapping: list[Event] = [
        Started(),
        Opened(0, BlockKind.TEXT),
        Opened(1, BlockKind.TOOL_CALL, "call", "f"),
        Delta(1, "{"),
        Delta(0, "x"),
    ]
    Transcode(Clerk(interleaves=False), sent).write([Step(None, overlapping)])
    assert noted(sent) == {0: "x"}


def test_nobody_knows_what_a_torn_write_sent():
    sent = Sent()
    write = PassThrough(Torn(), sent).write
    write([TEXT])
    with pytest.raises(UpstreamFault):
        write([TEXT, LAST])
    assert not sent.is_certain
    assert noted(sent) == {0: "x"}


def test_a_block_that_goes_on_keeps_its_turn():
    """What the successor says besides waits until the text is over, whether that is opened again or not."""
    other: list[Event] = [Opened(5, BlockKind.TOOL_CALL, "call", "f"), Delta(5, "{}"), Closed(5)]
    for again in ([], [Opened(2, BlockKind.TEXT)]):
        sequencer = Sequencer(is_open=2)
        assert sequencer.sequence([*again, *other, Delta(2, "x")]) == [*again, Delta(2, "x")]
        assert sequencer.sequence([Closed(2)]) == [Closed(2), *other]
