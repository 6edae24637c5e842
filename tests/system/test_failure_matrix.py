"""docs/failure-matrix.md says what happens: a sample of it, every time; and `./dev chaos` has a judge that is neither
blind nor unjust."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.findings import CUT, HUNG, RULES, Findings
from tests.chaos.instance import Casualty, Instance
from tests.chaos.wire import Answer
from tests.matrix.asking import Asked, Ended, Job
from tests.matrix.cells import VOCABULARIES, Cell, Outcome, every_cell
from tests.matrix.faults import FAULTS, Kind, left_out
from tests.matrix.judging import CLEAN, DOUBLE, INVARIANTS, PROMISE, RESTARTED, SHAPE, TEXT, Judge
from tests.matrix.page import Seen, differences, page, read
from tests.matrix.run import run, sample_plan

PAGE = Path(__file__).resolve().parents[2] / "docs/failure-matrix.md"
PORT, NOW = 50_000, time.monotonic()


def cell(fault: str, policy: str = "fail", vocabulary: str = "chat", followed: bool = True) -> Cell:
    """Streamed."""
    [found] = [each for each in FAULTS if each.name == fault]
    return Cell(found, followed, policy, vocabulary, True)


class Case:
    """One answer to one question."""

    def __init__(self, folder: Path) -> None:
        self.findings = Findings(False, INVARIANTS)
        self.instance = Instance("one", folder, (1, 2), "", self.findings)
        self.judge = Judge(self.instance, self.findings)

    def blamed(self, of: Cell, answer: Answer, ended: Ended = "whole") -> set[str]:
        asked = Asked(Job(of, 1), NOW, NOW, PORT, NOW + 1, answer, ended)
        before = len(self.findings.faults)
        self.judge.consider(asked)
        return {fault.invariant for fault in self.findings.faults[before:]}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def answer(content: str, status: int = 200, kind: str = "text/event-stream", **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        status, {"content-type": kind, "x-request-id": "req_1", **given}, bytearray(content.encode()), True, NOW
    )


TEXT_OF_1 = Job(cell("cut-2"), 1).whole
ACCOUNT = {
    "served_by": "good-chat/good",
    "attempts": [],
    "quota": {"decision": "allow", "warnings": []},
    "warnings": [],
}
FAILED = 'data: {"error":{"message":"No.","type":"server_error","param":null,"code":"server_error"}}\n\n'
DONE = "data: [DONE]\n\n"


def chat(*texts: str, end: str = DONE, before: str = "") -> str:
    """A chat stream as the checker wants it."""
    head = {"id": "chatcmpl-" + "a" * 24, "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts)]
    chunks = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if end.startswith(DONE):
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        chunks.append(head | {"choices": [last], "segue": ACCOUNT})
    return before + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end


def refusal(status: int, code: str, **headers: str) -> Answer:
    body = {"error": {"message": "No.", "type": "server_error", "param": None, "code": code}}
    return answer(json.dumps(body), status, "application/json", **headers)


WHOLE = answer(chat(TEXT_OF_1))
HALF = answer(chat(TEXT_OF_1[:9], end=FAILED))


def test_what_is_whole_and_what_fails_in_words_may_be(case: Case) -> None:
    assert case.blamed(cell("503"), WHOLE) == set()
    assert case.blamed(cell("cut-2"), HALF) == set()
    assert case.blamed(cell("cut-2", "continue"), WHOLE) == set()
    assert case.blamed(cell("cut-2", "continue", followed=False), HALF) == set()


def test_a_broken_answer_that_ends_cleanly_is_blamed(case: Case) -> None:
    assert CLEAN in case.blamed(cell("cut-2", "continue"), answer(chat(TEXT_OF_1[:9])))
    assert CLEAN in case.blamed(cell("cut-2"), answer(chat(TEXT_OF_1[:9], end="")))
    assert CLEAN in case.blamed(cell("cut-2", "continue"), answer(chat(TEXT_OF_1[:9], TEXT_OF_1)))


def test_a_second_ending_is_blamed(case: Case) -> None:
    for end in (DONE + DONE, DONE + FAILED):
        assert DOUBLE in case.blamed(cell("503"), answer(chat(TEXT_OF_1, end=end)))
    assert DOUBLE in case.blamed(cell("cut-2"), answer(chat(TEXT_OF_1[:9], end=FAILED + DONE)))


def test_a_wrong_beginning_is_blamed(case: Case) -> None:
    assert case.blamed(cell("cut-2"), answer(chat("You said: something else", end=FAILED))) == {TEXT}


def test_what_could_have_been_absorbed_is_blamed(case: Case) -> None:
    assert case.blamed(cell("cut-2", "continue"), HALF) == {PROMISE}
    refused = refusal(502, "server_error", x_should_retry="false")
    assert case.blamed(cell("503"), refused) == {PROMISE}
    assert case.blamed(cell("503", followed=False), refused) == set()
    assert case.blamed(cell("503", followed=False), WHOLE) == {PROMISE}


def test_a_refusal_must_have_its_shape(case: Case) -> None:
    alone = cell("429", followed=False)
    waits = {"retry_after": "1", "retry_after_ms": "1000"}
    assert case.blamed(alone, refusal(429, "rate_limit_exceeded", **waits)) == set()
    assert case.blamed(alone, refusal(429, "rate_limit_exceeded", **waits, x_should_retry="false")) == {SHAPE}
    assert case.blamed(alone, refusal(429, "rate_limit_exceeded")) == {SHAPE}
    assert case.blamed(alone, refusal(502, "server_error", x_should_retry="false")) == {SHAPE}
    assert case.blamed(alone, answer("<html>", 429, "text/html", **waits)) == {SHAPE}


def test_worn_targets_may_refuse_otherwise(case: Case) -> None:
    refused = refusal(503, "server_error", retry_after="1", retry_after_ms="1000")
    assert case.blamed(cell("500", followed=False), refused) == {SHAPE}
    case.judge.is_calm = False
    assert case.blamed(cell("500", followed=False), refused) == set()
    assert case.blamed(cell("500"), refused) == {PROMISE}, "there was somebody else to ask"
    assert case.blamed(cell("slow-first-100", followed=False), refused) == {PROMISE}, "it never failed"
    assert case.blamed(cell("cut-2"), WHOLE) == set(), "its breaker was open"


def test_nobody_is_begun_anew_who_did_not_ask(case: Case) -> None:
    hop = {
        "from_model": "a",
        "to_model": "b",
        "reason": "network_error",
        "attempt": 1,
        "discard": True,
        "elapsed_ms": 1,
    }
    void = {"role": "assistant", "content": ""}
    head = {"id": "chatcmpl-" + "a" * 24, "object": "chat.completion.chunk", "created": 1, "model": "m"}
    mark = head | {"choices": [{"index": 0, "delta": void, "finish_reason": None}], "segue": {"fallback_start": hop}}
    told = f": segue {json.dumps({'event': 'fallback_start', **hop})}\n\ndata: {json.dumps(mark)}\n\n"
    begun = chat(TEXT_OF_1[:9], end="")
    restarted = answer(begun + told + chat(TEXT_OF_1).partition("\n\n")[2])
    asked = cell("cut-2", "restart")
    assert RESTARTED not in case.blamed(asked, restarted)
    assert RESTARTED in case.blamed(asked._replace(is_asked=False), restarted)


def test_only_the_death_of_its_process_excuses_a_cut(case: Case) -> None:
    assert case.blamed(cell("503"), answer(chat(end="")), "hung") == {HUNG}
    assert case.blamed(cell("503"), answer(chat(end="")), "cut") == {CUT}
    case.instance.casualties.append(Casualty(frozenset({PORT}), NOW + 0.5))
    assert case.blamed(cell("503"), answer(chat(end="")), "cut") == set()
    assert case.blamed(cell("503"), answer(chat(TEXT_OF_1[:9], end="")), "left") == set()
    assert case.blamed(cell("503"), answer("data: {}\n\n"), "left") == {RULES}


def test_every_fault_of_the_upstream_is_in_the_matrix() -> None:
    assert left_out() == []
    names = [each.name for each in every_cell()]
    assert len(set(names)) == len(names)
    assert {each.vocabulary for each in every_cell()} == set(VOCABULARIES)


@pytest.mark.parametrize(
    ("fault", "policy", "vocabulary", "promised"),
    [
        ("cut-2", "fail", "chat", Outcome.BROKEN),
        ("cut-2", "continue", "messages", Outcome.WHOLE),
        ("tools+cut-2", "restart", "responses", Outcome.BROKEN),
        ("tools+cut-2", "restart", "domain", Outcome.WHOLE),
        ("cut-2, unknown", "continue", "domain", Outcome.BROKEN),
        ("cut-99", "continue", "responses", Outcome.BROKEN),
        ("cut-99", "continue", "chat", Outcome.WHOLE),
        ("400", "restart", "chat", Outcome.REFUSED),
        ("error-0-429", "fail", "domain", Outcome.WHOLE),
    ],
)
def test_what_the_contract_promises(fault: str, policy: str, vocabulary: str, promised: Outcome) -> None:
    assert cell(fault, policy, vocabulary).promise[0] is promised
    kind = cell(fault).kind
    alone = cell(fault, policy, vocabulary, followed=False).promise[0]
    assert alone is (Outcome.BROKEN if kind is Kind.AMID else Outcome.REFUSED)


def _invented() -> dict[str, Seen]:
    """Something for each cell; some rows alike for all policies, some not, some cells of another story."""

    def told(each: Cell) -> Seen:
        ending = (
            f"breaks off: `error` `{each.policy}`" if each.kind is Kind.AMID else f"`502` `{each.fault.alone.name}`"
        )
        return Seen(ending, "server_error 503 x2, the next answers" if each.vocabulary == "chat" else "answers")

    return {each.name: told(each) for each in every_cell()}


def test_the_page_is_read_as_it_was_written() -> None:
    found = _invented()
    written = page(found)
    assert read(written) == found
    assert page(read(written)) == written
    first = next(iter(found))
    changed = found | {first: Seen("whole", "answers")}
    assert [line.partition(":")[0] for line in differences(changed, found)] == [first]


def test_the_page_has_every_cell() -> None:
    written = read(PAGE.read_text())
    assert written.keys() == {each.name for each in every_cell()}
    assert page(written) == PAGE.read_text(), "written by another version of the page: run ./dev chaos"
    assert [name for name, shown in written.items() if shown.ending.isupper()] == []


@pytest.mark.system
@pytest.mark.timeout(150)
@pytest.mark.parametrize("seed", [1])
async def test_a_sample_of_the_page_is_true(seed: int) -> None:
    """And then some more of it at once, while workers and the store are killed."""
    outcome = await run(sample_plan(cells=160, requests=800, seed=seed))
    assert list(map(str, outcome.findings.faults)) == [], "\n".join(outcome.findings.diary)
    assert len(outcome.seen) == 160
    assert differences(outcome.seen, read(PAGE.read_text())) == []


def test_the_judge_has_a_name_for_everything() -> None:
    shown: Callable[[str], bool] = str.isupper
    assert not any(map(shown, INVARIANTS))
    assert len(set(INVARIANTS)) == len(INVARIANTS)
