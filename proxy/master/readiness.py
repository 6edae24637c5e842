"""Whether an instance should get traffic, and what is wrong with it all the same."""

from collections.abc import Iterator
from typing import NamedTuple

from proxy.master.status import Status, StoreStatus
from proxy.runtime.snapshot import Snapshot


class Readiness(NamedTuple):
    """`refusal`: why no requests should come here, "" if they may; `degraded`: a sentence for each thing that should
    not stay as it is."""

    refusal: str
    degraded: tuple[str, ...]


def judge(status: Status, snapshot: Snapshot) -> Readiness:
    """Not ready only while starting, while draining, or when no tenant can be served: everything else is worth telling,
    but taking the instance away would not make it better (contract §10)."""
    return Readiness(_refusal(status, snapshot), tuple(_degraded(status)))


def _refusal(status: Status, snapshot: Snapshot) -> str:
    if status.state != "serving":
        return status.state
    if not any(worker.state == "serving" for worker in status.workers):
        return "no worker serves"
    is_store_lost = not status.store.is_up and status.store.since_seconds > snapshot.store.key_staleness
    if is_store_lost and not snapshot.keys:
        return "all keys are in the store, and it cannot be reached"
    return ""


def _degraded(status: Status) -> Iterator[str]:
    serving = sum(worker.state != "starting" for worker in status.workers)
    if serving < status.workers_configured:
        yield f"{serving} of {status.workers_configured} workers serve"
    number = status.configuration.number
    behind = [worker.name for worker in status.workers if worker.snapshot not in (None, number)]
    if behind:
        yield f"configuration {number} is not served by {', '.join(behind)}"
    if status.configuration.problems:
        yield f"the last reload failed: {'; '.join(status.configuration.problems)}"
    yield from _of_store(status.store)
    cut_off = [worker.name for worker in status.workers if worker.store_problem]
    if status.store.is_up and cut_off:
        yield f"the store is not reached by {', '.join(cut_off)}"
    for breaker in status.breakers:
        if breaker.state != "closed":
            yield f"breaker of {breaker.name} is {breaker.state} ({breaker.detail})"


def _of_store(store: StoreStatus) -> Iterator[str]:
    if not store.is_up:
        yield f"the store cannot be reached ({store.problem})"
    if store.refuses_writes:
        yield f"the store takes no changes: {store.refuses_writes}"
    if store.not_kept:
        yield f"the store keeps nothing: {store.not_kept}"
    if store.revocations_problem:
        yield f"revocations are not kept outside the store: {store.revocations_problem}"
    for directory in store.quarantined:
        yield f"data of the store could not be read and lie in {directory}"
