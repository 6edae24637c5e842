"""One run: the processes, the rounds in rotating order, and the samples they yield."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from bench.children import Child, Family
from bench.load import Job, Tally
from bench.measure import Cores, cpu_seconds, import_seconds, proportional_bytes, resident_bytes
from bench.scenarios import Scenario, steady_load
from bench.systems import Command, Running, start, start_upstream

STEADY_WARM_UP = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one system: one turn in one round of one scenario."""

    scenario: str
    round: int
    turn: int
    system: str
    value: float  # CPU µs of the system's processes per request or event; for `latency` the median in ms
    busy: float  # CPU time over wall time of the system's core
    median_ms: float  # request, from its first byte out to its last byte in
    first_byte_ms: float
    reads_per_unit: float  # reads of the load generator per request or event
    received_bytes: int
    failures: dict[str, int]


@dataclass(frozen=True, slots=True)
class Footprint:
    """One fresh start of one system; memory after the steady load is looked at in the last round only."""

    round: int
    system: str
    ready_seconds: float
    resident_mb: float
    proportional_mb: float
    warm_mb: float | None = None
    steady_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run; `steady_requests` of 0 leaves the memory out."""

    commands: Sequence[Command]
    scenarios: Sequence[Scenario]
    rounds: int
    starts: bool
    steady_requests: int


class Bench:
    """The upstream, the load generator and a folder, for as long as a run lasts."""

    def __init__(self, family: Family, cores: Cores, folder: Path, upstream: Running, load: Child) -> None:
        self._family = family
        self._cores = cores
        self._folder = folder
        self._upstream = upstream
        self._load = load

    @property
    def upstream(self) -> Running:
        return self._upstream

    @property
    def load(self) -> Child:
        return self._load

    def start(self, command: Command, models: Sequence[str], cores: set[int] | None = None) -> Running:
        """On the measured core, unless told otherwise."""
        return start(self._family, command, models, self._upstream.port, cores or self._cores.proxy, self._folder)

    def drive(self, job: Job, read: Callable[[], Sequence[float]]) -> tuple[Tally, list[float]]:
        """Run one job; returns the load's tally, and by how much each figure that `read` reads grew meanwhile."""
        self._load.say(json.dumps(asdict(job)))
        if (said := self._load.hear()) != "ready":
            raise self._load.failure(f"said {said!r}")
        before = read()
        self._load.say("go")
        tally = Tally(**json.loads(self._load.hear()))
        return tally, [now - then for now, then in zip(read(), before, strict=True)]


@contextmanager
def bench(cores: Cores) -> Iterator[Bench]:
    """Everything but the systems under measurement, started; all of it is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="segue-bench-") as name, Family() as family:
        folder = Path(name)
        upstream = start_upstream(family, cores.load, folder / "upstream.log")
        load = family.spawn([sys.executable, "-m", "bench.load"], cores.load, folder / "load.log", talks=True)
        yield Bench(family, cores, folder, upstream, load)


def rotated(systems: Sequence[Running], by: int) -> list[Running]:
    """Each round begins with another system, so that none always runs first or after the same neighbour's heat."""
    by %= len(systems)
    return [*systems[by:], *systems[:by]]


def _models(scenarios: Sequence[Scenario]) -> list[str]:
    return sorted({"fixed", "stream-1"} | {scenario.model for scenario in scenarios})


def measure_rounds(running: Bench, plan: Plan) -> Iterator[Sample]:
    """Every scenario, every system, interleaved; the upstream alone is among them."""
    with ExitStack() as stack:
        systems = [running.upstream]
        for command in plan.commands:
            system = running.start(command, _models(plan.scenarios))
            stack.callback(system.child.stop)
            systems.append(system)
        for number in range(plan.rounds):
            for scenario in plan.scenarios:
                for turn in range(scenario.turns):
                    for system in rotated(systems, number + turn):
                        yield _sample(running, scenario, number, turn, system)


def _sample(running: Bench, scenario: Scenario, number: int, turn: int, system: Running) -> Sample:
    job = scenario.job(system.port, system.key, system.translates)
    tally, [cpu] = running.drive(job, lambda: [cpu_seconds(system.child.pid)])
    median_ms = median(tally.latencies) * 1e3 if tally.latencies else 0.0
    return Sample(
        scenario=scenario.name,
        round=number,
        turn=turn,
        system=system.name,
        value=median_ms if scenario.counts == "added ms" else cpu / scenario.units * 1e6,
        busy=cpu / tally.wall,
        median_ms=median_ms,
        first_byte_ms=median(tally.first_bytes) * 1e3 if tally.first_bytes else 0.0,
        reads_per_unit=tally.reads / scenario.units,
        received_bytes=tally.received_bytes,
        failures=tally.failures,
    )


def measure_starts(running: Bench, plan: Plan) -> Iterator[Footprint]:
    """Fresh starts, alternating; then, once, memory over many requests."""
    for number in range(plan.rounds):
        last = number == plan.rounds - 1
        for command in plan.commands if number % 2 else plan.commands[::-1]:
            system = running.start(command, _models(plan.scenarios))
            try:
                resident = resident_bytes(system.child.pid) / 1e6
                proportional = proportional_bytes(system.child.pid) / 1e6
                warm = steady = None
                if last and plan.steady_requests:
                    warm = _resident_after(running, system, min(STEADY_WARM_UP, plan.steady_requests))
                    steady = _resident_after(running, system, plan.steady_requests)
                yield Footprint(number, system.name, system.ready_after, resident, proportional, warm, steady)
            finally:
                system.child.stop()


def _resident_after(running: Bench, system: Running, requests: int) -> float:
    for scenario in steady_load(requests):
        tally, _ = running.drive(scenario.job(system.port, system.key, system.translates), list)
        if tally.failures:
            raise system.child.failure(f"answered wrongly under the steady load: {tally.failures}")
    return resident_bytes(system.child.pid) / 1e6


def measure_import(module: str, rounds: int) -> list[float]:
    """Seconds, one per fresh interpreter after a first that fills the bytecode cache; empty where it cannot be."""
    measured = [import_seconds(module) for _ in range(rounds + 1)]
    return [seconds for seconds in measured[1:] if seconds is not None]
