"""The load generator, a process of its own: opens connections, keeps them busy, checks every answer, notes the times.

It takes jobs as JSON lines on standard input. For each it warms up, prints `ready`, waits for a line, runs, and prints
a JSON line of what it saw. Between `ready` and the result nothing but the measured work happens.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
_TERMINAL = {"chat": b"data: [DONE]", "responses": b"event: response.completed", "messages": b"event: message_stop"}
_DELTA = {
    "chat": b'"delta":{"content":',
    "responses": b"event: response.output_text.delta",
    "messages": b"event: content_block_delta",
}
_WHOLE_OBJECT = {"chat": "chat.completion", "responses": "response", "messages": "message"}
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_WARM_UP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement: who is asked, in what words, how often. `spread` staggers the first requests, in seconds."""

    port: int
    vocabulary: str
    model: str
    stream: bool
    deltas: int
    connections: int
    requests: int
    warmup: int = 1
    body_bytes: int = 0
    spread: float = 0.0
    key: str = "none"
    timeout: float = 120.0


@dataclass(slots=True)
class Tally:
    """What a run saw. Times in seconds; `failures` counts by reason, `reads` the reads in which the answers came."""

    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    received_bytes: int = 0
    reads: int = 0
    wall: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_bytes: list[float] = field(default_factory=list)


