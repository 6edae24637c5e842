"""`segue` against instances that run in the same process: a command is run in a thread of its own."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from proxy.cli.commands import application
from proxy.runtime.places import claim_run_directory
from tests.master.instance import Scene, playing
from tests.store.servers import Server


async def segue(*arguments: str) -> Result:
    return await asyncio.to_thread(_run, arguments)


def _run(arguments: tuple[str, ...]) -> Result:
    return CliRunner().invoke(application(arguments), arguments, catch_exceptions=False)


@asynccontextmanager
async def serving(server: Server, file: Path | None, **more: Any) -> AsyncIterator[Scene]:
    """An instance that serves `file`, where commands look for it."""
    run = claim_run_directory(str(file) if file is not None else None)
    try:
        async with playing(server, control=run.control_socket, **more) as scene:
            yield scene
    finally:
        os.close(run.descriptor)
