"""The client's end of a connection: what was sent, what came back, and whether that came to its end."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httptools

PATHS = {
    "responses": "/v1/responses",
    "domain": "/v1/responses",
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
}
VOCABULARIES = tuple(PATHS)


@dataclass(slots=True)
class Answer:
    """`status` 0: no byte of it came. `whole`: it came to its end, as HTTP counts that. Times are monotonic."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)
    whole: bool = False
    first_byte: float = 0.0

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def json(self) -> Any:
        return json.loads(bytes(self.content))


class Connection(asyncio.Protocol):
    """One connection to a port of loopback. `port`: its own, by which the other side knows it."""

    def __init__(self) -> None:
        self.opened = time.monotonic()
        self.port = 0
        self.asked = 0
        self.is_usable = True
        self._transport: asyncio.Transport
        self._answer = Answer()
        self._ended: asyncio.Future[None] | None = None
        self._parser: httptools.HttpResponseParser

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def ask(self, request: bytes, answer: Answer) -> None:
        """Send, and fill `answer` in; returns at its end, or when the other side closed the connection."""
        self._answer = answer
        self._parser = httptools.HttpResponseParser(self)
        self._ended = asyncio.get_running_loop().create_future()
        self.asked += 1
        if not self.is_usable:
            return
        self._transport.write(request)
        await self._ended

    def leave(self) -> None:
        """As a client does that has lost interest."""
        self.is_usable = False
        self._transport.abort()

    def close(self) -> None:
        self.is_usable = False
        self._transport.close()

    # asyncio's names, and httptools's.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def data_received(self, data: bytes) -> None:
        if not self._answer.first_byte:
            self._answer.first_byte = time.monotonic()
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable = False
        self._end()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._answer.content += body

    def on_message_complete(self) -> None:
        self._answer.whole = True
        self.is_usable = self._parser.should_keep_alive()
        self._end()

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


async def exchanged(
    connection: Connection, request: bytes, answer: Answer, leaves_after: float | None = None
) -> Literal["whole", "cut", "unanswered", "left"]:
    """Ask, and say how the answer ended. `leaves_after`: seconds after which the client loses interest."""
    try:
        async with asyncio.timeout(leaves_after):
            await connection.ask(request, answer)
    except TimeoutError:
        connection.leave()
        return "left"
    if answer.whole:
        return "whole"
    return "cut" if answer.status else "unanswered"


def request_of(
    vocabulary: str, key: str, body: Mapping[str, Any], said: str = "Hi", headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole request. `body` without what is said; `headers`: further ones."""
    members: dict[str, Any] = {"input": said}
    if vocabulary in ("chat", "messages"):
        members = {"messages": [{"role": "user", "content": said}]}
    if vocabulary == "messages":
        members["max_tokens"] = 100_000
    content = json.dumps({**body, **members}).encode()
    lines = [
        f"POST {PATHS[vocabulary]} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {len(content)}",
        *(["segue-vocabulary: domain"] if vocabulary == "domain" else []),
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content
