"""Folding events, and merging what they say of usage."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.accumulate import Answer, fold
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Failed,
    FaultKind,
    Finished,
    Opened,
    Signed,
    Skipped,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.usage import Usage

EVENTS = [
    Started(Usage(input_tokens=7)),
    Opened(0, BlockKind.REASONING),
    Delta(0, "hm"),
    Signed(0, "sealed"),
    Closed(0),
    Opened(2, BlockKind.TEXT),
    Opened(1, BlockKind.TOOL_CALL, "call_1", "weather"),
    Delta(2, "Hel"),
    Delta(1, '{"city":'),
    Delta(2, "lo"),
    Delta(1, '"Oslo"}'),
    Cited(2, Citation(url="https://example.test")),
    Closed(2),
    Skipped("grammar"),
    UsageReported(Usage(output_tokens=3)),
    UsageReported(Usage(input_tokens=8, output_tokens=5), final=True),
    Finished(StopReason.TOOL_CALLS),
]


def test_an_answer_is_all_that_was_said():
    answer = fold(EVENTS)
    assert [block.kind for block in answer.blocks.values()] == [
        BlockKind.REASONING,
        BlockKind.TEXT,
        BlockKind.TOOL_CALL,
    ]
    assert answer.text() == "Hello"
    assert answer.text(BlockKind.REASONING) == "hm"
    assert answer.blocks[0].material == "sealed"
    assert (answer.blocks[1].call_id, answer.blocks[1].name, answer.blocks[1].text) == (
        "call_1",
        "weather",
        '{"city":"Oslo"}',
    )
    assert [citation.url for citation in answer.blocks[2].citations] == ["https://example.test"]
    assert [block.closed for block in answer.blocks.values()] == [True, True, False]
    assert answer.usage == Usage(input_tokens=8, output_tokens=5)
    assert answer.end == Finished(StopReason.TOOL_CALLS)


@given(st.integers(0, len(EVENTS)))
def test_any_cut_folds_to_the_same(cut: int):
    answer = Answer()
    answer.add(EVENTS[:cut])
    answer.add(EVENTS[cut:])
    assert answer == fold(EVENTS)


def test_answers_share_nothing():
    first, second = Answer(), Answer()
    first.add([Opened(0, BlockKind.TEXT), Delta(0, "mine"), Failed(FaultKind.EMPTY)])
    assert second == Answer()
    assert fold([Opened(0, BlockKind.TEXT)]).text() == ""


def test_choices_are_told_apart():
    events = [Opened(n, BlockKind.TEXT, choice=n) for n in (0, 1)]
    answer = fold([*events, Delta(0, "a"), Delta(1, "b")])
    assert (answer.text(choice=0), answer.text(choice=1)) == ("a", "b")


figures = st.one_of(st.none(), st.integers(0, 10))
usages = st.builds(Usage, figures, figures, figures, figures, figures, figures)


@given(usages, usages, usages)
def test_the_last_figure_reported_wins(first: Usage, second: Usage, third: Usage):
    merged = first.merged(second).merged(third)
    assert merged == first.merged(second.merged(third))
    for name in Usage.__struct_fields__:
        reported = [value for usage in (first, second, third) if (value := getattr(usage, name)) is not None]
        assert getattr(merged, name) == (reported[-1] if reported else None)


def test_parts_are_never_added_on_top():
    assert Usage(10, 5, cache_read_tokens=8, cache_write_tokens=2, reasoning_tokens=4).total == 15
    assert Usage(10, 5, total_tokens=17).total == 17
    assert Usage().total == 0
    assert Usage(0).merged(Usage(None)).input_tokens == 0
