"""A master and its replicas, watched by Sentinels that say which of them is the master."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import AuthenticationError, ConnectionError, RedisError

from proxy.runtime.store_address import StoreAddress
from proxy.store.outliving import Outliving
from proxy.store.pool import Pool, ask_once, connection_to
from proxy.store.servers import Command, Lookup, Node

_ASK_SECONDS = 0.5
_FRESH_SECONDS = 1.0


class _Belief(NamedTuple):
    """Which server a Sentinel holds for the master, and since which configuration."""

    epoch: int
    master: Node


class Sentinels:
    """Asks all of them and believes the newest configuration. Asks again after every failure, and each second of use: a
    master that has been replaced goes on to take writes, all of them lost, until a Sentinel reaches it and tells it so,
    which after a failover on request takes eight seconds
    (<https://github.com/redis/redis/blob/7.0/src/sentinel.c>, sentinelRefreshInstanceInfo)."""

    def __init__(self, address: StoreAddress, clock: Callable[[], float]) -> None:
        self._address = address
        self._clock = clock
        self._master: Node | None = None
        self._pool: Pool | None = None
        self._asked = 0.0
        self._lookup = Lookup(self._search)
        self._closing: Outliving[None] = Outliving()

    def place(self, key: str) -> str:
        return ""

    async def execute(self, key: str, command: Command) -> Any:
        if self._pool is None:
            await self._lookup.done()
        elif self._clock() - self._asked > _FRESH_SECONDS:
            self._lookup.begin()
        if self._pool is None:
            raise ConnectionError(f"no Sentinel of {self._address.shown} names a master")
        return await self._pool.execute(command)

    async def suspect(self, key: str) -> None:
        if self._pool is not None:
            await self._pool.drop_idle()
        self._lookup.begin()

    async def listening(self) -> AbstractConnection:
        await self._lookup.done()
        if self._master is None:
            raise ConnectionError(f"no Sentinel of {self._address.shown} names a master")
        return connection_to(self._address, *self._master)

    async def close(self) -> None:
        await self._lookup.close()
        await self._closing.join()
        if self._pool is not None:
            await self._pool.close()

    async def _search(self) -> None:
        """Leaves things as they are when nobody answers."""
        self._asked = self._clock()
        answers = await asyncio.gather(*(self._ask(host, port) for host, port in self._address.hosts))
        known = [answer for answer in answers if answer is not None]
        if not known:
            return
        master = max(known).master
        if master == self._master:
            return
        self._master = master
        old, self._pool = self._pool, Pool(lambda: connection_to(self._address, *master))
        if old is not None:
            self._closing.begin(old.close())

    async def _ask(self, host: str, port: int) -> _Belief | None:
        """None when it does not answer, or does not know the service."""
        # The credentials are the servers'. A Sentinel has the same, or none, and then refuses to be given any.
        with_credentials = msgspec.structs.replace(self._address, database=0)
        without = msgspec.structs.replace(with_credentials, username="", password="")
        question = ("SENTINEL", "MASTER", self._address.service)
        with suppress(RedisError, OSError, KeyError, ValueError):
            async with asyncio.timeout(_ASK_SECONDS):
                try:
                    reply = await ask_once(connection_to(with_credentials, host, port), *question)
                except AuthenticationError:
                    reply = await ask_once(connection_to(without, host, port), *question)
            said = dict(zip(reply[::2], reply[1::2], strict=True))
            return _Belief(int(said[b"config-epoch"]), Node(said[b"ip"].decode(), int(said[b"port"])))
        return None
