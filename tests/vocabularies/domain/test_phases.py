"""The phase machine, cell by cell as contract §2 prints it, and under random sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.vocabularies.domain.phases import TABLE, Name, Phase, following

X = None
# phase: stream_started, ping, fallback_start, delta, tool, citations, fallback_exhausted, done, error
CONTRACT: dict[Phase, tuple[Phase | None, ...]] = {
    Phase.IDLE: (Phase.STARTED, X, X, X, X, X, X, Phase.TERMINAL, Phase.TERMINAL),
    Phase.STARTED: (
        X, Phase.PINGING, Phase.STARTED, Phase.STREAMING, Phase.STREAMING, Phase.CITATIONS, Phase.EXHAUSTED,
        Phase.TERMINAL, Phase.TERMINAL,
    ),
    Phase.PINGING: (
        X, Phase.PINGING, Phase.PINGING, Phase.STREAMING, Phase.STREAMING, Phase.CITATIONS, Phase.EXHAUSTED,
        Phase.TERMINAL, Phase.TERMINAL,
    ),
    Phase.STREAMING: (
        X, X, Phase.STREAMING, Phase.STREAMING, Phase.STREAMING, Phase.CITATIONS, Phase.EXHAUSTED,
        Phase.TERMINAL, Phase.TERMINAL,
    ),
    Phase.CITATIONS: (X, X, X, X, X, X, X, Phase.TERMINAL, Phase.TERMINAL),
    Phase.EXHAUSTED: (X, X, X, X, X, X, X, X, Phase.TERMINAL),
    Phase.TERMINAL: (X, X, X, X, X, X, X, X, X),
}  # fmt: skip
COLUMNS = (
    Name.STREAM_STARTED, Name.PING, Name.FALLBACK_START, Name.DELTA, Name.TOOL, Name.CITATIONS, Name.FALLBACK_EXHAUSTED,
    Name.DONE, Name.ERROR,
)  # fmt: skip


def test_the_table_is_the_contracts():
    assert set(COLUMNS) == set(Name)
    assert set(TABLE) == set(Phase) == set(CONTRACT)
    for phase, row in CONTRACT.items():
        assert tuple(following(phase, name) for name in COLUMNS) == row, phase


@pytest.mark.parametrize("phase", Phase)
def test_only_a_discard_while_streaming_starts_over(phase: Phase):
    after = following(phase, Name.FALLBACK_START, discards=True)
    assert after == (Phase.STARTED if phase is Phase.STREAMING else following(phase, Name.FALLBACK_START))


@given(st.lists(st.tuples(st.sampled_from(list(Name)), st.booleans()), max_size=40))
def test_what_passes_the_machine_is_one_start_and_one_end(asked: list[tuple[Name, bool]]):
    phase, sent = Phase.IDLE, []
    for name, discards in asked:
        after = following(phase, name, discards=discards)
        if after is not None:
            phase, sent = after, [*sent, name]
    terminals = [name for name in sent if name in (Name.DONE, Name.ERROR)]
    assert len(terminals) <= 1
    assert terminals == [] or sent[-1] is terminals[0]
    assert sent.count(Name.STREAM_STARTED) <= 1
    assert sent.count(Name.CITATIONS) <= 1
