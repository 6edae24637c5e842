"""The client's end of a stream: headers at the first send, silence filled, a slow reader waited for, not for ever."""

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from proxy.errors import ProxyError
from proxy.relay.downstream import Downstream
from proxy.runtime.snapshot import ServerSettings

_CANNOT_WAIT = 32 * 1024  # bytes; transports pause a writer at 64 KiB


class SseResponse(EventSourceResponse):
    """aiohttp-sse's response without its task for pings, which would cost every stream as much as a small request
    (`ClientStream` fills silence, see there), and with no fixed `connection` header (HTTP/1.0 clients get
    close-delimited streams)."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        # `send_timeout` would cost four system calls a stream and not hold for `write`: ours is in `ClientStream.send`.
        super().__init__(headers=headers, sep="\n", allow_all_methods=True, send_timeout=None)
        del self.headers["Connection"]

    _send_headers_immediately = False  # aiohttp's switch: they go out with the first frames, in one write

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return await web.StreamResponse.prepare(self, request)


class ClientStream:
    """Sends whole frames only, so whoever sends may do so between any two others."""

    def __init__(
        self,
        request: web.BaseRequest,
        downstream: Downstream,
        settings: ServerSettings,
        headers: Callable[[], dict[str, str]],
    ) -> None:
        self.waited = 0.0
        self._request = request
        self._downstream = downstream
        self._settings = settings
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._transport = _transport_of(request)
        self._is_chunked = request.version >= HttpVersion11
        self._response: SseResponse | None = None
        self._preparing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._filling: asyncio.Task[None] | None = None
        self._last_write = self._loop.time()

    @property
    def response(self) -> SseResponse | None:
        """The aiohttp response, once something was sent."""
        return self._response

    def open_after(self, seconds: float) -> None:
        """Open the stream by itself if nothing was sent by then."""
        self._look_after(seconds)

    async def send(self, wire: bytes, *, last: bool = False) -> None:
        """Send whole frames, and with the `last` of them the end of the body; returns when the client's buffer has room
        again. Raises ConnectionResetError when the client is gone, or has read nothing for the configured time."""
        if not wire and not last:
            return
        response, is_first = self._response, self._response is None
        if response is None:
            response = await self._prepared()
        began = self._last_write = self._loop.time()
        if len(wire) < _CANNOT_WAIT and self._transport.get_write_buffer_size() == 0:
            # Nothing is waiting to be read and this little stays below the mark at which a transport asks to pause.
            if last:
                await response.write_eof(wire)
            elif is_first:
                await response.write(wire)
            else:
                self._put(wire)
            return
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                await (response.write_eof(wire) if last else response.write(wire))
        except TimeoutError:
            self._transport.abort()
            raise ConnectionResetError("the client read nothing for too long") from None
        finally:
            self.waited += self._loop.time() - began

    def _put(self, wire: bytes) -> None:
        """What `response.write` would do, without its four layers: they cost half of what relaying an event does."""
        if self._transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self._transport.write(b"%x\r\n%b\r\n" % (len(wire), wire) if self._is_chunked else wire)

    async def fail(self, error: ProxyError) -> None:
        """End a stream whose headers are out with its vocabulary's failure. If even that cannot be written, the
        connection is cut: an incomplete body is the only truth left to tell."""
        told = False
        try:
            wire = self._downstream.fail(error)
            if wire:
                await self.send(wire, last=True)
                told = True
        finally:
            if not told:
                self._transport.abort()

    async def close(self) -> None:
        """Stop the timer; the end of the body is the handler's to write."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    async def _prepared(self) -> SseResponse:
        async with self._preparing:
            if self._response is None:
                headers = self._headers()
                response = SseResponse(headers)
                # Without chunks, the end of the connection is the end of the body.
                if not self._is_chunked or headers.get("connection") == "close":
                    response.force_close()
                await response.prepare(self._request)
                self._response = response
                self._look_after(self._settings.ping_interval)
        return self._response

    def _look_after(self, seconds: float) -> None:
        """See to it that `_look` comes by in this time at the latest: one timer serves a stream's whole life."""
        if self._timer is not None:
            if self._timer.when() <= self._loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """Nothing was sent for a while, perhaps: open the stream, or fill the silence, and look again later."""
        self._timer = None
        interval = self._settings.ping_interval
        silent = self._loop.time() - self._last_write if self._response is not None else interval
        if silent >= interval:
            if self._filling is None or self._filling.done():
                self._filling = self._loop.create_task(self._fill())
            silent = 0.0
        self._look_after(interval - silent)

    async def _fill(self) -> None:
        try:
            await self.send(self._downstream.ping() if self._response is not None else self._downstream.open())
        except (ConnectionResetError, RuntimeError):
            return  # the client is gone, or the end is out: the request's own task knows


def _transport_of(request: web.BaseRequest) -> asyncio.Transport:
    """The client's socket. Raises ConnectionResetError if it is gone already."""
    if request.transport is None:
        raise ConnectionResetError("the client is gone")
    return request.transport
