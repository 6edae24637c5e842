"""Whatever an answer was cut into and wherever it broke: its client ends with its words, each of them once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.grammar import Grammar
from proxy.canonical.usage import Usage
from proxy.relay.splice import Anew, Splice, mapped
from proxy.routing.midstream import Sent
from proxy.wire.decoder import Step

END = Finished(StopReason.END)
# Few letters and much whitespace, so that chance meets what is special.
texts = st.text("ab \n\t\u3000é🙂", max_size=24)


def cut(text: str, cuts: list[int]) -> list[str]:
    places = sorted({min(at, len(text)) for at in cuts})
    return [text[begin:end] for begin, end in zip([0, *places], [*places, len(text)], strict=True)]


def told(*pieces: str, block: int = 0) -> Sent:
    sent = Sent()
    sent.add([Started(), Opened(block, BlockKind.TEXT), *(Delta(block, piece) for piece in pieces)])
    return sent


def answer(*pieces: str, block: int = 0) -> list[Event]:
    return [
        Started(),
        Opened(block, BlockKind.TEXT),
        *(Delta(block, piece) for piece in pieces),
        Closed(block),
        END,
    ]


def said(events: list[Event], block: int) -> str:
    return "".join(event.text for event in events if type(event) is Delta and event.block == block)


def batches(splice: Splice | Anew, events: list[Event], size: int) -> list[Event]:
    out: list[Event] = []
    for at in range(0, len(events), size):
        out += splice.map(events[at : at + size])
    return out


@given(texts, st.integers(0, 24), st.lists(st.integers(0, 24), max_size=6), st.booleans(), st.integers(1, 4))
def test_f09_no_word_is_lost_or_said_twice(whole: str, breaks_at: int, cuts: list[int], is_echoed: bool, size: int):
    first = whole[:breaks_at]
    prefix = first.rstrip()
    sent = told(*cut(first, cuts), block=3)
    rest = (prefix if is_echoed else "") + whole[len(prefix) :]
    out = batches(Splice(sent, is_echoed=is_echoed), answer(*cut(rest, cuts)), size)
    assert first + said(out, 3) == whole
    sent.add(out)
    assert sent.answer.blocks[3].text == whole
    assert sent.answer.blocks[3].closed


@given(texts, texts, st.lists(st.integers(0, 24), max_size=6), st.booleans())
def test_only_whitespace_is_ever_dropped(first: str, rest: str, cuts: list[int], is_echoed: bool):
    """Whoever does not repeat the whitespace that was trimmed, or does not echo though it was to be expected."""
    sent = told(first)
    out = Splice(sent, is_echoed=is_echoed).map(answer(*cut(rest, cuts)))
    got = said(out, 0)
    assert rest.endswith(got)
    dropped = rest[: len(rest) - len(got)]
    assert len(dropped) <= len(first)
    if is_echoed and first.rstrip().startswith(rest):
        assert not got  # an echo that broke off
    else:
        assert dropped.strip() in ("", first.strip() if is_echoed else "")


@pytest.mark.parametrize(
    ("first", "rest", "told_rest"),
    [
        ("Hello ", " world", "world"),
        ("Hello ", "world", "world"),
        ("Hello ", "  world", " world"),
        ("Hello", " world", " world"),
        ("Hello \n", "\n world", " world"),
        ("Hello\n\n", "\nworld", "world"),
        ("Hello\n", " world", " world"),
        (" \n", " \nworld", "world"),
        (" \n", "world", "world"),
        ("Hello ", "   ", "  "),
        ("Hello ", "", ""),
    ],
)
def test_whitespace_is_not_said_twice(first: str, rest: str, told_rest: str):
    for pieces in ([rest], list(rest)):
        assert said(Splice(told(first), is_echoed=False).map(answer(*pieces)), 0) == told_rest


@pytest.mark.parametrize(
    ("rest", "told_rest"),
    [("Hello world", " world"), (" world", " world"), ("Hell", ""), ("Hello", ""), ("Help", "Help"), ("", "")],
)
def test_an_echo_is_cut_off_where_it_is_one(rest: str, told_rest: str):
    for pieces in ([rest], list(rest)):
        assert said(Splice(told("Hello"), is_echoed=True).map(answer(*pieces)), 0) == told_rest


def test_without_an_echo_to_expect_nothing_is_taken_for_one():
    assert said(Splice(told("ha"), is_echoed=False).map(answer("ha", "ha")), 0) == "haha"


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Up to four blocks of any kind, one after the other or overlapping, and what else a stream has."""
    waiting = []
    for number in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(BlockKind))
        opened = Opened(number, kind, f"call_{number}", "f")
        inside: list[Event] = [Delta(number, text) for text in draw(st.lists(texts, max_size=3))]
        if draw(st.booleans()):
            inside.append(Signed(number, "seal") if kind is BlockKind.REASONING else Cited(number, Citation("u")))
        waiting.append([opened, *inside, Closed(number)])
    out: list[Event] = [Started(Usage(input_tokens=3))]
    while waiting := [events for events in waiting if events]:
        out.append(draw(st.sampled_from(waiting)).pop(0))
        if draw(st.integers(0, 5)) == 0:
            out.append(Foreign("between"))
    return [*out, draw(st.sampled_from([END, Failed(FaultKind.TRUNCATED)]))]


