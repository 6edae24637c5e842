"""Where the servers of a store are: one, the master that Sentinels name, or the nodes of a cluster."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from redis.asyncio.connection import AbstractConnection

from proxy.runtime.store_address import StoreAddress
from proxy.store.pool import Pool, connection_to

Command = tuple[str | bytes, ...]


class Node(NamedTuple):
    host: str
    port: int


class Servers(Protocol):
    """What the client asks of all three. Errors are redis-py's and the system's; whoever awaits sets the time."""

    def place(self, key: str) -> str:
        """Names the server that has this key, as far as is known: what fails there says nothing of other places."""

    async def execute(self, key: str, command: Command) -> Any:
        """Asks the server that has the key, once. Only an answer that says who has it instead is followed."""

    async def suspect(self, key: str) -> None:
        """The server that has the key failed: drops what else is connected to it, and looks in the background where the
        key is now. Does not wait."""

    async def listening(self) -> AbstractConnection:
        """A connection, not yet connected, to a server that hears what is published."""

    async def close(self) -> None: ...


class OneServer:
    """At a host and port, or a socket."""

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._pool = Pool(self._connection)

    def _connection(self) -> AbstractConnection:
        host, port = self._address.hosts[0] if self._address.hosts else ("", 0)
        return connection_to(self._address, host, port)

    def place(self, key: str) -> str:
        return ""

    async def execute(self, key: str, command: Command) -> Any:
        return await self._pool.execute(command)

    async def suspect(self, key: str) -> None:
        await self._pool.drop_idle()

    async def listening(self) -> AbstractConnection:
        return self._connection()

    async def close(self) -> None:
        await self._pool.close()


class Lookup:
    """One search at a time for where the servers are. It goes on without whoever began it, because it may take longer
    than they have."""

    def __init__(self, search: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """`search` raises nothing."""
        self._search = search
        self._running: asyncio.Task[None] | None = None

    def begin(self) -> asyncio.Task[None]:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._search())
        return self._running

    async def done(self) -> None:
        """Waits for the search under way, or for one begun now."""
        await asyncio.wait((self.begin(),))

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))
