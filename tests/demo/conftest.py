"""A fresh upstream for every test, and a client that reports exactly what was seen."""

from collections.abc import AsyncIterator

import pytest

from proxy.demo.upstream import ScriptedUpstream
from tests.demo.seeing import Client


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def client(upstream: ScriptedUpstream) -> AsyncIterator[Client]:
    async with Client(upstream.url) as client:
        yield client
