"""Plays a script on a connection. A deliberate end is told apart from a client that left."""

import asyncio
import socket
import struct
from collections.abc import Iterable

from aiohttp import web

from proxy.demo.recorder import Exchange, Recorder
from proxy.demo.script import Head, Sleep, Step, Stop, Write


async def play(
    request: web.Request, steps: Iterable[Step], exchange: Exchange, recorder: Recorder
) -> web.StreamResponse:
    """Raises CancelledError or ConnectionError when the client leaves."""
    response: web.StreamResponse | None = None
    for step in steps:
        match step:
            case Sleep(seconds):
                await asyncio.sleep(seconds)
            case Stop("hang"):
                await asyncio.Event().wait()
            case Stop(how):
                exchange.outcome = "reset" if how == "reset" else "cut"
                close(request, with_reset=how == "reset")
                return response or web.Response()
            case Head():
                response = await _begin(request, step, exchange)
            case Write(chunk, usage):
                response = response or await _begin(request, Head(), exchange)
                await response.write(chunk)
                exchange.bytes_written += len(chunk)
                if usage is not None:
                    recorder.of(exchange.model).add(usage)
    response = response or await _begin(request, Head(), exchange)
    await response.write_eof()
    exchange.outcome = "finished"
    return response


async def _begin(request: web.Request, head: Head, exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(status=head.status, headers=head.headers)
    if head.length is not None:
        response.content_length = head.length
    await response.prepare(request)
    exchange.status = head.status
    return response


def close(request: web.Request, with_reset: bool) -> None:
    """Closes after what is written has left; a reset throws away what has not and sends RST."""
    transport = request.transport
    if transport is None:
        return
    if not with_reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
