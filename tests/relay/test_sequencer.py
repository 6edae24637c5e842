"""Whatever interleaves on the way in, blocks come out one after the other, whole and in their own order."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.events import (
    BlockKind,
    Closed,
    Delta,
    Event,
    Finished,
    Foreign,
    Opened,
    Signed,
    StopReason,
)
from proxy.canonical.grammar import Grammar
from proxy.relay.sequencer import Sequencer

END = Finished(StopReason.END)


def block(number: int, *texts: str, closed: bool = True) -> list[Event]:
    opened: list[Event] = [Opened(number, BlockKind.TOOL_CALL, f"call_{number}", "f")]
    return opened + [Delta(number, text) for text in texts] + ([Closed(number)] if closed else [])


@st.composite
def interleavings(draw: st.DrawFn) -> list[Event]:
    """Up to five blocks in any legal interleaving, some never closed, other events in between, then the end."""
    waiting = [
        block(number, *draw(st.lists(st.text(max_size=2), max_size=3)), closed=draw(st.booleans()))
        for number in range(draw(st.integers(0, 5)))
    ]
    out: list[Event] = []
    while waiting := [events for events in waiting if events]:
        out.append(draw(st.sampled_from(waiting)).pop(0))
        if draw(st.integers(0, 4)) == 0:
            out.append(Foreign("between"))
    return [*out, END]


@given(interleavings(), st.integers(1, 5))
def test_no_overlap_no_loss_no_reordering(events: list[Event], batch: int):
    sequencer = Sequencer()
    out: list[Event] = []
    for at in range(0, len(events), batch):
        out += sequencer.sequence(events[at : at + batch])
    grammar, is_open = Grammar(), None
    for event in out:
        assert grammar.allows(event)
        if isinstance(event, Opened):
            assert is_open is None
            is_open = event.block
        elif isinstance(event, (Delta, Closed)):
            assert event.block == is_open
            is_open = None if isinstance(event, Closed) else is_open
    assert is_open is None
    assert out[-1] == END
    for number in range(5):
        said = [event for event in events if getattr(event, "block", None) == number]
        closing = [Closed(number)] if said and not isinstance(said[-1], Closed) else []
        assert [event for event in out if getattr(event, "block", None) == number] == said + closing
    assert out.count(Foreign("between")) == events.count(Foreign("between"))
    opened = [event.block for event in out if isinstance(event, Opened)]
    assert opened == [event.block for event in events if isinstance(event, Opened)]


def test_the_oldest_block_flows_at_once():
    sequencer = Sequencer()
    assert sequencer.sequence([*block(0, "a", closed=False), *block(1, "b", closed=False)]) == block(
        0, "a", closed=False
    )
    assert sequencer.sequence([Delta(1, "c"), Signed(0, "m")]) == [Signed(0, "m")]
    assert sequencer.sequence([Closed(0), Delta(1, "d")]) == [Closed(0), *block(1, "b", "c", "d", closed=False)]


def test_thousands_of_open_blocks_are_no_trouble():
    events = [event for number in range(3000) for event in block(number, closed=False)]
    out = Sequencer().sequence([*events, END])
    assert len(out) == 6001
