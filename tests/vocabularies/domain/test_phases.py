"""The phase machine, cell by cell as contract §2 prints it, and under random sequences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.conformance.domain import PHASES
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


def reached(*sent: Name | None) -> Phase:
    """The phase after these events; None = a fallback_start that discards."""
    phase = Phase.IDLE
    for name in sent:
        allowed = following(phase, name or Name.FALLBACK_START, discards=name is None)
        assert allowed is not None, (phase, name)
        phase = allowed
    return phase


@pytest.mark.parametrize("said", [Name.DELTA, Name.TOOL])
def test_a_discard_makes_the_stream_as_good_as_new(said: Name):
    begun = (Name.STREAM_STARTED, said)
    assert reached(*begun, None) is Phase.STARTED
    assert reached(*begun, None, Name.PING, Name.PING) is Phase.PINGING
    assert reached(*begun, None, None) is Phase.STARTED  # the next one broke, too
    assert reached(*begun, None, said, None, Name.FALLBACK_EXHAUSTED, Name.ERROR) is Phase.TERMINAL
    assert reached(*begun, None, Name.FALLBACK_START, said, Name.CITATIONS, Name.DONE) is Phase.TERMINAL
    assert reached(*begun, None, Name.DONE) is Phase.TERMINAL


@pytest.mark.parametrize("end", [Name.CITATIONS, Name.FALLBACK_EXHAUSTED, Name.DONE, Name.ERROR])
def test_nothing_is_taken_back_once_the_end_has_begun(end: Name):
    phase = reached(Name.STREAM_STARTED, Name.DELTA, end)
    assert following(phase, Name.FALLBACK_START, discards=True) is None


@given(st.lists(st.tuples(st.sampled_from(list(Name)), st.booleans()), max_size=60))
def test_only_a_discard_makes_pings_legal_again(asked: list[tuple[Name, bool]]):
    phase, quiet = Phase.IDLE, False
    for name, discards in asked:
        next_phase = following(phase, name, discards=discards)
        if next_phase is None:
            continue
        assert name is not Name.PING or quiet
        quiet = (quiet and name not in (Name.DELTA, Name.TOOL)) or name is Name.STREAM_STARTED
        quiet = quiet or (name is Name.FALLBACK_START and discards)
        phase = next_phase


@given(st.lists(st.tuples(st.sampled_from(list(Name)), st.booleans()), max_size=60))
def test_the_checker_agrees_about_every_step(asked: list[tuple[Name, bool]]):
    """Two tables of the same contract, written apart."""
    phase, theirs = Phase.IDLE, "Idle"
    for name, discards in asked:
        ours = following(phase, name, discards=discards)
        judged = PHASES[theirs].get(name)
        assert (ours is None) == (judged is None), (phase, name)
        if ours is None:
            continue
        discarded = discards and name is Name.FALLBACK_START and theirs == "Streaming"
        phase, theirs = ours, "Started" if discarded else (judged or theirs)
        assert phase == theirs.lower()


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
