"""`segue serve` as an operator runs it: a process of its own that reads a file, the scripted upstream behind it."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from proxy.demo.children import Child, child
from proxy.demo.upstream import ScriptedUpstream
from tests.e2e.configuration import configuration

_READY_WITHIN = 20.0  # seconds; it takes less than one


class Serving:
    """One running process. `base`: its address up to and with /v1; `operations`: the second port's."""

    def __init__(self, running: Child, base: str, operations: str, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.base = base
        self.operations = operations
        self.session = session

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.running.pid, number)

    def post(self, path: str, **body: Any) -> Any:
        """The answer, to be entered with `async with`."""
        return self.session.post(f"{self.base}/{path}", json=body)

    def stream(self, model: str) -> Any:
        """A chat stream, to be entered with `async with`."""
        return self.post("chat/completions", model=model, messages=[{"role": "user", "content": "Hi"}], stream=True)

    async def get(self, path: str) -> tuple[int, str]:
        """Status and text of what the second port says, on a connection of its own."""
        async with self.session.get(f"{self.operations}{path}", headers={"connection": "close"}) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def served(
    upstream: ScriptedUpstream, folder: Path, routes: Mapping[str, Any], **more: Any
) -> AsyncIterator[Serving]:
    """Serves `routes` for as long as the block runs, unless it ends the process itself; `more` as for a stage."""
    written = configuration(upstream.url, routes, more)
    file = folder / "segue.yaml"
    file.write_text(written.text)
    command = (sys.executable, "-m", "proxy", "serve", "-c", str(file))
    headers = {"authorization": f"Bearer {written.key}"}
    async with (
        child("Segue", *command, environment=os.environ | written.environment) as running,
        aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(20)) as session,
    ):
        patterns = (r"\bready on (http\S+)", r"\bmetrics on (http\S+)/metrics")
        base, operations = await running.said(*patterns, within=_READY_WITHIN)
        yield Serving(running, base, operations, session)
