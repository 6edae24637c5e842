"""`segue serve` as an operator runs it: processes of its own that read a file, the scripted upstream behind them."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from proxy.demo.children import Child, child
from proxy.demo.upstream import ScriptedUpstream
from tests.e2e.configuration import Written, configuration

_READY_WITHIN = 20.0  # seconds; it takes less than one
_GONE_WITHIN = 5.0
_PATIENCE = 10.0
PULSE = 1.3  # seconds: a second between pulses, and room
SAID = [{"role": "user", "content": "Hi"}]


class Serving:
    """One running master and what belongs to it. `base`: its address up to and with /v1; `operations`: the second
    port's; `file`: its configuration; `run`: where its run directory is made; `lines`: all it printed."""

    def __init__(
        self, upstream_url: str, file: Path, run: Path, environment: Mapping[str, str], session: aiohttp.ClientSession
    ) -> None:
        self.file = file
        self.run = run
        self.environment = dict(environment)
        self.session = session
        self.can_tidy_up = True  # not if it is killed
        self.lines: list[str] = []
        self.running: Child
        self.base = ""
        self.operations = ""
        self._upstream_url = upstream_url
        self._seen: set[psutil.Process] = set()

    @property
    def port(self) -> int:
        port = urlsplit(self.base).port
        assert port is not None
        return port

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.running.pid, number)

    def write(self, routes: Mapping[str, Any], **more: Any) -> Written:
        """Write its configuration anew, in place of the old one at once."""
        written = configuration(self._upstream_url, routes, more)
        beside = self.file.with_suffix(".next")
        beside.write_text(written.text)
        beside.replace(self.file)
        return written

    def family(self) -> list[psutil.Process]:
        """Its children, which are remembered."""
        found = psutil.Process(self.running.pid).children(recursive=True)
        self._seen.update(found)
        return found

    def workers(self) -> dict[int, psutil.Process]:
        """By slot."""
        commands = [(_command_of(process), process) for process in self.family()]
        return {int(words[4]): process for words, process in commands if "proxy.worker" in words}

    def store(self) -> psutil.Process:
        [found] = [process for process in self.family() if "valkey-server" in " ".join(_command_of(process))]
        return found

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines about this event, in order."""
        told = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in told if line["event"] == event]

    async def left_nothing(self) -> None:
        """Waits until none of its processes and sockets is left."""
        await until(lambda: not any(map(is_alive, self._seen)), _GONE_WITHIN)
        left = [path.name for path in self.run.rglob("*.sock")]
        assert left == [] or not self.can_tidy_up, left

    def sweep(self) -> None:
        """After a test that failed, a process may be left, even a frozen one."""
        for process in filter(is_alive, self._seen):
            process.kill()

    def post(self, path: str, **body: Any) -> Any:
        """The answer, to be entered with `async with`."""
        return self.session.post(f"{self.base}/{path}", json=body)

    def stream(self, model: str) -> Any:
        """A chat stream, to be entered with `async with`."""
        return self.post("chat/completions", model=model, messages=SAID, stream=True)

    async def ask(self, model: str) -> int:
        """The status of an ordinary request on a connection of its own."""
        body = {"model": model, "messages": SAID}
        headers = {"connection": "close"}
        async with self.session.post(f"{self.base}/chat/completions", json=body, headers=headers) as answer:
            await answer.read()
            return int(answer.status)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of what the second port says, on a connection of its own."""
        async with self.session.get(f"{self.operations}{path}", headers={"connection": "close"}) as answer:
            return answer.status, await answer.text()

    async def degraded(self) -> list[str]:
        """What /readyz says is not as it should be."""
        found: list[str] = json.loads((await self.get("/readyz"))[1])["degraded"]
        return found

    async def status(self) -> dict[str, Any]:
        """What /admin/status says over the control socket."""
        [path] = self.run.rglob("control.sock")
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local,
            local.get("http://segue/admin/status") as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, as it is shown now: a second old at most."""
        families = text_string_to_metric_families((await self.get("/metrics"))[1])
        samples = [sample for family in families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


async def until(holds: Callable[[], bool | Awaitable[bool]], within: float = _PATIENCE) -> None:
    """Waits for something that happens elsewhere. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while True:
            found = holds()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def served(
    upstream: ScriptedUpstream, folder: Path, routes: Mapping[str, Any], run: Path | None = None, **more: Any
) -> AsyncIterator[Serving]:
    """Serves `routes` for as long as the block runs, unless it ends the process itself; `run`: that of an earlier one;
    `more` as for a stage. Raises AssertionError or TimeoutError if anything of it is left."""
    written = configuration(upstream.url, routes, more)
    file = folder / "segue.yaml"
    file.write_text(written.text)
    command = (sys.executable, "-m", "proxy", "serve", "-c", str(file))
    headers = {"authorization": f"Bearer {written.key}"}
    connector = aiohttp.TCPConnector(limit=0)
    with tempfile.TemporaryDirectory(prefix="segue-run-") as made:  # sockets need a short path
        run = run or Path(made)
        environment = os.environ | written.environment | {"XDG_RUNTIME_DIR": str(run)}
        async with aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(20), connector=connector
        ) as session:
            serving = Serving(upstream.url, file, run, environment, session)
            try:
                async with child("Segue", *command, environment=environment, listen=serving.lines.append) as running:
                    serving.running = running
                    patterns = (r"\bready on (http\S+)", r"\bmetrics on (http\S+)/metrics")
                    serving.base, serving.operations = await running.said(*patterns, within=_READY_WITHIN)
                    serving.family()
                    yield serving
                    with suppress(psutil.NoSuchProcess):
                        serving.family()
                await serving.left_nothing()
            finally:
                serving.sweep()


async def all_ready(serving: Serving, count: int = 2) -> dict[int, psutil.Process]:
    """Waits until so many workers serve; returns them."""

    async def is_so() -> bool:
        states = [worker["state"] for worker in (await serving.status())["workers"]]
        return states == ["serving"] * count

    await until(is_so)
    return serving.workers()
