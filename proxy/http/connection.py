"""aiohttp's end of a connection, as far as it answers and logs by itself: what could not be read as HTTP, and a handler
that ended without an answer. Neither the answer nor the log quotes what was sent: it may be a key."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from proxy.errors import InternalError, InvalidRequest, ProxyError
from proxy.http import failures
from proxy.telemetry import log
from proxy.vocabularies.catalog import CHAT

_LOOK = 0.05  # seconds between looks at who has fallen idle


class WebServer(web.Server):
    """`mint`: random alphanumerics of a given length, for request ids; `expect` is told how many more, or fewer,
    connections have not sent a request yet; `settings`: those of aiohttp's connections."""

    def __init__(
        self,
        answering: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        mint: Callable[[int], str],
        expect: Callable[[int], None],
        *,
        handler_cancellation: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(answering, handler_cancellation=handler_cancellation)
        self.mint = mint
        self.expect = expect
        self._settings = settings
        self.unreadable = log.Repeated("unreadable request")

    def __call__(self) -> "Connection":
        return Connection(self, loop=asyncio.get_running_loop(), **self._settings)

    async def emptied(self) -> None:
        """Closes connections that serve nothing, as soon as they do; returns once the last is closed and all that was
        written to it has left. (aiohttp's `pre_shutdown` leaves idle ones open and deaf, and drops what is still
        to come of a body.)"""
        while self.connections:
            for connection in self.connections:
                if isinstance(connection, Connection) and connection.is_idle:
                    connection.force_close()
            await asyncio.sleep(_LOOK)


class Connection(web.RequestHandler):
    """One client's connection, whose own errors are told in our words."""

    __slots__ = ("_is_unheard", "_server")

    def __init__(self, server: WebServer, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._server = server
        self._is_unheard = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._is_unheard = True
        self._server.expect(1)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.heard()
        super().connection_lost(exc)

    def heard(self) -> None:
        """A request came, or never will."""
        if self._is_unheard:
            self._is_unheard = False
            self._server.expect(-1)

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request: the first one, or the next."""
        return self._waiter is not None and not self._waiter.done()

    def _own_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp asks for the answer to what it could not read (4xx), or to what a handler raised (5xx)."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client is gone: the request's own line in the log says so
        error: ProxyError
        if status < 500:
            self._server.unreadable.warn(kind=type(exc).__name__)
            error = InvalidRequest("The request is not valid HTTP.")
        else:
            log.failure("internal error", kind=type(exc).__name__)
            error = InternalError("An internal error occurred.")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        request_id = "req_" + self._server.mint(24)
        answer = failures.answer(error, CHAT, request_id, {"server": "segue", "x-request-id": request_id})
        answer.force_close()
        return answer

    handle_error = _own_error  # aiohttp's name for it
