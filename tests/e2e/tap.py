"""A wire tap between client and Segue: passes every byte on, and remembers requests and answers for the checker."""

import asyncio
import contextlib
import http.client
import io
import json
from dataclasses import dataclass, field
from typing import Any

from proxy.conformance.lint import lint, lint_document, lint_error

_VOCABULARIES = {"/responses": "responses", "/chat/completions": "chat", "/messages": "messages"}
_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class Watched:
    """One request and the answer it was given; header names in lower case. `whole`: the answer came to its end."""

    request: str  # method and path
    asked: dict[str, str]  # the request's headers
    status: int
    headers: dict[str, str]
    content: bytes
    whole: bool

    @property
    def vocabulary(self) -> str | None:
        """What the answer should be in; None where the checker has nothing to say (embeddings, models, counts)."""
        path = self.request.partition(" ")[2].partition("?")[0].rstrip("/")
        own = next((name for end, name in _VOCABULARIES.items() if path.endswith(end)), None)
        asked = self.asked.get("segue-vocabulary") or self.asked.get("accept", "").partition("vocabulary=")[2]
        return asked.strip('" ').lower() if asked and own == "responses" else own

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def served_by(self) -> str | None:
        return self.headers.get("segue-served-by")

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def payloads(self) -> list[Any]:
        return payloads_of(self.content)

    def violations(self) -> list[str]:
        """What the conformance checker finds wrong."""
        if self.vocabulary is None or (not self.whole and not self.is_stream):
            return []
        if self.is_stream:
            return list(map(str, lint(self.content, self.vocabulary, cancelled=not self.whole).violations))
        if self.status >= 400:
            return list(map(str, lint_error(self.json, self.vocabulary)))
        return list(map(str, lint_document(self.json, self.vocabulary)))


def payloads_of(stream: bytes) -> list[Any]:
    """The JSON of every `data:` line that has some."""
    lines = [line[5:] for line in stream.splitlines() if line.startswith(b"data:")]
    return [json.loads(line) for line in lines if line.strip() != b"[DONE]"]


@dataclass(slots=True)
class _Connection:
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)


class Tap:
    """Listens on a free port of loopback and speaks with `port` on behalf of whoever connects."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connections: list[_Connection] = []
        self._open: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._server: asyncio.Server

    async def open(self) -> str:
        """The URL to give to clients."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)

    def watched(self) -> list[Watched]:
        """Every answer so far, connection by connection."""
        return [each for connection in list(self._connections) for each in _exchanges(connection)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        connection = _Connection()
        self._connections.append(connection)
        try:
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._port)
            try:
                await _both_ways(
                    _pass_on(reader, behind_writer, connection.sent),
                    _pass_on(behind_reader, writer, connection.received),
                )
            finally:
                behind_writer.transport.abort()
        finally:
            writer.close()
            del self._open[task]


async def _both_ways(*ways: Any) -> None:
    """Until either side is done: a client that leaves has left, a server that closes has closed."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(_CHUNK):
            kept += content
            writer.write(content)
            await writer.drain()


class _Source:
    """What http.client reads an answer from: bytes that were already received."""

    def __init__(self, content: io.BytesIO) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content.read())


def _exchanges(connection: _Connection) -> list[Watched]:
    requests = io.BytesIO(bytes(connection.sent))
    answers = _Answers(bytes(connection.received))
    found = []
    while line := requests.readline().decode("latin-1").split():
        headers = http.client.parse_headers(requests)
        requests.read(int(headers.get("content-length") or 0))
        answer = answers.following(line[0])
        if answer is None:
            break
        asked = {name.lower(): value for name, value in headers.items()}
        found.append(Watched(f"{line[0]} {line[1]}", asked, *answer))
    return found


class _Answers:
    """The answers of one connection, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def following(self, method: str) -> tuple[int, dict[str, str], bytes, bool] | None:
        head_end = self._content.find(b"\r\n\r\n", self._at)
        if head_end < 0:
            return None
        head = io.BytesIO(self._content[self._at : head_end + 4])
        status = int(head.readline().split()[1])
        headers = {name.lower(): value for name, value in http.client.parse_headers(head).items()}
        self._at = head_end + 4
        if status == 100:
            return self.following(method)
        content, whole = self._body(method, status, headers)
        return status, headers, content, whole

    def _body(self, method: str, status: int, headers: dict[str, str]) -> tuple[bytes, bool]:
        if method == "HEAD" or status in (204, 304):
            return b"", True
        if headers.get("transfer-encoding") == "chunked":
            return self._chunks()
        length = int(headers["content-length"]) if "content-length" in headers else len(self._content) - self._at
        content = self._content[self._at : self._at + length]
        self._at += length
        return content, len(content) == length

    def _chunks(self) -> tuple[bytes, bool]:
        found = b""
        while (line_end := self._content.find(b"\r\n", self._at)) >= 0:
            size = int(self._content[self._at : line_end], 16)
            begin = line_end + 2
            chunk = self._content[begin : begin + size]
            found += chunk
            self._at = begin + size + 2
            if not size:
                return found, True
            if len(chunk) < size:
                break
        return found, False
