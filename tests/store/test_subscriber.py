"""What is published is heard, and whenever it may not have been, that is said."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from proxy.store.client import Store
from proxy.store.scripts import Script
from proxy.store.servers import OneServer
from proxy.store.subscriber import Message, Subscriber
from tests.store.clusters import six_nodes, turns
from tests.store.recording import recorded
from tests.store.servers import Server

CHANNEL = "segue:{segue}:changes"
LISTENING = Message(CHANNEL, None)
SOON = 10.0  # seconds: the longest pause before it connects again, several times over


class Heard:
    """The messages of a subscriber, one by one."""

    def __init__(self, messages: AsyncIterator[Message]) -> None:
        self._messages = messages

    async def next(self) -> Message:
        async with asyncio.timeout(SOON):
            return await anext(self._messages)


@asynccontextmanager
async def hearing(subscriber: Subscriber) -> AsyncIterator[Heard]:
    async with aclosing(subscriber.messages()) as messages:
        yield Heard(messages)


def listeners(server: Server) -> int:
    return int(server.ask("PUBLISH", CHANNEL, "?"))


async def test_messages_come_in_order(server: Server, store: Store):
    async with hearing(store.subscriber(CHANNEL)) as heard:
        assert await heard.next() == LISTENING
        for number in range(500):
            server.ask("PUBLISH", CHANNEL, number)
        assert [await heard.next() for _ in range(500)] == [Message(CHANNEL, str(n)) for n in range(500)]
    await turns(lambda: listeners(server) == 0)


async def test_what_a_script_publishes(store: Store, write: Callable[[str], Script]):
    publish = write("#!lua\nreturn redis.call('PUBLISH', ARGV[1], ARGV[2])")
    async with hearing(store.subscriber(CHANNEL)) as heard:
        await heard.next()
        await store.run(publish, ["segue:{segue}:x"], [CHANNEL, "7"])
        assert await heard.next() == Message(CHANNEL, "7")


async def test_messages_of_somebody_else(server: Server, store: Store):
    async with hearing(store.subscriber(CHANNEL)) as heard:
        await heard.next()
        server.ask("EVAL", f"return redis.call('PUBLISH', '{CHANNEL}', '\\255\\0x')", 0)
        assert await heard.next() == Message(CHANNEL, "\ufffd\0x")


async def test_several_channels(server: Server, store: Store):
    async with hearing(store.subscriber(CHANNEL, "other")) as heard:
        assert [await heard.next(), await heard.next()] == [LISTENING, Message("other", None)]
        server.ask("PUBLISH", "other", "ü")
        assert await heard.next() == Message("other", "ü")


async def test_it_waits_longer_than_a_call_may(server: Server):
    async with recorded(server.address, 0.05) as client, hearing(client.store.subscriber(CHANNEL)) as heard:
        await heard.next()
        waiting = asyncio.create_task(heard.next())
        await asyncio.sleep(0.5)
        server.ask("PUBLISH", CHANNEL, "late")
        assert await waiting == Message(CHANNEL, "late")


async def test_a_server_that_restarts(server: Server, store: Store):
    async with hearing(store.subscriber(CHANNEL)) as heard:
        for round_ in range(3):
            assert await heard.next() == LISTENING
            server.ask("PUBLISH", CHANNEL, round_)
            assert await heard.next() == Message(CHANNEL, str(round_))
            server.kill()
            await asyncio.sleep(0.2)
            server.start()


async def test_no_server_at_first(server: Server, store: Store):
    server.stop()
    async with hearing(store.subscriber(CHANNEL)) as heard:
        waiting = asyncio.create_task(heard.next())
        await asyncio.sleep(0.5)
        server.start()
        assert await waiting == LISTENING


@pytest.fixture
async def impatient(server: Server) -> AsyncIterator[Subscriber]:
    """Asks a server that has been silent for 0.2 s."""
    one = OneServer(server.address)
    yield Subscriber(one, (CHANNEL,), random.random, silence=0.2)
    await one.close()


async def test_a_silent_server_that_is_well_is_kept(server: Server, impatient: Subscriber):
    async with hearing(impatient) as heard:
        assert await heard.next() == LISTENING
        waiting = asyncio.create_task(heard.next())
        await asyncio.sleep(1.0)
        server.ask("PUBLISH", CHANNEL, "at last")
        assert await waiting == Message(CHANNEL, "at last")


async def test_a_frozen_server_is_given_up(server: Server, impatient: Subscriber):
    """Left alone it would stay silent for ever, and what is published meanwhile would be missed unawares."""
    async with hearing(impatient) as heard:
        assert await heard.next() == LISTENING
        waiting = asyncio.create_task(heard.next())
        server.pause()
        await asyncio.sleep(1.0)
        assert not waiting.done()
        server.resume()
        assert await waiting == LISTENING


async def test_an_end_in_the_middle_leaves_no_connection(server: Server, store: Store):
    async def listen() -> None:
        async for _ in store.subscriber(CHANNEL).messages():
            pass

    for delay in (0.0, 0.001, 0.1):
        task = asyncio.create_task(listen())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await turns(lambda: listeners(server) == 0)


async def test_in_a_cluster_every_node_hears(binary: Path, write: Callable[[str], Script]):
    publish = write("#!lua\nreturn redis.call('PUBLISH', ARGV[1], ARGV[2])")
    with six_nodes(binary) as cluster:
        async with recorded(cluster.address) as client, hearing(client.store.subscriber(CHANNEL)) as heard:
            assert await heard.next() == LISTENING
            for number in range(20):
                await client.store.run(publish, [f"segue:tenant:{{{number}}}:x"], [CHANNEL, str(number)])
            assert sorted([int((await heard.next()).data or -1) for _ in range(20)]) == list(range(20))
            # Whichever node it listens to, when that is gone it listens to another.
            (listened,) = [node for node in cluster.nodes if CHANNEL in str(node.say("PUBSUB", "CHANNELS"))]
            listened.kill()
            assert await heard.next() == LISTENING
