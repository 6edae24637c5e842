"""`segue status`: how the instances fare that run."""

from collections.abc import Iterator
from datetime import UTC, datetime

import typer
from pydantic import ValidationError

from proxy.cli.admin_client import (
    AdminKeyFile,
    AsJson,
    Config,
    Instance,
    Url,
    everyone,
    instances,
    nobody,
    put,
    running,
)
from proxy.cli.files import fail
from proxy.cli.tables import columns
from proxy.master.status import BreakerStatus, ConfigurationStatus, Status, StoreStatus, WorkerStatus

_KINDS = {"embedded": "embedded", "single": "Redis", "sentinel": "Sentinel", "cluster": "Cluster"}
_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def run(config: Config = None, url: Url = None, admin_key_file: AdminKeyFile = None, as_json: AsJson = False) -> None:
    if config is None and url is None:
        found = running(everyone()) or fail("nothing runs: no instance of yours on this machine; see --url for others")
    else:
        found = instances(config, url, admin_key_file)
    if config is not None:
        found = running(found) or nobody(config)
    told = [_status(instance) for instance in found]
    for number, status in enumerate(told):
        if as_json:
            typer.echo(status.model_dump_json())
            continue
        if number:
            typer.echo()
        for line in described(status):
            typer.echo(line)


def _status(instance: Instance) -> Status:
    try:
        return Status.model_validate(put(instance, "GET", "status").body)
    except ValidationError:
        fail(f"{instance.place} tells its status in another way: it runs another version of Segue")


def described(status: Status) -> Iterator[str]:
    yield f"segue {status.version}, master {status.pid}, {status.state}, up for {_span(status.uptime_seconds)}"
    yield from _configuration(status.configuration)
    able = sum(worker.state != "starting" for worker in status.workers)
    verb = "drain" if status.state == "draining" else "serve"
    yield f"\nworkers: {able} of {status.workers_configured} {verb}; requests in flight: {status.in_flight}"
    if status.workers:
        head = ("name", "pid", "state", "in flight", "connections", "configuration", "last pulse")
        yield from columns([head, *map(_row, status.workers)], "  ")
    yield "\nstore"
    yield from (f"  {line}" for line in _store(status.store))
    cut_off = [worker for worker in status.workers if worker.store_problem]
    yield from (f"  {worker.name} does not reach it ({worker.store_problem})" for worker in cut_off)
    if status.breakers:
        yield "\nbreakers"
        yield from columns([_breaker(breaker) for breaker in status.breakers], "  ")


def _configuration(told: ConfigurationStatus) -> Iterator[str]:
    source = told.file or "the environment"
    yield f"configuration {told.number}, of {source}, loaded {_date(told.loaded)}"
    if told.problems:
        yield f"  the reload of {_date(told.tried)} failed:"
        yield from (f"    {problem}" for problem in told.problems)
    if told.waiting:
        yield f"  changed, but not before the next start: {', '.join(told.waiting)}"


def _row(worker: WorkerStatus) -> tuple[str, ...]:
    age = worker.pulse_age_seconds
    figures = (worker.in_flight, worker.connections, worker.snapshot)
    return (
        worker.name,
        str(worker.pid),
        worker.state,
        *("-" if figure is None else str(figure) for figure in figures),
        "-" if age is None else f"{age:.1f} s ago",
    )


def _breaker(breaker: BreakerStatus) -> tuple[str, ...]:
    wait = f"for {_span(breaker.retry_in_seconds)}" if breaker.retry_in_seconds else ""
    return breaker.name, breaker.state, breaker.detail, wait


def _store(store: StoreStatus) -> Iterator[str]:
    state = "up" if store.is_up else f"down ({store.problem})"
    times = "once" if store.restarts == 1 else f"{store.restarts} times"
    restarts = f", restarted {times}" if store.restarts else ""
    pid = f", pid {store.pid}" if store.pid is not None else ""
    yield f"{_KINDS[store.kind]} at {store.address}, {state} for {_span(store.since_seconds)}{pid}{restarts}"
    if store.not_kept:
        yield f"keeps nothing: {store.not_kept}"
    elif store.kind == "embedded":
        yield "keeps what it holds (append-only file)"
    if store.refuses_writes:
        yield f"takes no changes: {store.refuses_writes}"
    if store.revocations_problem:
        yield f"the list of revocations cannot be written: {store.revocations_problem}"
    yield from (f"data that could not be read: {directory}" for directory in store.quarantined)


def _date(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _span(seconds: float) -> str:
    """The two largest units of it."""
    rest = int(seconds)
    parts = []
    for size, unit in _STEPS:
        if rest >= size:
            parts.append(f"{rest // size} {unit}")
            rest %= size
    return " ".join([*parts, f"{rest} s"][:2])
