"""The load generator must notice a wrong answer: a bench that counts failures as speed is worse than none."""

import asyncio
import json
from collections.abc import Callable

import pytest

from bench.frames import stream, whole
from bench.load import Job, Run, fault, request_bytes, unchunk
from bench.upstream import UpstreamProtocol


def job(port: int = 1, vocabulary: str = "chat", **changes: object) -> Job:
    settled = {"model": "stream-3", "stream": True, "deltas": 3, "connections": 2, "requests": 6, **changes}
    return Job(port=port, vocabulary=vocabulary, **settled)  # type: ignore[arg-type]


def wire(vocabulary: str, deltas: int = 3) -> bytes:
    parts = stream(vocabulary, "stream-3", deltas, include_usage=True)
    return parts.opening + b"".join(parts.deltas) + parts.closing


@pytest.mark.parametrize("vocabulary", ["chat", "responses", "messages"])
def test_a_good_answer_has_no_fault(vocabulary: str) -> None:
    asked = job(vocabulary=vocabulary)
    assert fault(asked, 200, wire(vocabulary)) is None
    assert fault(job(vocabulary=vocabulary, stream=False), 200, whole(vocabulary, "fixed", 1)) is None


@pytest.mark.parametrize("vocabulary", ["chat", "responses", "messages"])
def test_what_is_missing_or_doubled_is_a_fault(vocabulary: str) -> None:
    asked = job(vocabulary=vocabulary)
    assert fault(asked, 502, wire(vocabulary)) == "status 502"
    assert fault(asked, 200, wire(vocabulary) * 2) == "not exactly one terminal"
    assert fault(asked, 200, stream(vocabulary, "stream-3", 3, False).opening) == "not exactly one terminal"
    assert fault(asked, 200, wire(vocabulary, deltas=2)) == "2 deltas instead of 3"
    assert fault(job(vocabulary=vocabulary, stream=False), 200, b"<html>") == "not JSON"
    assert fault(job(vocabulary=vocabulary, stream=False), 200, b'{"error": {}}') == "a None instead of the answer"


def test_unchunk_joins_what_was_cut() -> None:
    assert unchunk(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n") == b"abc0123456789"


def test_a_large_body_has_the_size_asked_for() -> None:
    request = request_bytes(job(stream=False, body_bytes=1_000_000), "fixed")
    body = request.partition(b"\r\n\r\n")[2]
    assert 1_000_000 <= len(body) <= 1_050_000
    assert json.loads(body)["model"] == "fixed"
    assert f"content-length: {len(body)}\r\n".encode() in request


async def _tally(protocol: Callable[[], asyncio.Protocol], **changes: object) -> Run:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    async with server:
        run = Run(job(server.sockets[0].getsockname()[1], **changes))
        await run.warm_up()
        await run.measure()
        run.close()
        return run


@pytest.fixture(params=[1, 5, 64])
def dribbled(request: pytest.FixtureRequest) -> Callable[[], asyncio.Protocol]:
    """An upstream whose writes arrive a few bytes at a time, so that reads cut everywhere."""

    class Dribble(UpstreamProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            super().connection_made(_Slicer(transport, request.param))  # type: ignore[arg-type]

    return Dribble


class _Slicer:
    def __init__(self, transport: asyncio.Transport, size: int) -> None:
        self._transport = transport
        self._size = size

    def write(self, payload: bytes) -> None:
        for start in range(0, len(payload), self._size):
            self._transport.write(payload[start : start + self._size])

    def close(self) -> None:
        self._transport.close()


async def test_it_reads_answers_however_they_are_cut(dribbled: Callable[[], asyncio.Protocol]) -> None:
    for changes in ({}, {"stream": False}, {"vocabulary": "responses"}):
        run = await _tally(dribbled, connections=1, requests=2, **changes)
        assert run.tally.requests == 2
        assert run.tally.failures == {}


async def test_it_asks_exactly_as_often_as_told() -> None:
    run = await _tally(UpstreamProtocol)
    assert run.tally.requests == len(run.tally.latencies) == 6
    assert run.tally.received_bytes == 6 * len(wire("chat"))


async def test_a_hang_up_counts_as_a_failure() -> None:
    class Grudging(UpstreamProtocol):
        """Answers the warm-up and hangs up on what comes after."""

        asked = 0

        def data_received(self, data: bytes) -> None:
            self.asked += 1
            if self.asked > 1:
                self._transport.close()
            else:
                super().data_received(data)

    run = await _tally(Grudging, connections=2, requests=6)
    assert run.tally.failures == {"closed before the answer was whole": 2}
