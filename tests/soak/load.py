"""The streams: nineteen in twenty from a provider that is well, the others from one that fails, each in its own way."""

import random
from collections.abc import Iterator
from typing import Any

from tests.chaos.wire import VOCABULARIES
from tests.e2e.configuration import VOCABULARIES as UPSTREAMS
from tests.matrix.asking import Asked, Job
from tests.matrix.cells import Cell, every_cell
from tests.matrix.faults import FAULTS, Fault, Kind

FAULTY = 0.05  # of the streams
LEAVING = 0.01  # of the clients
WORDS = 20
_PATIENT_FOR = 0.05  # seconds at most, of those who leave
_CALMER = 50  # every so many-th steady stream is judged in full
_ILL = (
    *("503", "reset", "html-502", "empty", "error-200", "cut-0", "malformed2-0", "429-retry-after-ms-200"),
    *("cut-2", "eof-2", "error-2", "malformed-2", "first-1-503", "first-1-cut-0", "close-idle"),
)
_TERMINALS = (b'"response.completed"', b"data: [DONE]", b'"message_stop"', b"event: done")


class Steady(Cell):
    """A stream of a provider that is well; `policy` is that provider's vocabulary."""

    @property
    def name(self) -> str:
        return f"steady/{self.policy}"

    @property
    def route(self) -> dict[str, Any]:
        return {"candidates": [{"provider": f"good-{self.policy}", "model": f"steady+long-{WORDS}"}]}

    def answer_to(self, said: str) -> str:
        return "".join(f"word{number} " for number in range(WORDS))


_WELL = Fault("steady", "all is well", (), Kind.HARMLESS, Kind.HARMLESS)
STEADY = [Steady(_WELL, False, upstream, vocabulary, True) for upstream in UPSTREAMS for vocabulary in VOCABULARIES]
FAILING = [
    cell
    for cell in every_cell(fault for fault in FAULTS if fault.name in _ILL)
    if cell.is_followed and cell.is_streamed
]


def jobs(count: int, chance: random.Random) -> Iterator[Job]:
    for number in range(count):
        cell = chance.choice(FAILING if chance.random() < FAULTY else STEADY)
        yield Job(cell, number, chance.random() * _PATIENT_FOR if chance.random() < LEAVING else None)


def wants_judge(asked: Asked) -> bool:
    """Whether an answer is to be judged in full; the others are only looked at."""
    return not isinstance(asked.cell, Steady) or asked.job.number % _CALMER == 0 or not looks_right(asked)


def looks_right(asked: Asked) -> bool:
    """At a glance: it ended well, and its last word came."""
    if asked.ended == "left":
        return True
    content = bytes(asked.answer.content)
    is_ended = any(terminal in content[-3000:] for terminal in _TERMINALS)
    return (
        asked.ended == "whole" and asked.answer.status == 200 and is_ended and f"word{WORDS - 1} ".encode() in content
    )
