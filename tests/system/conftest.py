"""The upstream of a test, in the test's own event loop."""

from collections.abc import AsyncIterator

import pytest

from proxy.demo.upstream import ScriptedUpstream


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream
