"""Two workers against one: what they serve, what a request costs them, and how evenly they share."""

import os
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.children import Child
from bench.measure import Cores, own_cpu_seconds, workers
from bench.paired import Estimate, estimate
from bench.rounds import Bench
from bench.scenarios import FULL, Scenario
from bench.systems import Command, Running

SIZES = (1, 2)
_READY_SECONDS = 30
_ACCEPTING = "segue_workers_accepting "
# Enough connections for chance to share them out.
_SCENARIO = replace(FULL[0], connections=64)
REQUESTS = 6000


@dataclass(frozen=True, slots=True)
class Scale:
    """One run with so many workers. CPU is in µs per request: of the workers, and of all else, which is the master, the
    store, the load generator and the upstream. `busiest`: the largest share any worker had of the workers' CPU."""

    round: int
    workers: int
    rate: float  # requests per second
    worker_cpu: float
    other_cpu: float
    busiest: float
    failures: dict[str, int]


def measure_scaling(running: Bench, cores: Cores, line: str, rounds: int, requests: int) -> Iterator[Scale]:
    """One worker on a core of its own, and two on one each; all else runs where the kernel wants. In turn."""
    both = cores.proxy | cores.load
    others = [running.load, running.upstream.child]
    systems = []
    try:
        for child in others:
            os.sched_setaffinity(child.pid, both)
        for size in SIZES:
            command = Command(f"{size} workers", line, translates=True, workers=size)
            system = running.start(command, [_SCENARIO.model, "stream-1"], both)
            systems.append((size, system))
            _wait_for_all(system, size)
            for pid, core in zip(workers(system.child.pid), sorted(both), strict=False):
                os.sched_setaffinity(pid, {core})
        for number in range(rounds):
            for size, system in systems if number % 2 else systems[::-1]:
                yield _measure(running, replace(_SCENARIO, requests=requests), number, size, system, others)
    finally:
        for _, system in systems:
            system.child.stop()
        for child in others:
            os.sched_setaffinity(child.pid, cores.load)


def _wait_for_all(system: Running, size: int) -> None:
    """The first request was answered; by now the others are about to serve, too."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        with urllib.request.urlopen(f"http://127.0.0.1:{system.metrics_port}/metrics", timeout=5) as answer:
            if f"\n{_ACCEPTING}{size}.0\n" in answer.read().decode():
                return
        time.sleep(0.1)
    raise system.child.failure(f"does not have {size} workers that accept after {_READY_SECONDS} s")


def _measure(
    running: Bench, scenario: Scenario, number: int, size: int, system: Running, others: Sequence[Child]
) -> Scale:
    own = workers(system.child.pid)
    rest = [system.child.pid, *(child.pid for child in others)]
    tally, spent = running.drive(
        scenario.job(system.port, system.key, True), lambda: [own_cpu_seconds(pid) for pid in (*own, *rest)]
    )
    of_workers, of_others = spent[: len(own)], spent[len(own) :]
    return Scale(
        round=number,
        workers=size,
        rate=tally.requests / tally.wall,
        worker_cpu=sum(of_workers) / tally.requests * 1e6,
        other_cpu=sum(of_others) / tally.requests * 1e6,
        busiest=max(of_workers) / sum(of_workers),
        failures=tally.failures,
    )


@dataclass(frozen=True, slots=True)
class Scaling:
    """One worker and two, and two over one. `permitted`: the largest ratio of rates that this machine's cores allow,
    because they also run all else; `alone`: what the ratio comes to where all else runs elsewhere, reckoned from the
    cost of a request and from how evenly the two share."""

    rates: tuple[float, float]
    rate: Estimate
    per_cpu_second: tuple[float, float]
    efficiency: Estimate
    alone: Estimate
    permitted: float
    busiest: float
    failures: dict[str, int]


def scaling(samples: Sequence[Scale]) -> Scaling | None:
    """What the rounds come to; None if there were none."""
    one, two = ([each for each in samples if each.workers == size] for size in SIZES)
    if not one or not two:
        return None
    pairs = list(zip(one, two, strict=True))
    first = median(each.worker_cpu for each in one)
    failures: dict[str, int] = {}
    for each in samples:
        for reason, count in each.failures.items():
            failures[reason] = failures.get(reason, 0) + count
    return Scaling(
        rates=(median(each.rate for each in one), median(each.rate for each in two)),
        rate=estimate([b.rate / a.rate for a, b in pairs]),
        per_cpu_second=(1e6 / first, 1e6 / median(each.worker_cpu for each in two)),
        efficiency=estimate([a.worker_cpu / b.worker_cpu for a, b in pairs]),
        alone=estimate([a.worker_cpu / (b.worker_cpu * b.busiest) for a, b in pairs]),
        permitted=2 * first / (first + median(each.other_cpu for each in one)),
        busiest=median(each.busiest for each in two),
        failures=failures,
    )
