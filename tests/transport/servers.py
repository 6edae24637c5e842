"""Servers that say exactly the bytes a test wants, and count what reached them."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(converse: Converse) -> AsyncIterator[int]:
    """A server that has `converse` talk on each connection; its port.

    When it ends, none of its sockets is left: the loop of a test closes before they would close by themselves.
    """
    talks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        talks.add(talk)
        writers.append(writer)
        try:
            await converse(reader, writer)
        finally:
            talks.discard(talk)

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.001)  # who was accepted just now gets as far as `attend`
        for talk in list(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.001)  # in which the transports close their sockets


class RawServer:
    """Plays `replies` in turn, one per request, whatever connection it comes on. A reply of None says nothing."""

    def __init__(self, *replies: "bytes | Ending | None") -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0
        self.closed = asyncio.Event()
        self._serving = serving(self._serve)

    async def __aenter__(self) -> Self:
        self.url = f"http://127.0.0.1:{await self._serving.__aenter__()}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._serving.__aexit__(kind, error, trace)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                self.requests.append(head + await reader.readexactly(length))
                reply = self.replies.pop(0) if self.replies else None
                if isinstance(reply, Ending):
                    writer.write(reply.before)
                    await writer.drain()
                    _end(writer, with_reset=reply.reset)
                    return
                writer.write(reply or b"")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self.closed.set()


class Ending:
    """Says `before`, then closes, or resets, the connection."""

    def __init__(self, before: bytes = b"", *, reset: bool = False) -> None:
        self.before = before
        self.reset = reset


def _end(writer: asyncio.StreamWriter, *, with_reset: bool) -> None:
    if with_reset:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if end else b"")
