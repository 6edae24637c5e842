"""`./dev chaos-processes`, short; and that its judge is neither blind nor unjust."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.findings import CLOSED, CUT, HUNG, INVARIANTS, LOCKED_OUT, NO_CAUSE, REVOKED, RULES, STALE, Findings
from tests.chaos.instance import Casualty, Ending, Freeze, Instance
from tests.chaos.judging import Judge, Outcome, Request
from tests.chaos.keyring import HeldKey
from tests.chaos.periods import Periods
from tests.chaos.report import page
from tests.chaos.run import Plan, run
from tests.chaos.wire import Answer

STALENESS = 4.0
NOW = 1000.0
WORDS = "word0 word1 "
ERROR = {"error": {"message": "Retry.", "type": "server_error", "code": None, "param": None}}


class Case:
    """One request of two words, in chat, to an instance to which nothing was done yet."""

    def __init__(self, folder: Path) -> None:
        self.findings = Findings(is_loud=False)
        self.judge = Judge(STALENESS, self.findings)
        self.instance = Instance("one", folder, (1, 2), "", self.findings)
        self.key = HeldKey("ab12cd34", "sg-ab12cd34-x", "store")

    def blamed(self, outcome: Outcome, **seen: Any) -> list[str]:
        """For what; `seen`: fields of the request that differ from a stream on a fresh connection."""
        usual: dict[str, Any] = {
            "vocabulary": "chat",
            "is_streamed": True,
            "words": 2,
            "sent": NOW,
            "opened": NOW,
            "port": 50_000,
            "ended": NOW + 1,
            "answer": Answer(),
        }
        request = Request(instance=self.instance, key=self.key, outcome=outcome, **usual | seen)
        before = len(self.findings.faults)
        self.judge.consider(request)
        return [fault.invariant for fault in self.findings.faults[before:]]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def answer(status: int, content: str, content_type: str = "text/event-stream", whole: bool = True) -> Answer:
    return Answer(status, {"content-type": content_type}, bytearray(content.encode()), whole, NOW + 0.5)


def refusal(status: int) -> Answer:
    content = '{"error":{"message":"No.","type":"server_error","param":null,"code":"x"}}'
    return answer(status, content, "application/json")


def stream(*words: str, end: str = "data: [DONE]\n\n") -> str:
    """A chat stream as the checker wants it."""
    opening = '"id":"chatcmpl-' + "a" * 24 + '","object":"chat.completion.chunk","created":1,"model":"m"'
    deltas = ['{"role":"assistant","content":""}', *(f'{{"content":"{word}"}}' for word in words)]
    chunks = [f'{{{opening},"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}' for delta in deltas]
    if "[DONE]" in end:
        chunks.append(f'{{{opening},"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}')
    return "".join(f"data: {chunk}\n\n" for chunk in chunks) + end


COMPLETE = stream("word0 ", "word1 ")
FAILED = stream("word0 ", end='data: {"error":{"message":"No.","type":"server_error","param":null,"code":"x"}}\n\n')


def test_what_is_whole_is_right(case: Case) -> None:
    assert case.blamed("complete", answer=answer(200, COMPLETE)) == []


def test_what_never_ended_is_blamed(case: Case) -> None:
    assert case.blamed("hung") == [HUNG]


def test_a_part_that_is_missing_is_blamed(case: Case) -> None:
    assert case.blamed("complete", answer=answer(200, stream("word0 "))) == [RULES]


def test_a_broken_rule_is_blamed(case: Case) -> None:
    assert RULES in case.blamed("complete", answer=answer(200, COMPLETE + "data: [DONE]\n\n"))


def test_a_cut_is_excused_by_the_death_of_its_own_process(case: Case) -> None:
    cut = answer(200, stream("word0 ", end=""), whole=False)
    assert case.blamed("cut", answer=cut) == [CUT]
    case.instance.casualties.append(Casualty(frozenset({50_001}), NOW + 0.5))
    assert case.blamed("cut", answer=cut) == [CUT]
    case.instance.casualties.append(Casualty(frozenset({50_000}), NOW - 0.5))
    assert case.blamed("cut", answer=cut) == [CUT], "it was connected later"
    case.instance.casualties.append(Casualty(frozenset({50_000}), NOW + 0.5))
    assert case.blamed("cut", answer=cut) == []


def test_a_failure_in_words_needs_a_cause(case: Case) -> None:
    assert case.blamed("complete", answer=answer(200, FAILED)) == [NO_CAUSE]
    case.instance.endings.append(Ending(NOW - 5, closing=NOW - 4, cutting=NOW + 0.9, over=NOW + 9))
    assert case.blamed("complete", answer=answer(200, FAILED)) == [NO_CAUSE], "it came after the sockets were closed"
    early = {"opened": NOW - 4.5, "answer": answer(200, FAILED)}
    assert case.blamed("complete", **early) == []
    assert case.blamed("complete", **early, ended=NOW + 0.8) == [NO_CAUSE], "the grace was not over"
    case.instance.endings.clear()
    case.key.terminated = True
    assert case.blamed("complete", answer=answer(200, FAILED)) == []


def test_only_a_revoked_key_is_answered_401(case: Case) -> None:
    assert case.blamed("refused", answer=refusal(401)) == [LOCKED_OUT]
    case.key.revoking_since = NOW + 0.9
    assert case.blamed("refused", answer=refusal(401)) == []


def test_503_is_for_keys_of_a_store_that_is_away(case: Case) -> None:
    assert case.blamed("refused", answer=refusal(503)) == [NO_CAUSE]
    began = time.monotonic()
    with case.instance.away.during():
        during = {"sent": began, "ended": time.monotonic(), "answer": refusal(503)}
        assert case.blamed("refused", **during) == []
        case.key.held_by = "file"
        assert case.blamed("refused", **during) == [NO_CAUSE]


def test_nothing_else_is_expected(case: Case) -> None:
    assert case.blamed("refused", answer=refusal(502)) == [NO_CAUSE]


def test_a_closed_door_needs_a_cause(case: Case) -> None:
    assert case.blamed("not connected") == [CLOSED]
    assert case.blamed("unanswered") == [CLOSED]
    began = time.monotonic()
    with case.instance.down.during():
        assert case.blamed("not connected", sent=began, ended=time.monotonic()) == []


@pytest.mark.parametrize(
    ("by_all", "late", "blamed"), [(True, 0.01, [REVOKED]), (False, 0.9, []), (False, 1.1, [REVOKED]), (True, -0.1, [])]
)
def test_a_revoked_key_must_not_be_served(case: Case, by_all: bool, late: float, blamed: list[str]) -> None:
    case.key.revoking_since = case.key.revoked = NOW
    case.key.by_all = by_all
    assert case.blamed("complete", answer=answer(200, COMPLETE), sent=NOW + late) == blamed


def test_who_was_frozen_has_a_second_to_learn_of_it(case: Case) -> None:
    case.key.revoking_since = case.key.revoked = NOW
    case.instance.freezes.append(Freeze(0, frozenset({50_000}), NOW + 1, NOW + 5))
    seen: dict[str, Any] = {"answer": answer(200, COMPLETE), "sent": NOW + 2, "ended": NOW + 6}
    seen["answer"].first_byte = NOW + 5.9
    assert case.blamed("complete", **seen) == []
    seen["answer"].first_byte = NOW + 6.1
    assert case.blamed("complete", **seen) == [REVOKED]


def test_nobody_honours_store_held_keys_for_ever(case: Case) -> None:
    with case.instance.cut_off.during(), case.instance.away.during():
        began = time.monotonic()
        for late, blamed in ((STALENESS, []), (STALENESS + 1.1, [STALE])):
            served = answer(200, COMPLETE)
            served.first_byte = began + late + 0.1
            assert case.blamed("complete", answer=served, sent=began + late) == blamed


def test_periods() -> None:
    periods = Periods()
    before = time.monotonic()
    with periods.during():
        inside = time.monotonic()
        assert periods.since(inside) is not None
        assert periods.overlap(inside, inside)
        assert periods.last_end(inside) == inside
    after = time.monotonic()
    assert periods.since(after + 1) is None
    assert not periods.overlap(after + 1, after + 2)
    assert periods.overlap(after + 1, after + 2, after=2)
    assert before <= periods.last_end(after + 1) <= after


@pytest.mark.system
@pytest.mark.timeout(150)
async def test_nothing_breaks_in_a_short_run() -> None:
    outcome = await run(Plan(seconds=20, seed=1, clients=14, is_loud=False))
    assert list(map(str, outcome.findings.faults)) == [], "\n".join(outcome.findings.diary)
    shown = page(outcome)
    assert all(f"| {invariant} | 0 |" in shown for invariant in INVARIANTS)
    assert all(scene.actions for scene in outcome.scenes.values())
