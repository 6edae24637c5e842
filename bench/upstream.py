"""The bench's upstream: a lean HTTP server whose answers are ready-made bytes, so that it is never what limits a run.

The model's name says how the answer arrives: `fixed` and `stream-N` at once, `slow-N-Tms` one event each T ms, `fast-N`
in batches of twenty events each 4 ms. Run as `python -m bench.upstream`; it prints the port it listens on.
"""

import argparse
import asyncio
import json
import re
from functools import lru_cache
from typing import NamedTuple, cast

import uvloop

from bench import frames

BATCH = 20
BATCH_INTERVAL = 0.004  # seconds
_MAX_EVENTS = 10_000
_MAX_BODY = 64 * 1024 * 1024

_VOCABULARY = {
    b"/v1/chat/completions": "chat",
    b"/v1/responses": "responses",
    b"/v1/messages": "messages",
}
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_MODEL_MEMBER = re.compile(rb'"model" *: *"([^"\\]{1,80})"')
_MODEL_NAME = re.compile(r"fixed|stream-(?P<plain>\d+)|slow-(?P<slow>\d+)-(?P<gap>\d+)ms|fast-(?P<fast>\d+)")
_ALWAYS_SENT = b"date: Sat, 21 Nov 2026 00:00:00 GMT\r\nserver: bench\r\nx-request-id: req_bench0000000000000001\r\n"


class Pace(NamedTuple):
    """How many deltas an answer has, how many go out together (0: all at once), and the seconds between two writes."""

    deltas: int
    together: int
    interval: float


class Script(NamedTuple):
    """What goes over the socket: one write now and then one each `interval` seconds."""

    writes: list[bytes]
    interval: float


class UnknownModelError(ValueError):
    """The model's name is not one of ours, or asks for more than the bench ever needs."""


def pace_of(model: str) -> Pace:
    """Read a model name; raises `UnknownModelError`."""
    match = _MODEL_NAME.fullmatch(model)
    if match is None:
        raise UnknownModelError(model)
    if match["slow"]:
        pace = Pace(int(match["slow"]), 1, int(match["gap"]) / 1000)
    elif match["fast"]:
        pace = Pace(int(match["fast"]), BATCH, BATCH_INTERVAL)
    else:
        pace = Pace(int(match["plain"] or 1), 0, 0.0)
    if not 1 <= pace.deltas <= _MAX_EVENTS or pace.interval > 10:
        raise UnknownModelError(model)
    return pace


@lru_cache(maxsize=64)
def whole_script(vocabulary: str, model: str) -> Script:
    body = frames.whole(vocabulary, model, pace_of(model).deltas)
    return Script([_plain_answer(b"200 OK", body)], 0.0)


@lru_cache(maxsize=64)
def stream_script(vocabulary: str, model: str, include_usage: bool) -> Script:
    """The writes of a stream: headers with the opening frames, then the deltas; the last write also ends the answer."""
    pace = pace_of(model)
    opening, deltas, closing = frames.stream(vocabulary, model, pace.deltas, include_usage)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    head += _ALWAYS_SENT + b"transfer-encoding: chunked\r\n\r\n"
    ending = _http_chunk(closing) + b"0\r\n\r\n"
    if not pace.together:
        return Script([head + _http_chunk(opening) + b"".join(map(_http_chunk, deltas)) + ending], 0.0)
    batches = [deltas[start : start + pace.together] for start in range(0, len(deltas), pace.together)]
    writes = [head + _http_chunk(opening), *(_http_chunk(b"".join(batch)) for batch in batches)]
    writes[-1] += ending
    return Script(writes, pace.interval)


def _http_chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _plain_answer(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\n" + _ALWAYS_SENT
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def _refusal(status: bytes, message: str) -> Script:
    error = {"message": message, "type": "invalid_request_error", "code": None, "param": None}
    return Script([_plain_answer(status, json.dumps({"error": error}).encode())], 0.0)


def _says_true(body: bytes | bytearray, member: bytes) -> bool:
    return member + b"true" in body or member + b" true" in body


def answer(path: bytes, body: bytes | bytearray) -> Script:
    """What to answer to a POST of `body`. The body is searched, not parsed: a megabyte must cost us nothing."""
    vocabulary = _VOCABULARY.get(path.partition(b"?")[0])
    model = _MODEL_MEMBER.search(body)
    if vocabulary is None or model is None:
        return _refusal(b"404 Not Found", "no such path, or no model named")
    try:
        name = model[1].decode()
        if _says_true(body, b'"stream":'):
            return stream_script(vocabulary, name, _says_true(body, b'"include_usage":'))
        return whole_script(vocabulary, name)
    except (UnknownModelError, UnicodeDecodeError):
        return _refusal(b"404 Not Found", "no such model")


class UpstreamProtocol(asyncio.Protocol):
    """One client connection: whole requests in, scripted writes out, one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._body_start = 0
        self._body_length = 0
        self._next_write: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next_write is not None:
            self._next_write.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._body_start:
            self._read_head()
        if self._body_start and len(self._received) >= self._body_start + self._body_length:
            self._take_request()

    def _read_head(self) -> None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end + 2)
        self._body_start = end + 4
        self._body_length = int(length[1]) if length else 0
        if self._body_length > _MAX_BODY or b"\r\ntransfer-encoding:" in self._received[:end].lower():
            self._play(_refusal(b"411 Length Required", "the bench sends bodies of known, moderate length"))
            self._transport.close()

    def _take_request(self) -> None:
        _method, path, _rest = bytes(self._received[: self._received.find(b"\r\n")]).split(b" ", 2)
        del self._received[: self._body_start]
        script = answer(path, self._received)
        self._received.clear()
        self._body_start = 0
        self._play(script)

    def _play(self, script: Script) -> None:
        self._transport.write(script.writes[0])
        if len(script.writes) > 1:
            self._schedule(script, 1, self._loop.time() + script.interval)

    def _schedule(self, script: Script, position: int, due: float) -> None:
        self._next_write = self._loop.call_at(due, self._write, script, position, due)

    def _write(self, script: Script, position: int, due: float) -> None:
        self._transport.write(script.writes[position])
        if position + 1 < len(script.writes):
            # from the time it was due, not from now: a late timer must not slow the stream down for good
            self._schedule(script, position + 1, due + script.interval)


async def serve(port: int) -> None:
    """Listen on loopback, say where, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(UpstreamProtocol, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.upstream", description="The bench's upstream.")
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
