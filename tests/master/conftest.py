import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.master.stores import Scene

# What is at both ends of it: the master has the one loop, the workers have the other.
ON_BOTH_LOOPS = {"test_channel.py"}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    plain = {"asyncio": asyncio.new_event_loop}
    return {**plain, "uvloop": uvloop.new_event_loop} if item.path.name in ON_BOTH_LOOPS else plain


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    placed = Scene(tmp_path)
    yield placed
    await placed.close()
    shutil.rmtree(placed.run)
