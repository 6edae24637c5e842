"""The load: clients that ask all the time, keep connections, leave at times, and tell what became of each request."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

from tests.chaos.instance import Instance
from tests.chaos.judging import Request
from tests.chaos.keyring import HeldKey
from tests.chaos.scene import SHARES, Scene
from tests.chaos.wire import VOCABULARIES, Connection, exchanged, request_of
from tests.e2e.configuration import VOCABULARIES as UPSTREAMS

PATIENCE = 40.0  # seconds beyond what an answer takes: a frozen process is replaced in less
_PAUSE = 0.3  # seconds at most between two requests
_NOBODY_THERE = 0.5
_DEAD = 0.3  # seconds that a process may take from losing its connections to its end
_LEAVING = 0.06
_FRESH_CONNECTION = 0.4
_REVOKED = 0.05


class Client:
    """`kind`: a vocabulary, and whether it wants a stream."""

    def __init__(self, scene: Scene, instance: Instance, kind: tuple[str, bool], chance: random.Random) -> None:
        self._scene = scene
        self._instance = instance
        self._vocabulary, self._is_streamed = kind
        self._chance = chance
        self._kept: Connection | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        try:
            while not stopping.is_set():
                request = await self._ask_something()
                is_nobody_there = request.outcome in ("not connected", "unanswered")
                await asyncio.sleep(_NOBODY_THERE if is_nobody_there else self._chance.random() * _PAUSE)
        finally:
            if self._kept is not None:
                self._kept.close()

    async def _ask_something(self) -> Request:
        chance = self._chance
        lengths = self._scene.lengths
        length = chance.choices(list(lengths), SHARES)[0]
        words, pause = lengths[length]
        route = f"{length if self._is_streamed else f'{length}-whole'}/{chance.choice(UPSTREAMS)}"
        key = self._scene.keyring.pick(chance, _REVOKED)
        if chance.random() < _FRESH_CONNECTION and self._kept is not None:
            self._kept.close()
            self._kept = None
        request = begun(self._instance, self._vocabulary, self._is_streamed, key, words)
        usual = words * pause / 1000
        leaves_after = chance.random() * usual if chance.random() < _LEAVING else None
        self._kept = await asked(self._scene, request, route, self._kept, usual + PATIENCE, leaves_after)
        return request


def begun(instance: Instance, vocabulary: str, is_streamed: bool, key: HeldKey, words: int) -> Request:
    return Request(instance, vocabulary, is_streamed, key, words, time.monotonic())


async def asked(
    scene: Scene,
    request: Request,
    route: str,
    kept: Connection | None,
    deadline: float,
    leaves_after: float | None = None,
) -> Connection | None:
    """Ask over the connection kept, or another; judge what came; the connection, if it can be kept."""
    connection = kept if kept is not None and kept.is_usable else None
    scene.open.add(request)
    try:
        async with asyncio.timeout(deadline):
            connection = connection or await Connection.open(request.instance.port)
            await _exchange(request, route, connection, leaves_after)
    except TimeoutError:
        request.outcome = "hung"
        if connection is not None:
            connection.leave()
    except OSError:
        request.outcome = "not connected"
    finally:
        request.ended = time.monotonic()
    if request.outcome in ("cut", "unanswered"):
        await asyncio.sleep(_DEAD)
    scene.finished(request)
    return connection if connection is not None and connection.is_usable else None


async def _exchange(request: Request, route: str, connection: Connection, leaves_after: float | None) -> None:
    request.opened, request.port, request.is_kept = connection.opened, connection.port, connection.asked > 0
    request.sent = time.monotonic()
    body = {"model": route, "stream": request.is_streamed}
    wire = request_of(request.vocabulary, request.key.key, body)
    ended = await exchanged(connection, wire, request.answer, leaves_after)
    if ended == "whole":
        request.outcome = "complete" if request.answer.status == 200 else "refused"
    else:
        request.outcome = ended


def kinds() -> list[tuple[str, bool]]:
    """Every vocabulary, streamed and not; the domain's has streams only."""
    return [(each, True) for each in VOCABULARIES] + [(each, False) for each in VOCABULARIES if each != "domain"]


@contextlib.asynccontextmanager
async def load(scene: Scene, count: int) -> AsyncIterator[None]:
    """So many clients, evenly spread over kinds and instances, for as long as the block runs. Streams outnumber what
    is not streamed. At the end they are let finish."""
    stopping = asyncio.Event()
    every = kinds() + [kind for kind in kinds() if kind[1]]
    clients = []
    for number in range(count):
        instance = scene.instances[number % len(scene.instances)]
        kind = every[(number // len(scene.instances)) % len(every)]
        client = Client(scene, instance, kind, random.Random(scene.chance.random()))
        clients.append(asyncio.create_task(client.run(stopping)))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*clients)
