"""Clients of a running Segue: streams whose worker is known, a load of short requests, a watch over the counters."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.system.serving import SAID, Serving

PATHS = {
    "responses": "responses",
    "chat": "chat/completions",
    "messages": "messages",
    "domain": "responses",
}


class Stream(NamedTuple):
    """A stream under way; `worker`: the slot of who serves it."""

    answer: aiohttp.ClientResponse
    worker: int


def body_of(vocabulary: str, model: str) -> dict[str, Any]:
    """A streaming request of `vocabulary`."""
    said = {"input": "Hi"} if PATHS[vocabulary] == "responses" else {"messages": SAID}
    limit = {"max_tokens": 100_000} if vocabulary == "messages" else {}
    return {"model": model, "stream": True, **said, **limit}


def words(content: bytes) -> list[int]:
    """The numbers of the words that the scripted upstream sent, in order."""
    return [int(number) for number in re.findall(rb"word(\d+) ", content)]


async def everything(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """What still comes, and whether it ends as an answer should."""
    content = b""
    try:
        async for part in answer.content.iter_any():
            content += part
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        return content, False
    return content, True


@asynccontextmanager
async def streams(serving: Serving, count: int, model: str) -> AsyncIterator[list[Stream]]:
    """So many chat streams, each on a connection of its own, with headers out."""
    async with AsyncExitStack() as stack:
        begun = [stack.enter_async_context(serving.stream(model)) for _ in range(count)]
        answers: list[aiohttp.ClientResponse] = await asyncio.gather(*begun)
        owners = _owners(serving)
        yield [Stream(answer, owners[_own_port(answer)]) for answer in answers]


def _own_port(answer: aiohttp.ClientResponse) -> int:
    assert answer.connection is not None
    assert answer.connection.transport is not None
    return int(answer.connection.transport.get_extra_info("sockname")[1])


def _owners(serving: Serving) -> dict[int, int]:
    """The client's port of every connection -> the slot of the worker at its other end."""
    return {
        connection.raddr.port: slot
        for slot, process in serving.workers().items()
        for connection in process.net_connections("tcp")
        if connection.raddr and connection.laddr.port == serving.port
    }


class Load:
    """Short requests, each on a connection of its own. `seen`: status, `refused`, `cut` (accepted, then closed without
    an answer) or `hung`, and how often."""

    def __init__(self, serving: Serving, model: str, patience: float) -> None:
        self.seen: Counter[int | str] = Counter()
        self.slowest = 0.0
        self._serving = serving
        self._model = model
        self._patience = patience

    async def keep_asking(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self.seen[await self._outcome()] += 1
            self.slowest = max(self.slowest, loop.time() - began)

    async def _outcome(self) -> int | str:
        try:
            async with asyncio.timeout(self._patience):
                return await self._serving.ask(self._model)
        except TimeoutError:
            return "hung"
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.01)
            return "refused"
        except aiohttp.ClientError:
            return "cut"


@asynccontextmanager
async def load(serving: Serving, model: str, clients: int = 4, patience: float = 5.0) -> AsyncIterator[Load]:
    """As many clients ask one request after the other for as long as the block runs."""
    made = Load(serving, model, patience)
    asking = [asyncio.create_task(made.keep_asking()) for _ in range(clients)]
    try:
        yield made
    finally:
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


class Watch:
    """Looks at every counter, again and again. `falls`: those that once were lower than before."""

    def __init__(self, serving: Serving) -> None:
        self.looks = 0
        self.falls: list[str] = []
        self._serving = serving
        self._last: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.05)

    async def look(self) -> None:
        for name, labels, value in _counters((await self._serving.get("/metrics"))[1]):
            before = self._last.get((name, labels), 0.0)
            if value < before:
                self.falls.append(f"{name} {sorted(labels)}: {before} -> {value}")
            self._last[name, labels] = value
        self.looks += 1


def _counters(exposition: str) -> Iterable[tuple[str, frozenset[tuple[str, str]], float]]:
    for family in text_string_to_metric_families(exposition):
        if family.type in ("counter", "histogram"):
            for sample in family.samples:
                yield sample.name, frozenset(sample.labels.items()), sample.value


@asynccontextmanager
async def watch(serving: Serving) -> AsyncIterator[Watch]:
    made = Watch(serving)
    looking = asyncio.create_task(made.keep_looking())
    try:
        yield made
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        if looking.done() and not looking.cancelled():
            looking.result()
