"""Every test that wants a server runs on the one in the wheel and, with the system tests, on Debian's Redis 7.0, the
oldest that Segue works with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop

from proxy.store.client import Store
from proxy.store.scripts import Script
from tests.store.recording import TIMEOUT, Recorded, recorded
from tests.store.servers import REDIS, VALKEY, Server, running

Run = Callable[..., Awaitable[Any]]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# The two loops fail in different ways: the master has one, the workers have the other.
ON_BOTH_LOOPS = {"test_pool.py", "test_outages.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    plain: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    return {**plain, "uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH_LOOPS else plain


@pytest.fixture(
    scope="session",
    params=[pytest.param(VALKEY, id="valkey"), pytest.param(REDIS, id="redis", marks=pytest.mark.system)],
)
def binary(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def server(binary: Path) -> Iterator[Server]:
    """On a socket of its own, empty."""
    with running(binary) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Recorded]:
    """A patient client of `server`, and what it tells."""
    async with recorded(server.address) as client:
        yield client


@pytest.fixture
async def hasty(server: Server) -> AsyncIterator[Recorded]:
    """The same, with no more time than in production."""
    async with recorded(server.address, TIMEOUT) as client:
        yield client


@pytest.fixture
def store(client: Recorded) -> Store:
    return client.store


@pytest.fixture
def run(store: Store) -> Run:
    """Runs a script of the package by its name, on `server`: `await run("probe", ["key"], ["argument"])`."""

    async def run(name: str, keys: Sequence[str], arguments: Sequence[str] = ()) -> Any:
        return await store.run(Script(name), keys, arguments)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Script]:
    """Makes a script of its text, header included."""
    count = 0

    def write(text: str) -> Script:
        nonlocal count
        count += 1
        (tmp_path / f"{count}.lua").write_text(text)
        return Script(str(count), tmp_path)

    return write
