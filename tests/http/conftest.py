"""The stage of the end-to-end tests, for what HTTP clients do to a server."""

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop

from tests.e2e.conftest import backstage, open_stage
from tests.e2e.harness import Backstage, OpenStage

__all__ = ["backstage", "open_shared", "open_stage"]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The workers' loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="module")
def open_shared() -> Iterator[OpenStage]:
    """Opens stages for all tests of a module, in a loop of their own, so that nothing of theirs is taken for a leak."""
    backstage = Backstage()
    stages = OpenStage(backstage)
    yield stages
    stages.close()
    backstage.close()