def request_bytes(job: Job, model: str) -> bytes:
    """The whole HTTP request; a large body is a long conversation, one turn in eight with an inline image."""
    body: dict[str, object] = {"model": model, "stream": job.stream}
    turns: list[object] = [{"role": "user", "content": "Say the word once more."}]
    if job.body_bytes:
        turns = _conversation(job.body_bytes) + turns
    if job.vocabulary == "responses":
        body["input"] = turns
    else:
        body["messages"] = turns
    if job.vocabulary == "messages":
        body["max_tokens"] = 1024
    if job.vocabulary == "chat" and job.stream:
        body["stream_options"] = {"include_usage": True}
    payload = json.dumps(body).encode()
    head = (
        f"POST {PATHS[job.vocabulary]} HTTP/1.1\r\nhost: 127.0.0.1:{job.port}\r\n"
        f"authorization: Bearer {job.key}\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        f"user-agent: bench\r\ncontent-length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def _conversation(size: int) -> list[object]:
    prose = 'He said: "measure it, then say it."\nAnd so they did, each with a clock of their own. ' * 48
    image = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ" * 750
    turns: list[object] = []
    length = 0
    while length < size:
        role = "assistant" if len(turns) % 2 else "user"
        if len(turns) % 8 == 0:
            parts = [{"type": "text", "text": prose}, {"type": "image_url", "image_url": {"url": image}}]
            turns.append({"role": role, "content": parts})
        else:
            turns.append({"role": role, "content": prose})
        length += len(json.dumps(turns[-1]))
    return turns


def unchunk(body: bytes) -> bytes:
    """The payload of a complete chunked body."""
    pieces: list[bytes] = []
    position = 0
    while True:
        line_end = body.index(b"\r\n", position)
        size = int(body[position:line_end].partition(b";")[0], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(body[line_end + 2 : line_end + 2 + size])
        position = line_end + 4 + size


def fault(job: Job, status: int, payload: bytes) -> str | None:
    """What is wrong with an answer, or None."""
    if status != 200:
        return f"status {status}"
    if not job.stream:
        try:
            kind = json.loads(payload)
        except ValueError:
            return "not JSON"
        found = kind.get("object", kind.get("type")) if isinstance(kind, dict) else None
        return None if found == _WHOLE_OBJECT[job.vocabulary] else f"a {found!r} instead of the answer"
    if payload.count(_TERMINAL[job.vocabulary]) != 1:
        return "not exactly one terminal"
    deltas = payload.count(_DELTA[job.vocabulary])
    return None if deltas == job.deltas else f"{deltas} deltas instead of {job.deltas}"


class Connection(asyncio.Protocol):
    """One keep-alive connection; `ask` is awaited by one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._answered: asyncio.Future[None] | None = None
        self._reset()

    def _reset(self) -> None:
        self._received: list[bytes] = []
        self._tail = b""
        self._body_start = 0
        self._missing = 0  # bytes still to come; -1 when the body is chunked
        self.status = 0
        self.first_byte = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionResetError("closed before the answer was whole"))

    async def ask(self, request: bytes) -> None:
        """Send and wait for the whole answer; raises ConnectionError when the peer hangs up first."""
        if self._transport.is_closing():
            raise ConnectionResetError("closed between requests")
        self._reset()
        self._answered = self._loop.create_future()
        self._transport.write(request)
        await self._answered

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._received:
            self.first_byte = time.perf_counter()
        self._received.append(data)
        if not self._body_start:
            self._read_head()
            return
        if self._missing > 0:
            self._missing -= len(data)
            self._end_if(self._missing <= 0)
        else:
            self._tail = (self._tail + data)[-7:] if len(data) < 7 else data[-7:]
            self._end_if(self._tail == _LAST_CHUNK)

    def _read_head(self) -> None:
        received = b"".join(self._received)
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        self._body_start = end + 4
        status = _STATUS.match(received)
        self.status = int(status[1]) if status else 0
        length = _LENGTH.search(received, 0, end + 2)
        if length:
            self._missing = self._body_start + int(length[1]) - len(received)
            self._end_if(self._missing <= 0)
        elif _CHUNKED.search(received, 0, end + 2):
            self._missing = -1
            self._tail = received[end + 2 :][-7:]  # with the head's last line end, which stands before an empty body
            self._end_if(self._tail == _LAST_CHUNK)
        else:
            self._transport.abort()

    def _end_if(self, complete: bool) -> None:
        if complete and self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    @property
    def reads(self) -> int:
        return len(self._received)

    def payload(self) -> bytes:
        """The answer's body without its transfer coding."""
        body = b"".join(self._received)[self._body_start :]
        return unchunk(body) if self._missing == -1 else body


class Run:
    """One job on its connections."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._request = request_bytes(job, job.model)
        self._left = job.requests
        self._connections: list[Connection] = []
        self.tally = Tally()

    async def warm_up(self) -> None:
        """Open every connection and send short requests through it, so that pools and caches are filled."""
        job = self._job
        short = request_bytes(job, "stream-1" if job.stream else "fixed")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_WARM_UP_SECONDS):
            for _ in range(job.connections):
                _, connection = await loop.create_connection(Connection, "127.0.0.1", job.port)
                self._connections.append(connection)
            for _ in range(job.warmup):
                await asyncio.gather(*(connection.ask(short) for connection in self._connections))

    async def measure(self) -> None:
        started = time.perf_counter()
        step = self._job.spread / len(self._connections)
        try:
            async with asyncio.timeout(self._job.timeout):
                busy = (self._keep_busy(connection, step * i) for i, connection in enumerate(self._connections))
                await asyncio.gather(*busy)
        except TimeoutError:
            self._fail("timed out")
        self.tally.wall = time.perf_counter() - started

    async def _keep_busy(self, connection: Connection, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        while self._left > 0:
            self._left -= 1
            started = time.perf_counter()
            try:
                await connection.ask(self._request)
            except ConnectionError as error:
                self._count(str(error))
                return
            self._note(connection, started)

    def _note(self, connection: Connection, started: float) -> None:
        tally = self.tally
        tally.latencies.append(time.perf_counter() - started)
        tally.first_bytes.append(connection.first_byte - started)
        tally.reads += connection.reads
        payload = connection.payload()
        tally.received_bytes += len(payload)
        self._count(fault(self._job, connection.status, payload))

    def _count(self, failure: str | None) -> None:
        self.tally.requests += 1
        if failure is not None:
            self._fail(failure)

    def _fail(self, failure: str) -> None:
        self.tally.failures[failure] = self.tally.failures.get(failure, 0) + 1

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


async def take_job(job: Job) -> Tally:
    """Warm up, wait for the word, measure."""
    run = Run(job)
    try:
        await run.warm_up()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await run.measure()
        return run.tally
    finally:
        run.close()


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            tally = runner.run(take_job(Job(**json.loads(line))))
            print(json.dumps(asdict(tally)), flush=True)


if __name__ == "__main__":
    main()