@given(answers(), st.integers(1, 5))
def test_whatever_follows_the_grammar_holds(events: list[Event], size: int):
    """The open block goes on once and is closed once; all others are new; nothing but thoughts is missing."""
    sent = told("Once upon ", block=2)
    grammar = Grammar()
    for event in (Started(), Opened(2, BlockKind.TEXT)):
        assert grammar.allows(event)
    out = batches(Splice(sent, is_echoed=False), events, size)
    goes_on = [event for event in out if type(event) is Opened and event.block == 2]
    assert len(goes_on) <= 1
    for event in out:
        assert type(event) is not Started
        if event not in goes_on:
            assert grammar.allows(event), event
    assert out[-1] == events[-1]
    if events[-1] == END:
        assert grammar.open_blocks == []
    assert not [event for event in out if type(event) is Opened and event.kind in (2, 3)]
    kinds = [event.kind for event in events if type(event) is Opened and event.kind not in (2, 3)]
    assert [event.kind for event in out if type(event) is Opened] == kinds


@given(answers(), st.integers(0, 9))
def test_anew_is_the_answer_under_other_numbers(events: list[Event], before: int):
    sent = told("void", block=before)
    sent.void()
    out = Anew(sent).map(events)
    assert [type(event) for event in out] == [type(event) for event in events]
    assert {event.block for event in out if type(event) is Opened} == {
        event.block + before + 1 for event in events if type(event) is Opened
    }
    if events[-1] == END:
        assert [event.text for event in out if type(event) is Delta] == [
            event.text for event in events if type(event) is Delta
        ]


def test_what_comes_before_any_text_ends_the_text():
    call = [Opened(0, BlockKind.TOOL_CALL, "call_1", "f"), Delta(0, "{}"), Closed(0)]
    later = [Opened(1, BlockKind.TEXT), Delta(1, "Done."), Closed(1)]
    out = Splice(told("Let me see. "), is_echoed=False).map([Started(), *call, *later, END])
    assert out[:3] == [Closed(0), Opened(1, BlockKind.TOOL_CALL, "call_1", "f"), Delta(1, "{}")]
    assert said(out, 2) == "Done."


def test_a_successor_without_a_word_ends_the_text():
    assert Splice(told("All said."), is_echoed=False).map([Started(), END])[0] == Closed(0)


def test_f10_thoughts_of_a_successor_are_left_out_whole():
    thought = [Opened(0, BlockKind.REASONING), Delta(0, "hm"), Signed(0, "seal"), Closed(0)]
    text = [Opened(1, BlockKind.TEXT), Delta(1, "time"), Closed(1)]
    out = Splice(told("Once upon a "), is_echoed=False).map([Started(), *thought, *text, END])
    assert not any(type(event) is Signed for event in out)
    assert said(out, 0) == "time"
    assert {event.block for event in out if type(event) is Delta} == {0}


def test_places_of_citations_count_from_the_first_word_that_is_told():
    def places(first: str, rest: str, *, is_echoed: bool) -> tuple[int | None, int | None]:
        cited = Cited(0, Citation("u", start=len(rest) - 5, end=len(rest)))
        events = [Opened(0, BlockKind.TEXT), Delta(0, rest), cited, Closed(0), END]
        [found] = [each for each in Splice(told(first), is_echoed=is_echoed).map(events) if type(each) is Cited]
        assert found.block == 0
        return found.citation.start, found.citation.end

    assert places("Hello ", "world", is_echoed=False) == (0, 5)
    assert places("Hello ", " world", is_echoed=False) == (0, 5)
    assert places("Hello ", "Hello world", is_echoed=True) == (0, 5)


def usage_of(before: Usage | None, *reports: Event, text: str = "time") -> Usage:
    """What a client is told in the end of an answer of 12 characters, then `text`."""
    sent = told("Once upon a ")
    if before is not None:
        sent.add([UsageReported(before)])
    events = [Opened(0, BlockKind.TEXT), Delta(0, text), Closed(0)]
    out = Splice(sent, is_echoed=False).map([*reports[:1], *events, *reports[1:], END])
    told_last = [event.usage for event in out if type(event) is UsageReported][-1]
    return told_last


def test_usage_is_the_first_input_and_all_output():
    first = Usage(input_tokens=10, cache_read_tokens=4, output_tokens=1)
    found = usage_of(first, Started(Usage(input_tokens=13, cache_read_tokens=0)), UsageReported(Usage(13, 2)))
    assert (found.input_tokens, found.cache_read_tokens, found.output_tokens) == (10, 4, 3 + 2)


def test_usage_counts_what_the_first_reported_where_that_is_more():
    found = usage_of(Usage(10, 30, reasoning_tokens=20), Started(), UsageReported(Usage(13, 2, reasoning_tokens=1)))
    assert (found.output_tokens, found.reasoning_tokens) == (32, 21)


def test_usage_without_a_word_of_the_first_is_the_successors_without_what_was_repeated():
    found = usage_of(None, Started(), UsageReported(Usage(13, 2, cache_read_tokens=5)))
    assert (found.input_tokens, found.cache_read_tokens, found.output_tokens) == (10, 5, 5)


def test_usage_that_nobody_counted_is_estimated():
    found = usage_of(Usage(10, 1), Started())
    assert (found.input_tokens, found.output_tokens) == (10, 3 + 1)


def test_steps_lose_their_frames():
    steps = [Step(None, [Started()]), Step(None, answer("x")[1:], b"run")]
    out = mapped(steps, Splice(told("y"), is_echoed=False))
    assert [(step.frame, step.run) for step in out] == [(None, b""), (None, b"")]
    assert said(out[1].events, 0) == "x"
