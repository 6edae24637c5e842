"""One cell asked once; and many clients that ask one after the other, each on a connection that it keeps."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tests.chaos.instance import Instance
from tests.chaos.wire import Answer, Connection, exchanged, request_of
from tests.matrix.cells import TIMEOUTS, Cell

PATIENCE = TIMEOUTS["total_seconds"] + 12.0
_DEAD = 0.3  # seconds that a process may take from losing its connections to its end
_SAID = "pack my box with five dozen liquor jugs and walk home by the long way round"

Ended = Literal["under way", "whole", "cut", "unanswered", "not connected", "left", "hung"]


class Job(NamedTuple):
    """A cell to be asked; `number` makes the question one of its kind. `leaves_after`: seconds after which the client
    loses interest."""

    cell: Cell
    number: int
    leaves_after: float | None = None

    @property
    def said(self) -> str:
        """Of a length of its own, so that the pieces of the answer end in different places."""
        return f"number {self.number}, {_SAID[: 12 + self.number % 60]}"

    @property
    def whole(self) -> str:
        """The text of the right answer."""
        return self.cell.answer_to(self.said)


@dataclass(slots=True, eq=False)
class Asked:
    """What became of a job. `opened`, `port`: of its connection. Times are monotonic."""

    job: Job
    sent: float
    opened: float = 0.0
    port: int = 0
    over: float = 0.0
    answer: Answer = field(default_factory=Answer)
    ended: Ended = "under way"

    @property
    def cell(self) -> Cell:
        return self.job.cell

    @property
    def request_id(self) -> str:
        return self.answer.headers.get("x-request-id", "")

    def __str__(self) -> str:
        seconds = (self.over or time.monotonic()) - self.sent
        told = bytes(self.answer.content[-400:]).decode(errors="replace")
        return (
            f"{self.cell.name}, number {self.job.number}, {self.ended} after {seconds:.2f} s, status "
            f"{self.answer.status}, {self.request_id}, port {self.port}, {len(self.answer.content)} bytes, the last: "
            f"{told}"
        )


class Clients:
    """Ask `instance` on behalf of the holder of `key`; each answer goes to `consider`."""

    def __init__(self, instance: Instance, key: str, consider: Callable[[Asked], None]) -> None:
        self._instance = instance
        self._key = key
        self._consider = consider

    async def ask_all(self, jobs: Iterable[Job], count: int) -> None:
        """So many at a time, until there are no more jobs."""
        left = iter(jobs)
        await asyncio.gather(*(self._client(left) for _ in range(count)))

    async def ask(self, job: Job) -> Asked:
        """On a connection of its own; not considered."""
        async with self._connection() as kept:
            return await self._asked(job, kept)

    async def _client(self, jobs: Iterator[Job]) -> None:
        async with self._connection() as kept:
            for job in jobs:
                self._consider(await self._asked(job, kept))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[list[Connection]]:
        """A place for the one that is kept."""
        kept: list[Connection] = []
        try:
            yield kept
        finally:
            for connection in kept:
                connection.close()

    async def _asked(self, job: Job, kept: list[Connection]) -> Asked:
        asked = Asked(job, time.monotonic())
        cell = job.cell
        wire = request_of(cell.vocabulary, self._key, cell.members, job.said, cell.headers)
        try:
            async with asyncio.timeout(PATIENCE):
                if not (kept and kept[0].is_usable):
                    kept[:] = [await Connection.open(self._instance.port)]
                asked.opened, asked.port = kept[0].opened, kept[0].port
                asked.ended = await exchanged(kept[0], wire, asked.answer, job.leaves_after)
        except TimeoutError:
            asked.ended = "hung"
            for connection in kept:
                connection.leave()
        except OSError:
            asked.ended = "not connected"
        asked.over = time.monotonic()
        if asked.ended in ("cut", "unanswered"):
            await asyncio.sleep(_DEAD)
        return asked
