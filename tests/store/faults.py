"""What stands between a client and a server, or in a server's place, and misbehaves."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from proxy.runtime.store_address import StoreAddress, parse_store_url

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Streams) -> AsyncIterator[int]:
    """On the port given. `serve` has each connection until it returns; what it raises is nobody's business."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await serve(reader, writer)
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def answering(answer: bytes, closes: bool = False) -> AsyncIterator[StoreAddress]:
    """A server with one answer to everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(answer)
            if closes:
                return

    async with listening(serve) as port:
        yield parse_store_url(f"redis://127.0.0.1:{port}")


class Middle:
    """Passes everything on, between its port and the server's. `delay`: seconds by which each connection's first answer
    comes late. `swallows`: an answer to a request that holds these bytes is kept, and the connection reset instead.
    `forgotten`: of that many connections, counted from the first, nothing is passed on any more."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self.delay = 0.0
        self.swallows: bytes | None = None
        self.connections = 0
        self.forgotten = 0
        self._server_port = server_port
        self._clients: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._clients.add(writer)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        try:
            delay = self.delay
            while request := await reader.read(65536):
                if number <= self.forgotten:
                    continue
                to_server.write(request)
                answer = await from_server.read(65536)
                if self.swallows is not None and self.swallows in request:
                    reset(writer)
                    return
                await asyncio.sleep(delay)
                delay = 0.0
                writer.write(answer)
        finally:
            self._clients.discard(writer)
            to_server.close()

    def reset_all(self) -> None:
        """As a load balancer does that forgets idle connections."""
        for writer in self._clients:
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Closes the connection so that the other side gets an error, not an end."""
    end: socket.socket = writer.get_extra_info("socket")
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def between(server_port: int) -> AsyncIterator[Middle]:
    middle = Middle(server_port)
    async with listening(middle.serve) as middle.port:
        yield middle
