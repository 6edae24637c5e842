"""The client's border, against real sockets: which fault each kind of trouble is, and when a connection is kept."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from proxy.demo.upstream import ScriptedUpstream
from proxy.errors import Cause, UpstreamFault
from proxy.transport.exchange import Call
from proxy.transport.http1 import Http1Exchange
from proxy.transport.http1_pool import Http1Transport
from tests.transport.servers import Ending, RawServer, answer, chunked, serving

OK = answer(b"ok")


@pytest.fixture(name="transport")
async def a_transport() -> AsyncIterator[Http1Transport]:
    transport = Http1Transport()
    yield transport
    await transport.close()


def call(url: str, body: bytes = b"{}", connect_timeout: float = 2.0) -> Call:
    return Call(url, {"content-type": "application/json", "accept-encoding": "identity"}, body, connect_timeout)


async def ask(transport: Http1Transport, url: str) -> bytes:
    exchange = await transport.open(call(url))
    body = await exchange.read_all(1000)
    exchange.close()
    return body


async def refused(transport: Http1Transport, url: str) -> UpstreamFault:
    with pytest.raises(UpstreamFault) as caught:
        async with asyncio.timeout(5):
            await transport.open(call(url))
    return caught.value


async def test_nobody_listens(transport: Http1Transport):
    async with RawServer() as server:
        url = server.url
    fault = await refused(transport, url)
    assert (fault.cause, fault.detail) == (Cause.CONNECT_FAILED, "connect")
    assert "127.0.0.1" not in fault.message


async def test_a_name_nobody_has(transport: Http1Transport):
    fault = await refused(transport, "http://no-such-host.invalid/")
    assert (fault.cause, fault.detail) == (Cause.CONNECT_FAILED, "dns")
    assert "invalid" not in fault.message


async def test_no_trusted_connection(transport: Http1Transport):
    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)

    async with serving(speak_plainly) as port:
        fault = await refused(transport, f"https://127.0.0.1:{port}/")
    assert (fault.cause, fault.detail) == (Cause.CONNECT_FAILED, "tls")


@pytest.mark.parametrize(
    "reply",
    [Ending(), Ending(reset=True), Ending(b"HTTP/1.1 200 OK\r\nX:")],
    ids=["closed", "reset", "half a head"],
)
async def test_trouble_before_the_headers_is_asked_once(transport: Http1Transport, reply: bytes | Ending):
    async with RawServer(reply, OK) as server:
        fault = await refused(transport, server.url)
        assert (fault.cause, fault.detail) == (Cause.CONNECT_FAILED, "reset")
        assert len(server.requests) == 1


async def test_what_is_not_http_is_no_answer(transport: Http1Transport):
    async with RawServer(b"no http at all\r\n\r\n", OK) as server:
        fault = await refused(transport, server.url)
        assert (fault.cause, fault.detail) == (Cause.BAD_ANSWER, "malformed")
        assert len(server.requests) == 1


async def test_a_stale_connection_is_dialled_once_more(transport: Http1Transport):
    async with RawServer(OK, Ending(), OK) as server:
        assert await ask(transport, server.url) == b"ok"
        assert await ask(transport, server.url) == b"ok"
        assert (len(server.requests), server.connections) == (3, 2)
        assert len(set(server.requests)) == 1, "the same request, word for word"


async def test_once_more_is_not_twice_more(transport: Http1Transport):
    async with RawServer(OK, Ending(), Ending(), OK) as server:
        await ask(transport, server.url)
        fault = await refused(transport, server.url)
        assert fault.cause is Cause.CONNECT_FAILED
        assert len(server.requests) == 3


@pytest.mark.parametrize("byte", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-"])
async def test_once_a_byte_of_the_answer_came_nothing_is_sent_again(transport: Http1Transport, byte: bytes):
    async with RawServer(OK, Ending(byte), OK) as server:
        await ask(transport, server.url)
        fault = await refused(transport, server.url)
        assert (fault.cause, fault.detail) == (Cause.CONNECT_FAILED, "reset")
        assert len(server.requests) == 2


async def test_a_connection_the_server_closed_while_idle_is_not_used(transport: Http1Transport):
    async with RawServer(Ending(OK), OK) as server:
        assert await ask(transport, server.url) == b"ok"
        await server.closed.wait()
        assert await ask(transport, server.url) == b"ok"
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Ending(chunked(b"data: 1\n\n", end=False)),
        Ending(chunked(b"data: 1\n\n", end=False), reset=True),
        Ending(answer(b"data: 1\n\n" + b"x" * 50)[:-50]),
    ],
    ids=["closed", "reset", "short"],
)
async def test_a_body_that_breaks_off_is_truncated(transport: Http1Transport, reply: Ending):
    async with RawServer(reply) as server:
        exchange = await transport.open(call(server.url))
        with pytest.raises(UpstreamFault) as broke:
            await exchange.read_all(1000)
        exchange.close()
    assert (broke.value.cause, broke.value.detail) == (Cause.TRUNCATED, "truncated")


async def test_a_redirect_is_an_answer(transport: Http1Transport):
    async with ScriptedUpstream() as upstream:
        body = b'{"model":"m+redirect","messages":[{"role":"user","content":"hi"}]}'
        exchange = await transport.open(call(upstream.url + "/v1/chat/completions", body))
        exchange.close()
        assert exchange.status == 307
        assert len(upstream.requests) == 1


async def test_a_compressed_error_is_read(transport: Http1Transport):
    packed = gzip.compress(b'{"error":{"message":"No."}}')
    async with RawServer(answer(packed, "Content-Encoding: gzip", status="400 Bad Request")) as server:
        exchange = await transport.open(call(server.url))
        assert exchange.status == 400
        assert await exchange.read_all(1000) == b'{"error":{"message":"No."}}'
        exchange.close()


async def test_a_broken_compression_is_a_fault(transport: Http1Transport):
    async with RawServer(answer(b"this is not gzip", "Content-Encoding: gzip")) as server:
        with pytest.raises(UpstreamFault) as caught:
            await ask(transport, server.url)
    assert caught.value.cause is Cause.BAD_ANSWER


async def test_a_chunk_that_is_none_is_a_fault(transport: Http1Transport):
    async with RawServer(chunked(b"data: 1\n\n", end=False) + b"zz\r\nno chunk") as server:
        with pytest.raises(UpstreamFault) as caught:
            await ask(transport, server.url)
    assert caught.value.cause is Cause.BAD_ANSWER


async def test_a_body_has_a_limit(transport: Http1Transport):
    async with RawServer(answer(b"x" * 1000)) as server:
        exchange = await transport.open(call(server.url))
        with pytest.raises(UpstreamFault) as caught:
            await exchange.read_all(999)
        exchange.close()
    assert (caught.value.cause, caught.value.detail) == (Cause.BAD_ANSWER, "oversized")


async def test_neither_cookies_nor_the_environment_matter(transport: Http1Transport, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with RawServer(answer(b"ok", "Set-Cookie: a=b"), OK) as server:
        await ask(transport, server.url)
        await ask(transport, server.url)
        for request in server.requests:
            names = {line.partition(b":")[0].lower() for line in request.split(b"\r\n")[1:] if b":" in line}
            assert names == {b"host", b"content-type", b"accept-encoding", b"content-length"}
        assert server.connections == 1


async def open_chat(transport: Http1Transport, upstream: ScriptedUpstream, model: str) -> Http1Exchange:
    body = b'{"model":"%b","stream":true,"messages":[{"role":"user","content":"hi"}]}' % model.encode()
    return await transport.open(call(upstream.url + "/v1/chat/completions", body))


async def test_a_whole_answer_gives_its_connection_back(transport: Http1Transport):
    async with ScriptedUpstream() as upstream:
        for _ in range(3):
            exchange = await open_chat(transport, upstream, "m")
            while await exchange.read():
                pass
            exchange.close()
        assert upstream.open_connections == 1


async def test_a_short_wait_for_the_end_saves_the_connection(transport: Http1Transport):
    async with ScriptedUpstream() as upstream:
        for _ in range(2):
            exchange = await open_chat(transport, upstream, "m+delay-1")
            assert await exchange.read()
            exchange.close(drain_seconds=5.0)
            await upstream.settled()
            await asyncio.sleep(0.05)
        assert upstream.open_connections == 1
        assert [request.outcome for request in upstream.requests] == ["finished", "finished"]


@pytest.mark.parametrize("drain", [0.0, 0.05])
async def test_an_unfinished_answer_is_cut(transport: Http1Transport, drain: float):
    async with ScriptedUpstream() as upstream:
        exchange = await open_chat(transport, upstream, "m+stall-1")
        assert await exchange.read()
        exchange.close(drain_seconds=drain)
        await upstream.settled()
        assert upstream.requests[0].disconnected
        assert upstream.open_connections == 0


async def test_an_abort_wakes_the_reader_and_stays(transport: Http1Transport):
    async with ScriptedUpstream() as upstream:
        exchange = await open_chat(transport, upstream, "m+hang-body")
        fault = UpstreamFault(Cause.STALLED, "silent")
        asyncio.get_running_loop().call_later(0.05, exchange.abort, fault)
        for _ in range(2):
            with pytest.raises(UpstreamFault) as caught:
                await asyncio.wait_for(exchange.read(), 5)
            assert caught.value is fault
        exchange.close()
        await upstream.settled()
        assert upstream.requests[0].disconnected


async def test_a_cancelled_call_leaves_nothing_behind(transport: Http1Transport):
    async with ScriptedUpstream() as upstream:
        task = asyncio.ensure_future(open_chat(transport, upstream, "m+hang"))
        while not upstream.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await upstream.settled()
        assert upstream.requests[0].disconnected


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (OK, 1),
        (answer(b""), 1),
        (answer(b"ok", status="500 Internal Server Error"), 1),
        (chunked(b"o", b"k"), 1),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, 1),
        (answer(b"ok", "Connection: close"), 2),
        (OK.replace(b"HTTP/1.1", b"HTTP/1.0"), 2),
        (Ending(b"HTTP/1.1 200 OK\r\n\r\nok"), 2),
    ],
    ids=["length", "empty", "error", "chunked", "early hints", "close", "1.0", "until closed"],
)
async def test_which_answers_leave_their_connection_open(
    transport: Http1Transport, reply: bytes | Ending, connections: int
):
    async with RawServer(reply, OK) as server:
        first = await ask(transport, server.url)
        assert first == (b"" if reply == answer(b"") else b"ok")
        assert await ask(transport, server.url) == b"ok"
        assert server.connections == connections


async def test_a_compressed_stream_arrives_piece_by_piece(transport: Http1Transport):
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH) for text in (b"data: 1\n\n", b"data: 2\n\n")]
    reply = chunked(*pieces, packer.flush()).replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1)
    async with RawServer(reply) as server:
        exchange = await transport.open(call(server.url))
        assert await exchange.read_all(1000) == b"data: 1\n\ndata: 2\n\n"
        exchange.close()


async def test_a_provider_that_writes_faster_than_it_is_read_is_slowed_down(transport: Http1Transport):
    size = 4 * 1024 * 1024
    async with RawServer(answer(b"x" * size)) as server:
        exchange = await transport.open(call(server.url))
        await asyncio.sleep(0.1)
        assert len(await exchange.read()) < size // 2
        exchange.close()
