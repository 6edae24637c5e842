"""What every stream is promised, shown with a toy vocabulary: one terminal, the grammar kept, nothing raised."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.events import (
    TERMINAL,
    BlockKind,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Opened,
    Skipped,
    Started,
    StopReason,
    is_content,
)
from proxy.canonical.grammar import Grammar
from proxy.wire.decoder import Malformed, SseDecoder, Step
from proxy.wire.sse import MAXIMUM_FRAME_BYTES, Frame


class Word(msgspec.Struct):
    say: str | None = None
    block: int = 0
    close: int | None = None
    stop: bool = False
    error: str | None = None


class Toy:
    """`{"say": …}` opens its block if need be; `{"stop": true}` ends; a close without a stop ends it if it may."""

    def __init__(self, ends_by_itself: bool = False) -> None:
        self.opened: set[int] = set()
        self.ends_by_itself = ends_by_itself

    def read(self, frame: Frame, out: list[Event]) -> None:
        if frame.data == b"bad":
            out.append(Delta(0, "never to be seen"))
            raise Malformed("bad")
        word = msgspec.json.decode(frame.data, type=Word)
        if word.say is not None:
            if word.block not in self.opened:
                self.opened.add(word.block)
                out.append(Opened(word.block, BlockKind.TEXT))
            out.append(Delta(word.block, word.say))
        if word.close is not None:
            out.append(Closed(word.close))
        if word.error is not None:
            out.append(Failed(FaultKind.REPORTED, word.error))
        if word.stop:
            out.append(Finished(StopReason.END))

    def read_run(self, run: bytes) -> None:
        return None

    def end(self, out: list[Event]) -> None:
        if self.ends_by_itself:
            out.append(Finished(StopReason.LENGTH))


def wire(*frames: str) -> bytes:
    return "".join(f"data: {frame}\n\n" for frame in frames).encode()


def run(stream: bytes, step: int = 0, toy: Toy | None = None) -> list[Step]:
    decoder = SseDecoder(toy or Toy())
    chunks = [stream[at : at + step] for at in range(0, len(stream), step)] if step else [stream]
    steps = [each for chunk in chunks for each in decoder.feed(chunk)]
    steps += decoder.finish()
    assert decoder.ended
    assert decoder.feed(wire('{"say":"late"}')) == []
    assert decoder.finish() == []
    return steps


def events(steps: list[Step]) -> list[Event]:
    return [event for step in steps for event in step.events]


HELLO = ('{"say":""}', '{"say":"Hel"}', '{"say":"lo"}', '{"close":0}', '{"stop":true}')
SAID: list[Event] = [Started(), Opened(0, BlockKind.TEXT), Delta(0, "")]
BAD = "bad"


@pytest.mark.parametrize("step", [0, 1, 2, 3, 7, 50])
def test_a_stream_starts_speaks_and_ends(step: int):
    assert events(run(wire(*HELLO), step)) == [
        *SAID,
        Delta(0, "Hel"),
        Delta(0, "lo"),
        Closed(0),
        Finished(StopReason.END),
    ]


def test_steps_keep_their_frames():
    steps = run(wire(*HELLO))
    assert [step.frame.data.decode() for step in steps if step.frame] == list(HELLO)


def test_one_broken_frame_before_content_is_skipped_and_counted():
    steps = run(wire(HELLO[0], BAD, *HELLO[1:]))
    assert steps[1] == Step(None, [Skipped("malformed")])
    assert events(steps)[-1] == Finished(StopReason.END)
    assert Delta(0, "never to be seen") not in events(steps)


@pytest.mark.parametrize("broken", [BAD, "{", '{"say":7}', '{"say":"\\ud800"}', ""])
def test_a_broken_frame_after_content_ends_it(broken: str):
    said = events(run(wire(*HELLO[:2], broken, *HELLO[2:])))
    assert [type(event) for event in said[-2:]] == [Delta, Failed]
    assert said[-1].kind is FaultKind.MALFORMED


def test_bytes_that_are_no_text_are_a_broken_frame():
    said = events(run(wire(HELLO[0]) + b'data: {"say":"\xff"}\n\n' + wire(*HELLO[1:])))
    assert said.count(Skipped("malformed")) == 1
    assert said[-1] == Finished(StopReason.END)


def test_two_broken_frames_in_a_row_end_it_anywhere():
    said = events(run(wire(BAD, BAD, *HELLO)))
    assert said[0] == Skipped("malformed")
    assert said[1].kind is FaultKind.MALFORMED
    assert len(said) == 2
    apart = events(run(wire(BAD, HELLO[0], BAD, *HELLO[1:])))
    assert apart.count(Skipped("malformed")) == 2
    assert apart[-1] == Finished(StopReason.END)


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (b"", FaultKind.EMPTY),
        (b": only a comment\n\n", FaultKind.EMPTY),
        (wire("{}", "{}"), FaultKind.EMPTY),  # frames that say nothing, like pings
        (wire(HELLO[0]), FaultKind.TRUNCATED),
        (wire(*HELLO[:-1]), FaultKind.TRUNCATED),
        (wire(BAD), FaultKind.TRUNCATED),
    ],
)
def test_a_stream_without_an_end_gets_one(stream: bytes, kind: FaultKind):
    assert events(run(stream))[-1].kind is kind


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"event: error\ndata: Internal Server Error\n\n", "Internal Server Error"),
        (b"event: error\ndata: upstream \xff\n\n", "upstream \ufffd"),
        (b"error: it broke\n\n", "it broke"),
    ],
)
@pytest.mark.parametrize("before", [HELLO[:1], HELLO[:2]], ids=["before content", "after content"])
def test_r13_an_error_event_in_nobodys_words_is_an_error_at_once(before: tuple[str, ...], stream: bytes, said: str):
    told = events(run(wire(*before) + stream + wire(*HELLO[2:])))
    assert told[-1] == Failed(FaultKind.REPORTED, said)


def test_what_the_wire_leaves_implicit_counts_as_an_end():
    assert events(run(wire(*HELLO[:-1]), toy=Toy(ends_by_itself=True)))[-1] == Finished(StopReason.LENGTH)
    assert events(run(b"", toy=Toy(ends_by_itself=True)))[-1].kind is FaultKind.EMPTY


def test_open_blocks_are_closed_before_a_good_end():
    said = events(run(wire('{"say":"a"}', '{"say":"b","block":1}', '{"stop":true}')))
    assert said[-3:] == [Closed(0), Closed(1), Finished(StopReason.END)]


def test_an_event_against_the_grammar_is_left_out():
    said = events(run(wire('{"close":5}', HELLO[1], '{"close":0}', '{"close":0}', '{"say":"x"}', HELLO[-1])))
    assert said.count(Skipped("grammar")) == 3
    assert said[0] == Started()
    assert said[-1] == Finished(StopReason.END)


def test_nothing_follows_the_first_terminal():
    said = events(run(wire('{"say":"a","error":"it broke","stop":true}', *HELLO)))
    assert said[-2:] == [Delta(0, "a"), Failed(FaultKind.REPORTED, "it broke")]


@pytest.mark.parametrize("step", [0, 64 * 1024])
def test_a_frame_too_large_ends_it_and_keeps_what_came_before(step: int):
    said = events(run(wire(HELLO[1]) + b"data: " + b"x" * (MAXIMUM_FRAME_BYTES + 1), step))
    assert said[-2] == Delta(0, "Hel")
    assert said[-1].kind is FaultKind.OVERSIZED


def judge(said: list[Event]) -> None:
    grammar = Grammar()
    for event in said:
        assert grammar.allows(event), (event, said)
    assert [event for event in said if isinstance(event, TERMINAL)] == said[-1:]
    content = next((at for at, event in enumerate(said) if is_content(event)), len(said))
    assert Skipped("malformed") not in said[content:]


def test_four_hundred_corruptions():
    chance = random.Random(7)
    good = wire(HELLO[0], '{"say":"two","block":1}', *HELLO[1:])
    for _ in range(400):
        stream = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(stream))
            match chance.randrange(4):
                case 0:
                    stream[at] = chance.randrange(256)
                case 1:
                    del stream[at : at + chance.randint(1, 20)]
                case 2:
                    stream[at:at] = stream[: chance.randint(1, 40)]
                case _:
                    stream[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
        judge(events(run(bytes(stream), chance.choice([0, 1, 5, 17]))))


@given(st.lists(st.sampled_from([*HELLO, BAD, '{"say":"b","block":1}', '{"close":1}', '{"error":"e"}'])), st.data())
def test_any_order_of_frames_keeps_the_promises_at_any_cut(frames: list[str], draw: st.DataObject):
    stream = wire(*frames)
    said = events(run(stream))
    judge(said)
    assert events(run(stream, draw.draw(st.integers(1, 40)))) == said
