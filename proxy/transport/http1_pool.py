"""The transport: idle connections by address, TLS, and the border where socket errors become ours."""

import asyncio
import socket
import ssl
from collections import deque
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.errors import Cause, UpstreamFault
from proxy.transport.exchange import Call
from proxy.transport.http1 import Connection, Http1Exchange

_KEEPALIVE_SECONDS = 15.0


class Address(NamedTuple):
    host: str
    port: int
    is_tls: bool


class _Place(NamedTuple):
    """A URL, taken apart once. `request_line` and the host header as bytes."""

    address: Address
    head: bytes


@cache
def _trusting_the_system() -> ssl.SSLContext:
    """One for the process, made for its first TLS connection: reading the system's certificates takes 27 ms."""
    return ssl.create_default_context()


class Http1Transport:
    """Connections are shared by address. Redirects are answers (a provider does not redirect a POST); the environment's
    proxy settings are ignored; cookies are never kept."""

    def __init__(self) -> None:
        self._idle: dict[Address, deque[Connection]] = {}
        self._open: set[Connection] = set()
        self._places: dict[str, _Place] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def open(self, call: Call) -> Http1Exchange:
        """POST and wait for the answer's headers. Raises UpstreamFault."""
        place = self._places.get(call.url) or self._take_apart(call.url)
        head = _head(place.head, call)
        reused = self._idle_connection(place.address)
        if reused is not None:
            exchange = await self._exchange(reused, place.address, head, call.body)
            if exchange is not None:
                return exchange
        fresh = await self._connect(place.address, call.connect_timeout)
        exchange = await self._exchange(fresh, place.address, head, call.body, is_fresh=True)
        assert exchange is not None
        return exchange

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0)  # let the sockets close

    async def _exchange(
        self, connection: Connection, address: Address, head: bytes, body: bytes, *, is_fresh: bool = False
    ) -> Http1Exchange | None:
        """The exchange with its headers in; None if a kept connection had gone stale: it broke before any byte of an
        answer, so asking once more is safe."""
        exchange = Http1Exchange(connection, lambda released: self._keep(address, released))
        connection.send(exchange, head, body)
        answered = False
        try:
            await exchange.head()
            answered = True
        except UpstreamFault as fault:
            if is_fresh or exchange.has_answer or fault.cause is not Cause.CONNECT_FAILED:
                raise
            return None
        finally:
            if not answered:
                exchange.close()
        return exchange

    async def _connect(self, address: Address, timeout: float) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._open.discard),
                    address.host,
                    address.port,
                    ssl=_trusting_the_system() if address.is_tls else None,
                )
        except TimeoutError:
            raise UpstreamFault(
                Cause.TIMED_OUT, "The provider could not be reached in time.", detail="connect_timeout"
            ) from None
        except ssl.SSLError as error:
            raise UpstreamFault(
                Cause.CONNECT_FAILED, "No trusted connection to the provider could be made.", detail="tls"
            ) from error
        except socket.gaierror as error:
            raise UpstreamFault(
                Cause.CONNECT_FAILED, "The provider's address could not be resolved.", detail="dns"
            ) from error
        except OSError as error:
            raise UpstreamFault(
                Cause.CONNECT_FAILED, "The provider refused the connection.", detail="connect"
            ) from error
        self._open.add(connection)
        return connection

    def _idle_connection(self, address: Address) -> Connection | None:
        """The most recently used idle connection; stale ones are dropped on the way."""
        idle = self._idle.get(address)
        oldest_welcome = asyncio.get_running_loop().time() - _KEEPALIVE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.is_closed:
                continue
            if connection.idle_since >= oldest_welcome:
                return connection
            connection.close()
        return None

    def _keep(self, address: Address, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(address, deque()).append(connection)
        if self._sweeper is None:
            self._sweeper = loop.call_later(_KEEPALIVE_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Close what has lain idle too long; again later while anything lies idle."""
        loop = asyncio.get_running_loop()
        oldest_welcome = loop.time() - _KEEPALIVE_SECONDS
        for idle in self._idle.values():
            while idle and (idle[0].is_closed or idle[0].idle_since < oldest_welcome):
                idle.popleft().close()
        waiting = any(self._idle.values())
        self._sweeper = loop.call_later(_KEEPALIVE_SECONDS, self._sweep) if waiting else None

    def _take_apart(self, url: str) -> _Place:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        host = parts.hostname or ""
        port = parts.port or (443 if is_tls else 80)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        shown = f"[{host}]" if ":" in host else host
        if parts.port is not None:
            shown += f":{port}"
        place = _Place(Address(host, port, is_tls), f"POST {path} HTTP/1.1\r\nhost: {shown}\r\n".encode("ascii"))
        self._places[url] = place  # as many as the configuration has endpoints
        return place


def _head(begun: bytes, call: Call) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in call.headers.items()])
    return b"%b%bcontent-length: %d\r\n\r\n" % (begun, lines.encode("latin-1"), len(call.body))
