"""The systems under measurement: how each is started, and when it counts as ready."""

import http.client
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.children import Child, Family, free_port
from bench.config import TENANT_KEY, configuration
from bench.load import PATHS

DIRECT = "upstream alone"
BARE = "bare proxy"
SEGUE = "Segue"

BARE_COMMAND = "{python} -m bench.bare --port {port} --upstream {upstream}"
SEGUE_COMMAND = "{python} -m proxy serve -c {config}"
_READY_SECONDS = 30
_QUESTION = json.dumps({"model": "fixed", "messages": [{"role": "user", "content": "Ready?"}]}).encode()


@dataclass(frozen=True, slots=True)
class Command:
    """A way to start a system: a command line with {python}, {port}, {upstream} and {config} to be filled in."""

    name: str
    line: str
    translates: bool  # may its client speak another vocabulary than the upstream?
    workers: int | None = 1  # how many processes serve; None = its configuration has no such field


@dataclass(slots=True)
class Running:
    """A system that answers on `port`, and of whose metrics `metrics_port` tells; `ready_after` is in seconds from its
    start."""

    name: str
    child: Child
    port: int
    translates: bool = False
    key: str = "none"
    metrics_port: int = 0
    ready_after: float = field(default=0.0)


def start_upstream(family: Family, cores: set[int], log: Path) -> Running:
    child = family.spawn([sys.executable, "-m", "bench.upstream"], cores, log, talks=True)
    return Running(DIRECT, child, int(child.hear()))


def start(
    family: Family, command: Command, models: Sequence[str], upstream_port: int, cores: set[int], folder: Path
) -> Running:
    """Start a system in front of the upstream and wait until it has answered its first request.

    Raises `ChildError` when it ends before, or takes too long.
    """
    port, metrics_port = free_port(), free_port()
    place = folder / str(port)  # the store's data lie beside the configuration
    place.mkdir()
    config = place / "segue.yaml"
    setup = configuration(port, metrics_port, upstream_port, models, command.workers)
    config.write_text(setup.text)
    filled = {
        "python": shlex.quote(sys.executable),
        "port": str(port),
        "upstream": f"http://127.0.0.1:{upstream_port}",
        "config": shlex.quote(str(config)),
    }
    argv = shlex.split(command.line.format_map(filled))
    started = time.perf_counter()
    child = family.spawn(argv, cores, place / "log", setup.environment)
    running = Running(command.name, child, port, command.translates, TENANT_KEY, metrics_port)
    _wait_until_ready(running)
    running.ready_after = time.perf_counter() - started
    return running


def _wait_until_ready(running: Running) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    seen = "nothing listens"
    while time.monotonic() < deadline:
        if running.child.has_ended():
            raise running.child.failure("ended before it was ready")
        try:
            status = _status_of_question(running.port, {"authorization": f"Bearer {running.key}"})
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.004)
            continue
        if status == 200:
            return
        seen = f"status {status}"
        time.sleep(0.05)
    raise running.child.failure(f"was not ready after {_READY_SECONDS} s: {seen}")


def _status_of_question(port: int, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", PATHS["chat"], _QUESTION, {"content-type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()
