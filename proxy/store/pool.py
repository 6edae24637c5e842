"""Connections to one server. redis-py makes and speaks them; who has which is decided here, because its own pools give
a call several ways to wait longer than it may, and cost as much again as the exchange itself."""

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError

from proxy.runtime.store_address import StoreAddress
from proxy.store.outliving import Outliving

_AT_ONCE = 16
_CONNECT_SECONDS = 2.0


def connection_to(address: StoreAddress, host: str = "", port: int = 0) -> AbstractConnection:
    """Not yet connected. To this host and port with the address's credentials and TLS, or to its socket. Nothing is
    tried twice, and reads have no timeout: whoever uses it sets one."""
    settings: dict[str, Any] = {
        "db": address.database,
        "username": address.username or None,
        "password": address.password or None,
        "protocol": 2,
        "socket_timeout": None,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
    }
    if address.path:
        return UnixDomainSocketConnection(path=address.path, **settings)
    if not address.is_tls:
        return Connection(host=host, port=port, **settings)
    connection = SSLConnection(host=host, port=port, **settings)
    connection.ssl_context.context = trust()
    return connection


@cache
def trust() -> ssl.SSLContext:
    """What the system trusts, or SSL_CERT_FILE names. Read once: for every connection it would block the loop anew."""
    return ssl.create_default_context()


async def ask_once(connection: AbstractConnection, *command: str) -> Any:
    """One exchange over a connection of its own. Raises a RedisError or OSError; waits without limit."""
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command(*command)
        return await connection.read_response()
    finally:
        await connection.disconnect(nowait=True)


class Pool:
    """At most 16 exchanges at a time. A connection whose exchange did not end with a whole reply is not used again."""

    def __init__(self, connect: Callable[[], AbstractConnection]) -> None:
        self._make = connect
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[AbstractConnection] = []
        self._connecting: Outliving[None] = Outliving()
        self._is_closed = False

    async def execute(self, *commands: tuple[str | bytes, ...]) -> Any:
        """Sends commands over one connection, once, and returns the last one's reply: bytes, int, None, or lists of
        them. Raises a RedisError or OSError. Waits without limit, but may be cancelled at any time."""
        async with self._turns:
            connection = await self._connected()
            is_clean = False
            try:
                packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]
                await connection.send_packed_command(b"".join(packed))
                replies = [await _reply(connection) for _ in commands]
                is_clean = True
            finally:
                if is_clean and not self._is_closed:
                    self._idle.append(connection)
                else:
                    await connection.disconnect(nowait=True)
        if isinstance(replies[-1], ResponseError):
            raise replies[-1]
        return replies[-1]

    async def drop_idle(self) -> None:
        """After one connection failed the others are suspect: a server that went away silently took them all along."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Exchanges under way end first, or with whoever waits for them."""
        self._is_closed = True
        self._connecting.cancel()
        await self._connecting.join()
        await self.drop_idle()

    async def _connected(self) -> AbstractConnection:
        while self._idle:
            connection = self._idle.pop()
            # What was said without a question would pass for the answer to the next one.
            if _is_open(connection) and not await connection.can_read():
                return connection
            await connection.disconnect(nowait=True)
        while True:
            # Goes on when the caller's time is over: where connecting takes longer than a call may, the next one finds
            # it done.
            connecting = await self._connecting.ends(self._connect())
            if connecting.cancelled():
                raise ConnectionError("no longer connected to: there is another server now")
            connecting.result()
            if self._idle:  # else another call was faster to take it
                connection = self._idle.pop()
                if _is_open(connection):
                    return connection
                await connection.disconnect(nowait=True)
                raise ConnectionError("the server closed the connection at once")

    async def _connect(self) -> None:
        connection = self._make()
        is_ready = False
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
            if self._is_closed:
                raise ConnectionError(f"no longer connecting to {connection!r}")
            is_ready = True
        finally:
            if is_ready:
                self._idle.append(connection)
            else:
                await connection.disconnect(nowait=True)


def _is_open(connection: AbstractConnection) -> bool:
    """redis-py itself does not notice a reset. Writing after it would fail, and under uvloop with a RuntimeError."""
    writer = connection._writer
    return writer is not None and not writer.is_closing()


async def _reply(connection: AbstractConnection) -> Any:
    """An error reply is a reply: the connection is as good as before."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
