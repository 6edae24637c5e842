"""Providers whose HTTP is wrong: a second answer nobody asked for, content codings that trickle or explode."""

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
import zstandard

from proxy.errors import UpstreamFault
from proxy.transport.exchange import Call
from proxy.transport.http1_pool import Http1Transport
from tests.transport.servers import Converse, RawServer, answer, chunked, serving

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda content: brotli.compress(content, quality=1),
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.fixture(name="transport")
async def a_transport() -> AsyncIterator[Http1Transport]:
    transport = Http1Transport()
    yield transport
    await transport.close()


def call(url: str) -> Call:
    return Call(url, {"content-type": "application/json"}, b"{}", 2.0)


def trickling(*pieces: bytes) -> Converse:
    """Says one reply per connection, piece by piece, each as a packet of its own."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n{}")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.005)
        writer.close()

    return converse


async def read(transport: Http1Transport, url: str) -> bytes:
    exchange = await transport.open(call(url))
    try:
        async with asyncio.timeout(5):
            return await exchange.read_all(1 << 20)
    finally:
        exchange.close()


async def test_a_second_answer_is_never_part_of_the_first(transport: Http1Transport):
    async with RawServer(chunked(b"mine") + answer(b"of somebody else"), answer(b"next")) as server:
        with contextlib.suppress(UpstreamFault):  # just as good: such a connection cannot be trusted
            assert await read(transport, server.url) == b"mine"
        assert await read(transport, server.url) == b"next"
        assert server.connections == 2, "a connection that said too much was used again"


async def test_a_second_answer_while_draining_does_not_pool_the_connection_twice(transport: Http1Transport):
    """Two requests would share one connection, and one client would read the other's answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"{}")
            writer.write(chunked(b"first", end=False))
            await asyncio.sleep(0.05)
            writer.write(b"0\r\n\r\n" + answer(b"surplus"))
            while True:
                path = (await reader.readuntil(b"{}")).split()[1]
                await asyncio.sleep(0.1)
                writer.write(answer(path))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with serving(serve) as port:
        url = f"http://127.0.0.1:{port}"
        exchange = await transport.open(call(f"{url}/first"))
        assert await exchange.read() == b"first"
        exchange.close(drain_seconds=1.0)  # as after [DONE]: the end of the body is still on its way
        await asyncio.sleep(0.15)

        async def ask(path: str) -> bytes:
            async with asyncio.timeout(2):
                other = await transport.open(call(f"{url}{path}"))
                try:
                    return await other.read_all(1000)
                finally:
                    other.close()

        # What a fresh connection answers first is "first"; a kept one echoes the path.
        one, two = await asyncio.gather(ask("/one"), ask("/two"), return_exceptions=True)
        assert one in (b"/one", b"first") or isinstance(one, UpstreamFault), one
        assert two in (b"/two", b"first") or isinstance(two, UpstreamFault), two


@pytest.mark.parametrize("coding", ENCODERS)
async def test_a_coding_that_arrives_in_small_packets_is_read_whole(transport: Http1Transport, coding: str):
    """A piece that inflates to nothing yet is not the end of the answer."""
    text = b"data: one\n\n" * 50
    squeezed = ENCODERS[coding](text)
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {coding}\r\n"
        f"content-length: {len(squeezed)}\r\n\r\n"
    )
    pieces = [squeezed[at : at + 5] for at in range(0, len(squeezed), 5)]
    async with serving(trickling(head.encode(), *pieces)) as port:
        assert await read(transport, f"http://127.0.0.1:{port}") == text


@pytest.mark.parametrize("coding", ENCODERS)
async def test_an_answer_that_explodes_is_not_inflated_at_once(transport: Http1Transport, coding: str):
    squeezed = ENCODERS[coding](b" " * (64 << 20))
    async with RawServer(answer(squeezed, f"content-encoding: {coding}")) as server:
        tracemalloc.start()
        try:
            with pytest.raises(UpstreamFault):
                await read(transport, server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 24 << 20
