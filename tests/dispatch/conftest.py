"""A real store behind the breakers; and for time limits both loops: a worker has uvloop's."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.store.conftest import binary, server

__all__ = ["binary", "server"]

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    plain: dict[str, LoopFactory] = {"asyncio": asyncio.new_event_loop}
    return {**plain, "uvloop": uvloop.new_event_loop} if item.path.name == "test_time_limits.py" else plain
