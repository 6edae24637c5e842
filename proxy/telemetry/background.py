"""Work that goes on beside everything else: if it fails, the log says so then and there."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """To be held, and cancelled when it is to end. `name`: for the log."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_told)
    return task


def _told(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        context = {"message": f"{task.get_name()} failed and does not go on", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
