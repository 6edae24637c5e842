"""One HTTP/1.1 connection to a provider: httptools' parser on an asyncio protocol, one exchange at a time.

Why not aiohttp's client: this costs 40 % of its CPU per request and 60 % per streamed event (docs/performance.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

import httptools

from proxy.errors import Cause, UpstreamFault
from proxy.wire.inflate import BROKEN, INFLATERS, Inflater

_MOST_UNREAD = 256 * 1024
_LARGEST_HEAD = 64 * 1024
_INFLATED_AT_ONCE = 1 << 20
_WORTH_JOINING = 64 * 1024  # bytes: copying less costs less than a second write


class Connection(asyncio.Protocol):
    """Carries exchanges one after the other; between two it lies idle in its pool. `lost` is called once, when the
    socket is gone."""

    def __init__(self, lost: Callable[["Connection"], None]) -> None:
        self.exchange: Http1Exchange | None = None
        self.idle_since = 0.0
        self.is_closed = False
        self._lost = lost
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by shape only

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            self.close()  # nobody asked: whatever this is, the connection cannot be trusted with a request
        else:
            self.exchange.received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        self._lost(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.connection_lost()

    def send(self, exchange: "Http1Exchange", head: bytes, body: bytes) -> None:
        assert self._transport is not None
        self.exchange = exchange
        if len(body) < _WORTH_JOINING:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def pause(self) -> None:
        if self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.is_closed:
            self._transport.resume_reading()

    def close(self) -> None:
        """Cut the connection; what was not sent or read is lost."""
        self.is_closed = True
        if self._transport is not None:
            self._transport.abort()


class Http1Exchange:
    """See `exchange.Exchange`. Also the parser's listener: its `on_…` methods are called by httptools.

    Exchange and parser hold each other, so the exchange lets go of it when nothing more can come. Otherwise every
    request would stay in memory until the garbage collector came by.
    """

    def __init__(self, connection: Connection, released: Callable[[Connection], None]) -> None:
        self.status = 0
        self._headers: dict[str, str] = {}
        self.headers: Mapping[str, str] = self._headers
        self.has_answer = False  # whether any byte of an answer arrived
        self._connection = connection
        self._released = released
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: list[bytes] = []
        self._unread = 0
        self._paused = False
        self._head_size = 0
        self._has_head = False
        self._is_whole = False
        self._may_stay = False  # whether the connection outlives this answer
        self._has_surplus = False  # the provider sent more than one answer: nothing of it is to be trusted
        self._is_released = False
        self._may_hold_more = False  # whether the inflater was stopped by its limit
        self._is_given_up = False  # what still comes is thrown away
        self._fault: UpstreamFault | None = None
        self._inflater: Inflater | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # --- what the attempt calls

    async def head(self) -> None:
        """Wait for the answer's headers. Raises UpstreamFault."""
        while not self._has_head:
            if self._fault is not None:
                raise self._fault
            await self._arrival()

    async def read(self) -> bytes:
        while True:
            if self._pieces or self._may_hold_more:
                if piece := self._take():
                    return piece
                continue
            if self._fault is not None:
                raise self._fault
            if self._is_whole:
                return b""
            self._waiter = self._loop.create_future()  # `_arrival`, without its coroutine: this is asked for each event
            try:
                await self._waiter
            finally:
                self._waiter = None

    async def read_all(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            size += len(piece)
            if size > limit:
                raise UpstreamFault(
                    Cause.BAD_ANSWER, f"The provider's answer is larger than {limit} bytes.", detail="oversized"
                )
            pieces.append(piece)
            if self._may_hold_more:
                await asyncio.sleep(0)  # inflating a large body must not keep everybody else waiting
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def abort(self, fault: UpstreamFault) -> None:
        """Make every later `read` raise `fault`, once what has arrived is read."""
        self._fail(fault)
        self._connection.close()

    def close(self, *, drain_seconds: float = 0.0) -> None:
        if self._is_given_up:
            return
        self._is_given_up = True
        self._pieces.clear()
        if self._is_whole:
            self._release()
        elif drain_seconds and self._fault is None and not self._connection.is_closed:
            self._deadline = self._loop.call_later(drain_seconds, self._connection.close)
            self._continue_reading()
        else:
            self._connection.close()
        self._fault = None  # nobody reads any more, and once raised, its traceback leads back here

    # --- what the connection calls

    def received(self, data: bytes) -> None:
        if self._is_whole:
            self._connection.close()  # nobody asked for more
            return
        assert self._parser is not None
        self.has_answer = True
        if not self._has_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._may_stay = False
            self.abort(UpstreamFault(Cause.BAD_ANSWER, "The provider's answer is not HTTP.", detail="malformed"))
        if self._is_whole and self._is_given_up:
            self._release()
        if not self._has_head and self._head_size > _LARGEST_HEAD:
            self.abort(UpstreamFault(Cause.BAD_ANSWER, "The provider's headers are too large.", detail="malformed"))
        self._wake()

    def connection_lost(self) -> None:
        self._parser = None
        if self._deadline is not None:
            self._deadline.cancel()
        if self._is_whole or self._fault is not None:
            return
        bounded = "content-length" in self.headers or "transfer-encoding" in self.headers
        if self._has_head and not bounded:
            self._is_whole = True  # the answer's end is the connection's (RFC 9112, 6.3)
            self._wake()
        elif self._has_head:
            self._fail(UpstreamFault(Cause.TRUNCATED, "The connection to the provider broke.", detail="truncated"))
        else:
            self._fail(
                UpstreamFault(
                    Cause.CONNECT_FAILED, "The connection to the provider broke before an answer.", detail="reset"
                )
            )

    # --- what the parser calls

    def on_message_begin(self) -> None:
        if self._is_whole:
            self._has_surplus = True
            self._may_stay = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_surplus:
            return
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._has_surplus:
            return
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        if self.status < 200:  # 100 Continue, 103 Early Hints: the answer is still to come
            self._headers.clear()
            return
        self._has_head = True
        make = INFLATERS.get(self.headers.get("content-encoding", "").strip().lower())
        self._inflater = make() if make is not None else None

    def on_body(self, body: bytes) -> None:
        if self._is_given_up or self._has_surplus:
            return
        self._pieces.append(body)
        self._unread += len(body)
        if self._unread > _MOST_UNREAD and not self._paused:
            self._paused = True
            self._connection.pause()

    def on_message_complete(self) -> None:
        if self.status < 200 or self._has_surplus:
            return
        assert self._parser is not None
        self._is_whole = True
        self._may_stay = self._parser.should_keep_alive()  # after this the parser has forgotten the headers

    # --- inside

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        self._unread = 0
        if self._paused:
            self._continue_reading()
        joined = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return joined if self._inflater is None else self._inflated(self._inflater, joined)

    def _continue_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._connection.resume()

    def _inflated(self, inflater: Inflater, body: bytes) -> bytes:
        """What `body` and what came before it hold, at most `_INFLATED_AT_ONCE` at a time."""
        try:
            piece = inflater.feed(body, _INFLATED_AT_ONCE)
        except BROKEN:
            self._may_hold_more = False
            self.abort(UpstreamFault(Cause.BAD_ANSWER, "The provider's content coding is broken.", detail="malformed"))
            return b""
        self._may_hold_more = bool(piece)
        return piece

    async def _arrival(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, fault: UpstreamFault) -> None:
        if self._fault is None:
            self._fault = fault
        self._wake()

    def _release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        self._parser = None
        if self._deadline is not None:
            self._deadline.cancel()
        connection = self._connection
        connection.exchange = None
        if connection.is_closed or not self._may_stay or self._paused:
            connection.close()
        else:
            self._released(connection)
