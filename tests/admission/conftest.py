"""A real store behind admission, which runs on the workers' loop."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from proxy.admission.shared_keys import SharedKeys
from proxy.store.client import Store
from tests.admission.keyring import STALENESS, Clock, Slow
from tests.store.conftest import binary, client, server, store

__all__ = ["binary", "client", "server", "store"]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def records(store: Store) -> Slow:
    return Slow(store)


@pytest.fixture
async def shared(records: Slow, clock: Clock) -> SharedKeys:
    """In contact, with a tenant `acme` in the store."""
    await records.create_tenant("acme", "comments")
    shared = SharedKeys(records, clock, STALENESS)
    await shared.refresh()
    return shared
