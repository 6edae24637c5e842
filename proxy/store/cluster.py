"""The nodes of a cluster. A key has a slot and a slot a node: which, any node can tell, and the one that had it before
corrects. <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>"""

import asyncio
import random
from contextlib import suppress
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import AskError, ConnectionError, MovedError, RedisError

from proxy.runtime.store_address import StoreAddress
from proxy.store.pool import Pool, ask_once, connection_to
from proxy.store.servers import Command, Lookup, Node

_SLOTS = 16384
_ASK_SECONDS = 0.3


class Cluster:
    """Knows the owner of each slot; looks again after every failure and every correction."""

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._owners: list[Node | None] = [None] * _SLOTS
        self._pools: dict[Node, Pool] = {}
        self._lookup = Lookup(self._search)

    def place(self, key: str) -> str:
        owner = self._owners[key_slot(key.encode())]
        return f"{owner.host}:{owner.port}" if owner is not None else ""

    async def execute(self, key: str, command: Command) -> Any:
        slot = key_slot(key.encode())
        if self._owners[slot] is None:
            await self._lookup.done()
        owner = self._owners[slot]
        if owner is None:
            raise ConnectionError(f"no node of {self._address.shown} is known to serve slot {slot}")
        try:
            return await self._pool(owner).execute(command)
        except MovedError as moved:
            owner = self._owners[slot] = _named(moved, owner)
            self._lookup.begin()
            return await self._pool(owner).execute(command)
        except AskError as elsewhere:  # only this time: the slot is on its way
            return await self._pool(_named(elsewhere, owner)).execute(("ASKING",), command)

    async def suspect(self, key: str) -> None:
        owner = self._owners[key_slot(key.encode())]
        if owner is not None:
            await self._pool(owner).drop_idle()
        self._lookup.begin()

    async def listening(self) -> AbstractConnection:
        """To any node: each hears what is published anywhere."""
        return self._connection(random.choice(self._nodes()))

    async def close(self) -> None:
        await self._lookup.close()
        for pool in self._pools.values():
            await pool.close()

    def _connection(self, node: Node) -> AbstractConnection:
        return connection_to(self._address, node.host, node.port)

    def _pool(self, node: Node) -> Pool:
        pool = self._pools.get(node)
        if pool is None:
            pool = self._pools[node] = Pool(lambda: self._connection(node))
        return pool

    def _nodes(self) -> list[Node]:
        """Known ones and configured ones, each once."""
        configured = (Node(host, port) for host, port in self._address.hosts)
        return list(dict.fromkeys((*self._pools, *configured)))

    async def _search(self) -> None:
        """Leaves things as they are when no node answers. In a random order, because one that the others have given up
        answers too, and wrongly."""
        nodes = self._nodes()
        for node in random.sample(nodes, len(nodes)):
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(_ASK_SECONDS):
                    reply = await ask_once(self._connection(node), "CLUSTER", "SLOTS")
                await self._learn(reply, node)
                return

    async def _learn(self, reply: list[Any], asked: Node) -> None:
        owners: list[Node | None] = [None] * _SLOTS
        for first, last, primary, *_ in reply:
            # A node that was not told its own address leaves it out: it is the one that was asked.
            owner = Node(primary[0].decode() if primary[0] else asked.host, primary[1])
            owners[first : last + 1] = [owner] * (last + 1 - first)
        self._owners = owners
        living = set(owners)
        for node in [node for node in self._pools if node not in living]:
            await self._pools.pop(node).close()


def _named(error: AskError, asked: Node) -> Node:
    """The node that an answer points to; without a host it is the one asked, at another port."""
    return Node(error.host or asked.host, error.port)
