"""The control channel over a real socket pair: whole messages in order, an end that is noticed, a sender that never
waits."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from proxy.control.channel import Channel
from proxy.control.messages import (
    ORDERS,
    REPORTS,
    Done,
    Drain,
    ForceOpen,
    Hurry,
    Order,
    Pulse,
    Ready,
    Refresh,
    Report,
    ResetBreaker,
)
from proxy.routing.standing import BreakerRow

OPEN = BreakerRow("a/b", "open", "forced_open", 1.5, 2, 3, 1750000000.0, "a")
BIG = Pulse(1, 2, 3, "", (OPEN, BreakerRow("credential:a", "closed")), b"m" * 5_000_000)


class Pair:
    def __init__(self, master: Channel[Report], worker: Channel[Order]) -> None:
        self.master = master
        self.worker = worker


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    ours, theirs = socket.socketpair()
    joined = Pair(await Channel.over(ours, REPORTS), await Channel.over(theirs, ORDERS))
    yield joined
    joined.master.close()
    joined.worker.close()


async def test_what_is_said_arrives_whole_and_in_order(pair: Pair):
    orders: list[Order] = [
        Drain(5.0, 300.0),
        Refresh(1, 2, ("ab12cd34",)),
        ForceOpen(3, "a/b", 600.0),
        ResetBreaker(4, "credential:a"),
        Hurry(),
    ]
    for order in orders:
        pair.master.send(order)
    heard = pair.worker.messages()
    assert [await anext(heard) for _ in orders] == orders
    reports = [Ready(), Done(7), BIG, Done(8, "it could not"), *[Done(number) for number in range(500)]]
    for report in reports:
        pair.worker.send(report)
    ending = asyncio.create_task(pair.worker.closed())
    told = [report async for report in pair.master.messages()]
    assert len(told) == len(reports)
    assert all(each == report for each, report in zip(told, reports, strict=True))
    await ending


async def test_the_dead_have_said_what_they_said(pair: Pair):
    """Also when there was something left for them to read, which makes the kernel report a broken connection."""
    pair.master.send(Hurry())
    await asyncio.sleep(0.05)
    for number in range(3):
        pair.worker.send(Done(number))
    await asyncio.sleep(0.05)
    pair.worker.close()
    assert [report async for report in pair.master.messages()] == [Done(0), Done(1), Done(2)]


async def test_what_is_said_after_the_end_is_not(pair: Pair):
    pair.worker.close()
    pair.worker.send(Ready())
    assert [report async for report in pair.master.messages()] == []


async def test_nobody_waits_for_who_does_not_read(pair: Pair):
    for _ in range(3):
        pair.worker.send(BIG)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pair.worker.has_room()
    reports = pair.master.messages()
    assert [await anext(reports) for _ in range(3)] == [BIG] * 3
    async with asyncio.timeout(5):
        await pair.worker.has_room()


async def test_who_is_gone_is_waited_for_by_nobody(pair: Pair):
    pair.worker.send(BIG)
    pair.master.close()
    async with asyncio.timeout(5):
        await pair.worker.has_room()
        await pair.worker.closed()


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x00\x00\x09\x81", b"\x00\x00\x00\x02"])
async def test_half_a_message_is_the_end(said: bytes):
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(said)
    listening = await Channel.over(ours, REPORTS)
    assert [report async for report in listening.messages()] == []
    await listening.closed()


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00\x00\x01\xc1",  # no msgpack
        b"\x00\x00\x00\x0b\x81\xa4type\xa4Dane",  # no report of this version
        b"\xff\xff\xff\xff",  # longer than anything we say
    ],
)
async def test_what_is_no_message_is_refused(said: bytes):
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(said)
        listening = await Channel.over(ours, REPORTS)
        with pytest.raises(ValueError, match=r"."):
            await anext(listening.messages())
    await listening.closed()
