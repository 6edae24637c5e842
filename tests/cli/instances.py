"""`segue` against instances that run in the same process: a command is run in a thread of its own."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from proxy.cli.commands import application
from proxy.runtime.places import claim_run_directory
from tests.master.instance import Scene, playing
from tests.store.servers import Server


async def segue(*arguments: str) -> Result:
    return await asyncio.to_thread(_run, arguments)


def _run(arguments: tuple[str, ...]) -> Result:
    return CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)


@contextmanager
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run directories of this test's own, with short paths."""
    with tempfile.TemporaryDirectory(prefix="segue-test-") as place:
        monkeypatch.setenv("XDG_RUNTIME_DIR", place)
        yield


@asynccontextmanager
async def serving(server: Server, file: Path | None, **more: Any) -> AsyncIterator[Scene]:
    """An instance that serves `file`, where commands look for it."""
    run = claim_run_directory(str(file) if file is not None else None)
    try:
        async with playing(server, control=run.control_socket, **more) as scene:
            yield scene
    finally:
        os.close(run.descriptor)
