"""No task and no connection outlives an answer, whatever broke it and whatever was done about that. The stage counts
what is left when it closes, and has the checker read every answer that was given."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.chaos.wire import PATHS
from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import OpenStage, Stage
from tests.matrix.asking import Job
from tests.matrix.cells import POLICIES, SUCCESSORS, Cell, every_cell
from tests.matrix.faults import NOBODY, Kind

_AT_ONCE = 12
_DEFAULTS = {
    "timeouts": {"headers_seconds": 0.4, "first_token_seconds": 0.4, "idle_seconds": 0.4, "total_seconds": 4},
    "breaker": {"consecutive_failures": 1000, "minimum_volume": 1000},
}
_GOES_ON = {f"other-{vocabulary}": {"quirks": {"prefill": "plain"}} for vocabulary in VOCABULARIES}


def route(cell: Cell) -> dict[str, Any]:
    """As the cell's own, at the providers of a stage."""
    first, second = cell.upstreams
    faulty = {"provider": first, "model": "+".join([cell.fault.slug, *cell.fault.does])}
    successor = "+".join([cell.fault.then, *SUCCESSORS[cell.fault.then]])
    followers = [{"provider": f"other-{second}", "model": successor, "context_window": 1_000_000}]
    timeouts = dict(cell.fault.timeouts)
    return {
        "candidates": [faulty | {"context_window": 8192, "timeouts": timeouts}, *followers[: cell.is_followed]],
        "midstream": cell.policy,
    }


def statuses(stage: Stage, cells: list[Cell]) -> set[int]:
    """Of all answers, asked for many at a time."""

    def status(job: Job) -> int:
        cell = job.cell
        headers = cell.headers | ({"segue-vocabulary": "domain"} if cell.vocabulary == "domain" else {})
        said: dict[str, Any] = {"input": job.said}
        if cell.vocabulary in ("chat", "messages"):
            said = {"messages": [{"role": "user", "content": job.said}], "max_tokens": 1000}
        return stage.raw("POST", PATHS[cell.vocabulary], cell.members | said, headers).status

    with ThreadPoolExecutor(_AT_ONCE) as crowd:
        return set(crowd.map(status, [Job(cell, number) for number, cell in enumerate(cells)]))


def streams(*kinds: Kind) -> list[Cell]:
    """A refused credential would be set aside for all that have it."""
    return [
        cell
        for cell in every_cell()
        if cell.is_streamed and cell.kind in kinds and cell.fault.name != NOBODY and not cell.fault.marks_credential
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_an_answer_that_broke_in_the_middle(open_stage: OpenStage, policy: str) -> None:
    cells = [cell for cell in streams(Kind.AMID) if cell.policy == policy]
    stage = open_stage(routes={cell.name: route(cell) for cell in cells}, defaults=_DEFAULTS, providers=_GOES_ON)
    assert statuses(stage, cells) == {200}


@pytest.mark.parametrize("vocabulary", [*VOCABULARIES, "domain"])
def test_a_failure_before_the_first_word(open_stage: OpenStage, vocabulary: str) -> None:
    failing = streams(Kind.BEFORE, Kind.PASSING, Kind.CALLERS)
    cells = [cell for cell in failing if cell.policy == "fail" and cell.vocabulary == vocabulary]
    stage = open_stage(routes={cell.name: route(cell) for cell in cells}, defaults=_DEFAULTS)
    assert statuses(stage, cells) >= {200, 429, 502, 504}
