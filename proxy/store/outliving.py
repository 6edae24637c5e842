"""Work that goes on when whoever waits for it is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Outliving(Generic[T]):
    """Tasks of one kind. An exception that nobody is left to hear is dropped: it was about their call alone.
    (asyncio.shield would log it.)"""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[T]] = set()

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def ends(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The task, done. Waiting for it may be cancelled, and the work goes on."""
        task = self.begin(work)
        await asyncio.wait((task,))
        return task

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def join(self) -> None:
        """Waits for all of them."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
