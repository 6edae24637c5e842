"""What a run found wrong, by the promise that it breaks."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

HUNG = "requests that hung"
CUT = "answers cut off, but for those of killed processes"
NO_CAUSE = "streams ended by a failure, or requests refused, without a cause"
RULES = "answers that break the rules of their vocabulary, or lack a part"
REVOKED = "requests served with a revoked key, later than the contract allows"
STALE = "store-held keys honoured by a replica cut off for longer than `key_staleness`"
WENT_ON = "requests of a key revoked with `terminate=true` that went on"
ADMIN = "admin actions answered with what they should not"
LOCKED_OUT = "valid keys answered 401"
CLOSED = "connections refused or closed in the face of a request by a serving instance"
RELOADS = "acknowledged reloads not in force, bad files in force"
REPLACED = "hung or killed processes not replaced, masters that did not start or stop in time"
PROCESSES = "processes left behind"
SOCKETS = "sockets and socket files left behind"
DESCRIPTORS = "descriptors gained by workers and master"
TASKS = "requests still counted, or connections still held, when nobody asked any more"
COUNTERS = "counters of /metrics that went backwards"
LOGGED = "errors in the logs"
INVARIANTS = (
    *(HUNG, CUT, NO_CAUSE, RULES, REVOKED, STALE, WENT_ON, LOCKED_OUT, CLOSED),
    *(ADMIN, RELOADS, REPLACED, PROCESSES, SOCKETS, DESCRIPTORS, TASKS, COUNTERS, LOGGED),
)


class Fault(NamedTuple):
    """`at`: seconds since the run began."""

    invariant: str
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.invariant}: {self.text}"


class Findings:
    """`diary`: what was done, for whoever must understand a fault. `invariants`: what may be blamed."""

    def __init__(self, is_loud: bool, invariants: Sequence[str] = INVARIANTS) -> None:
        self.invariants = invariants
        self.faults: list[Fault] = []
        self.diary: list[str] = []
        self._began = time.monotonic()
        self._is_loud = is_loud

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def blame(self, invariant: str, text: str) -> None:
        assert invariant in self.invariants, invariant
        fault = Fault(invariant, self.now, text)
        self.faults.append(fault)
        self._write(f"WRONG {invariant}: {text}")

    def note(self, text: str) -> None:
        self._write(text)

    def counted(self) -> Counter[str]:
        return Counter(fault.invariant for fault in self.faults)

    def when(self, moment: float) -> str:
        """A monotonic time as seconds of this run."""
        return f"{moment - self._began:.2f}"

    def _write(self, text: str) -> None:
        line = f"{self.now:7.2f} s  {text}"
        self.diary.append(line)
        if self._is_loud:
            print(line, file=sys.stderr, flush=True)
