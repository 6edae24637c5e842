"""The client's end of a stream: headers at the first send, silence filled, a slow reader waited for, not for ever."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping

from aiohttp import HttpVersion11, web
from aiohttp_sse import EventSourceResponse

from proxy.errors import ProxyError
from proxy.relay.downstream import Downstream
from proxy.runtime.snapshot import ServerSettings

_CANNOT_WAIT = 32 * 1024  # bytes; transports pause a writer at 64 KiB


class SseResponse(EventSourceResponse):
    """aiohttp-sse's response with our own filler for silence in place of its comment, and no fixed `connection` header
    (HTTP/1.0 clients get close-delimited streams)."""

    def __init__(self, headers: Mapping[str, str], fill: Callable[[], Coroutine[None, None, None]]) -> None:
        # `send_timeout` would cost four system calls a stream and not hold for `write`: ours is in `ClientStream.send`.
        super().__init__(headers=headers, sep="\n", allow_all_methods=True, send_timeout=None)
        del self.headers["Connection"]
        self._fill = fill

    async def _ping(self) -> None:
        await self._fill()


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
        self._response: SseResponse | None = None
        self._preparing = asyncio.Lock()
        self._opener: asyncio.TimerHandle | None = None
        self._opening: asyncio.Task[None] | None = None
        self._last_write = self._loop.time()

    @property
    def response(self) -> SseResponse | None:
        """The aiohttp response, once something was sent."""
        return self._response

    def open_after(self, seconds: float) -> None:
        """Open the stream by itself if nothing was sent by then."""
        self._opener = self._loop.call_later(seconds, self._begin_opening)

    async def send(self, wire: bytes, *, last: bool = False) -> None:
        """Send whole frames, and with the `last` of them the end of the body; returns when the client's buffer has room
        again. Raises ConnectionResetError when the client is gone, or has read nothing for the configured time."""
        if not wire and not last:
            return
        response = self._response or await self._prepared()
        began = self._last_write = self._loop.time()
        if len(wire) < _CANNOT_WAIT and self._transport.get_write_buffer_size() == 0:
            # Nothing is waiting to be read and this little stays below the mark at which a transport asks to pause.
            await (response.write_eof(wire) if last else response.write(wire))
            return
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                await (response.write_eof(wire) if last else response.write(wire))
        except TimeoutError:
            self._transport.abort()
            raise ConnectionResetError("the client read nothing for too long") from None
        finally:
            self.waited += self._loop.time() - began

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
        """Stop the timers; the end of the body is the handler's to write."""
        if self._opener is not None:
            self._opener.cancel()
        if self._opening is not None:
            self._opening.cancel()
        if self._response is not None:
            self._response.stop_streaming()

    async def _prepared(self) -> SseResponse:
        async with self._preparing:
            if self._response is None:
                response = SseResponse(self._headers(), self._fill_silence)
                if self._request.version < HttpVersion11:
                    response.force_close()  # it has no chunks: the end of the connection is the end of the body
                await response.prepare(self._request)
                self._response = response
        return self._response

    def _begin_opening(self) -> None:
        self._opening = self._loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            await self.send(self._downstream.open())
        except ConnectionResetError:
            return  # the request's own task learns of it from its cancellation

    async def _fill_silence(self) -> None:
        interval = self._settings.ping_interval
        while True:
            silent = self._loop.time() - self._last_write
            if silent < interval:
                await asyncio.sleep(interval - silent)
                continue
            try:
                await self.send(self._downstream.ping())
            except (ConnectionResetError, RuntimeError):
                return
            self._last_write = self._loop.time()


def _transport_of(request: web.BaseRequest) -> asyncio.Transport:
    """The client's socket. Raises ConnectionResetError if it is gone already."""
    if request.transport is None:
        raise ConnectionResetError("the client is gone")
    return request.transport
