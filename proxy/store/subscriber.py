"""Published messages, on a connection of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError, RedisError

from proxy.store.servers import Servers

_CONNECT_SECONDS = 2.0
_SILENT_SECONDS = 5.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class Message(NamedTuple):
    """`data` None: listening began, or began again; read what may have been missed, for from now on nothing is."""

    channel: str
    data: str | None


class Subscriber:
    """Reconnects for ever, with pauses that grow and vary. A server that stays silent is asked whether it is there.
    Even so, whoever must not miss anything reads the state beside it, now and then."""

    def __init__(
        self,
        servers: Servers,
        channels: tuple[str, ...],
        jitter: Callable[[], float],
        silence: float = _SILENT_SECONDS,
    ) -> None:
        """`silence`: seconds without a message after which the server is asked, and again until it is given up."""
        self._servers = servers
        self._channels = channels
        self._jitter = jitter
        self._silence = silence

    async def messages(self) -> AsyncIterator[Message]:
        """Never ends by itself and raises nothing."""
        pause = _SHORTEST_PAUSE
        while True:
            with suppress(RedisError, OSError):
                connection = await self._connected()
                try:
                    for channel in self._channels:
                        yield Message(channel, None)
                    pause = _SHORTEST_PAUSE
                    while True:
                        message = _message(await self._next(connection))
                        if message is not None:
                            yield message
                finally:
                    await connection.disconnect(nowait=True)
            await asyncio.sleep(pause * (0.5 + self._jitter()))
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _connected(self) -> AbstractConnection:
        """Subscribed to all channels."""
        connection = await self._servers.listening()
        is_ready = False
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("SUBSCRIBE", *self._channels)
                for _ in self._channels:
                    await connection.read_response()
            is_ready = True
        finally:
            if not is_ready:
                await connection.disconnect(nowait=True)
        return connection

    async def _next(self, connection: AbstractConnection) -> Any:
        """The next thing the server says. Raises ConnectionError when it says nothing even if asked."""
        said = await connection.read_response(timeout=self._silence)
        if said is None:
            await connection.send_command("PING")
            said = await connection.read_response(timeout=self._silence)
        if said is None:
            raise ConnectionError("silent")
        return said


def _message(said: Any) -> Message | None:
    """None for what is no message: the answer to a PING."""
    if said[0] != b"message":
        return None
    return Message(said[1].decode(), said[2].decode(errors="replace"))
