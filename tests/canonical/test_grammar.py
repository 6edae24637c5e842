"""The grammar against a naive model of it, event by event."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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
    Progress,
    Signed,
    Skipped,
    Started,
    StopReason,
    UsageReported,
    is_content,
)
from proxy.canonical.grammar import Grammar
from proxy.canonical.usage import Usage

blocks = st.integers(0, 3)
IN_BLOCK = (Delta, Cited, Signed)
ANYWHERE = (
    UsageReported(Usage()),
    Progress("start", "search"),
    Foreign("ping"),
    Skipped("malformed"),
)


class Naive(RuleBasedStateMachine):
    """Keeps the whole history and answers every question from it."""

    def __init__(self) -> None:
        super().__init__()
        self.grammar = Grammar()
        self.accepted: list[Event] = []

    def ask(self, event: Event, expected: bool) -> None:
        assert self.grammar.allows(event) is expected
        if expected:
            self.accepted.append(event)

    def ended(self) -> bool:
        return any(isinstance(e, (Finished, Failed)) for e in self.accepted)

    def opened(self, block: int) -> bool:
        return any(isinstance(e, Opened) and e.block == block for e in self.accepted)

    def is_open(self, block: int) -> bool:
        return self.opened(block) and not any(isinstance(e, Closed) and e.block == block for e in self.accepted)

    @rule()
    def start(self) -> None:
        self.ask(Started(), not self.ended() and not any(isinstance(e, Started) for e in self.accepted))

    @rule(block=blocks)
    def open(self, block: int) -> None:
        self.ask(Opened(block, BlockKind.TEXT), not self.ended() and not self.opened(block))

    @rule(block=blocks, kind=st.sampled_from(IN_BLOCK))
    def fill(self, block: int, kind: type) -> None:
        inner = {Delta: Delta(block, "x"), Cited: Cited(block, Citation()), Signed: Signed(block, "m")}[kind]
        self.ask(inner, not self.ended() and self.is_open(block))

    @rule(block=blocks)
    def close(self, block: int) -> None:
        self.ask(Closed(block), not self.ended() and self.is_open(block))

    @rule(event=st.sampled_from(ANYWHERE))
    def anything_else(self, event: Event) -> None:
        self.ask(event, not self.ended())

    @rule(end=st.sampled_from((Finished(StopReason.END), Failed(FaultKind.TRUNCATED))), often=st.integers(0, 5))
    def end(self, end: Event, often: int) -> None:
        if often == 0:
            self.ask(end, not self.ended())

    @invariant()
    def open_blocks_agree(self) -> None:
        assert self.grammar.open_blocks == [block for block in range(4) if self.is_open(block)]
        assert self.grammar.ended is self.ended()


TestGrammar = Naive.TestCase
TestGrammar.settings = settings(max_examples=30, stateful_step_count=30)


@given(st.text())
def test_content_is_what_a_client_would_notice(text: str):
    assert is_content(Delta(0, text)) is bool(text)


def test_only_a_call_with_id_and_name_is_content():
    for kind in (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL):
        assert is_content(Opened(0, kind, "call", "name"))
        assert not is_content(Opened(0, kind, "call", ""))
        assert not is_content(Opened(0, kind, "", "name"))
    assert is_content(Opened(0, BlockKind.HOSTED))
    assert not is_content(Opened(0, BlockKind.TEXT, "call", "name"))
    assert not is_content(Opened(0, BlockKind.REASONING))


def test_lifecycle_is_no_content():
    quiet = (Started(), Closed(0), Finished(StopReason.END), Failed(FaultKind.EMPTY), UsageReported(Usage(1)))
    assert not any(map(is_content, (*quiet, Skipped("malformed"), Foreign("ping"))))
    assert is_content(Foreign("hosted", content=True))
    assert is_content(Progress("start", "search"))
