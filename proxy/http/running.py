"""The requests being served: how many there are, whose they are, and how to end them before their time."""

import asyncio
from collections.abc import Callable, Iterable

from proxy.errors import ProxyError


class Run:
    """One request."""

    __slots__ = ("_error", "_is_cut", "_task", "key_id")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.key_id = ""
        self._task = task
        self._error: ProxyError | None = None
        self._is_cut = False

    def cut(self, error: ProxyError) -> None:
        """End it with `error`; only the first time counts."""
        if not self._is_cut:
            self._is_cut = True
            self._error = error
            self._task.cancel()

    def why(self) -> ProxyError:
        """To be asked when it was cancelled: what it was cut with; its cancellation is over then. Raises CancelledError
        if that was not the reason, or was told already: its client is gone."""
        error, self._error = self._error, None
        if error is None:
            raise asyncio.CancelledError
        self._task.uncancel()
        return error


class Running:
    """All of one process. `count` is told how many there are, and how many more will be in a moment, whenever that
    changes: of a burst, a process would accept everything before the first request of it runs."""

    def __init__(self, count: Callable[[int, int], None]) -> None:
        self._runs: set[Run] = set()
        self._expected = 0
        self._count = count

    def __len__(self) -> int:
        return len(self._runs)

    def enter(self) -> Run:
        """The current task serves a request from now on, until `leave`."""
        task = asyncio.current_task()
        assert task is not None
        run = Run(task)
        self._runs.add(run)
        self._count(len(self._runs), self._expected)
        return run

    def leave(self, run: Run) -> None:
        self._runs.discard(run)
        self._count(len(self._runs), self._expected)

    def expect(self, more: int) -> None:
        """So many more connections than before have yet to send a request."""
        self._expected += more
        self._count(len(self._runs), self._expected)

    def cut(self, error: ProxyError, key_ids: Iterable[str] | None = None) -> None:
        """End them all, or those of some keys, with `error`: as a status while nothing was sent, else in the stream."""
        wanted = None if key_ids is None else frozenset(key_ids)
        for run in list(self._runs):
            if wanted is None or run.key_id in wanted:
                run.cut(error)
