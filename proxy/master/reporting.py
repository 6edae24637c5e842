"""How this instance fares, gathered from whoever knows."""

import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

from proxy import __version__
from proxy.master.breaker_views import Told, unwell
from proxy.master.reloading import Reloading
from proxy.master.shared_state import SharedState
from proxy.master.status import ConfigurationStatus, Status, StoreStatus, WorkerStatus
from proxy.master.workers import Worker, Workers

State = Literal["starting", "serving", "draining"]
_WITHOUT_FILE = "there is no configuration file to keep it beside, so what it holds is gone when it ends"


def report(state: State, began: float, workers: Workers, shared: SharedState, reloading: Reloading) -> Status:
    """`began`: unix seconds."""
    alive = sorted(workers.alive.values(), key=lambda worker: worker.slot)
    told = [_of_worker(worker, state) for worker in alive]
    return Status(
        version=__version__,
        pid=os.getpid(),
        state=state,
        started=_date(began),
        uptime_seconds=round(time.time() - began, 3),
        in_flight=sum(worker.in_flight or 0 for worker in told),
        workers_configured=workers.size,
        workers=told,
        store=_of_store(shared),
        configuration=_of_configuration(reloading),
        breakers=unwell(told_of_breakers(alive), reloading.snapshot),
    )


def _of_worker(worker: Worker, state: State) -> WorkerStatus:
    """`state`: the master's; a worker drains when it does."""
    pulse = worker.pulse
    able: State = "draining" if state == "draining" else "serving"
    known = WorkerStatus(name=worker.name, pid=worker.process.pid, state=able if worker.is_ready else "starting")
    if pulse is None:
        return known
    return known.model_copy(
        update={
            "in_flight": pulse.in_flight,
            "connections": pulse.connections,
            "snapshot": pulse.snapshot,
            "pulse_age_seconds": round(time.monotonic() - worker.heard, 3),
            "store_problem": pulse.store,
        }
    )


def _of_store(shared: SharedState) -> StoreStatus:
    health, condition = shared.store.health, shared.condition
    known = StoreStatus(
        kind="embedded" if condition is not None else shared.address.kind,
        address=shared.address.shown,
        is_up=health.is_up,
        problem=health.kind,
        since_seconds=round(time.monotonic() - health.since, 3),
        revocations_problem=shared.revocations.problem if shared.keeps_files else "",
    )
    if condition is None:
        return known
    return known.model_copy(
        update={
            "not_kept": (condition.why_none or shared.lost_directory()) if shared.keeps_files else _WITHOUT_FILE,
            "refuses_writes": condition.refuses_writes,
            "pid": condition.pid,
            "restarts": condition.restarts,
            "quarantined": list(condition.quarantined),
        }
    )


def _of_configuration(reloading: Reloading) -> ConfigurationStatus:
    return ConfigurationStatus(
        number=reloading.number,
        file=reloading.source.name or None,
        loaded=_date(reloading.loaded_at),
        tried=_date(reloading.tried_at),
        problems=list(reloading.last.problems),
        waiting=list(reloading.last.waiting),
    )


def told_of_breakers(workers: Iterable[Worker]) -> Told:
    """By those who have said anything yet."""
    return {worker.name: worker.pulse.breakers for worker in workers if worker.pulse is not None}


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
