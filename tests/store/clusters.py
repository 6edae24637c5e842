"""Several real servers that belong together: a Sentinel set, a cluster of six nodes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis

from proxy.runtime.store_address import StoreAddress, parse_store_url
from tests.store.servers import Server, directory, free_ports

_BECOMES = 30.0  # seconds
SERVICE = "main"


class Sentinel(Server):
    """Watches one master, and gives it up when two of them do."""

    def __init__(self, binary: Path, folder: Path, port: int, master: int, *lines: str) -> None:
        super().__init__(binary, folder, port=port)
        # It writes what it learns into its configuration, so that has to be a file.
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 3000\n" + "".join(f"{line}\n" for line in lines)
        )
        self._first_words = (str(configuration), "--sentinel")
        self._options = ()

    def state(self) -> dict[str, str]:
        """What it believes of the master."""
        said = self.ask("SENTINEL", "MASTER", SERVICE)
        return said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))


class SentinelSet:
    """A master with a replica, and three Sentinels."""

    def __init__(self, servers: list[Server], sentinels: list[Sentinel], credentials: str = "") -> None:
        self.servers = servers
        self.sentinels = sentinels
        self._credentials = credentials

    @property
    def address(self) -> StoreAddress:
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return parse_store_url(f"redis+sentinel://{self._credentials}{hosts}/{SERVICE}")

    @property
    def master(self) -> Server:
        """As the first Sentinel sees it."""
        port = int(self.sentinels[0].state()["port"])
        return next(server for server in self.servers if server.port == port)

    @property
    def masters(self) -> list[Server]:
        return [self.master]

    def is_whole(self) -> bool:
        """Everybody knows everybody, and the replica follows."""
        states = [sentinel.state() for sentinel in self.sentinels]
        roles = sorted(server.ask("INFO", "replication")["role"] for server in self.servers)
        links = [server.ask("INFO", "replication").get("master_link_status") for server in self.servers]
        return (
            all(int(state["num-slaves"]) == 1 and int(state["num-other-sentinels"]) == 2 for state in states)
            and roles == ["master", "slave"]
            and "up" in links
        )


class Cluster:
    """Three masters, each with a replica."""

    def __init__(self, nodes: list[Server]) -> None:
        self.nodes = nodes

    def __repr__(self) -> str:
        """How each node sees it, for a test that failed."""
        return "\n".join(f"{node.port}:\n{node.say('CLUSTER', 'NODES')}" for node in self.nodes if answers(node))

    @property
    def address(self) -> StoreAddress:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return parse_store_url(f"redis+cluster://{hosts}")

    @property
    def masters(self) -> list[Server]:
        return [self.at(port) for port in {primary[1] for _, _, primary, *_ in self.slots()}]

    def owner(self, key: str) -> Server:
        """The node that has this key, as the others see it."""
        slot = self.any().ask("CLUSTER", "KEYSLOT", key)
        for first, last, primary, *_ in self.slots():
            if first <= slot <= last:
                return self.at(primary[1])
        raise AssertionError(f"nobody has {key}")

    def slots(self) -> list[Any]:
        return list(self.any().say("CLUSTER", "SLOTS"))

    def any(self) -> Server:
        """One that answers."""
        return next(node for node in self.nodes if answers(node))

    def at(self, port: int) -> Server:
        return next(node for node in self.nodes if node.port == port)

    def is_whole(self) -> bool:
        """All slots are served, and every replica follows its master: only then does killing a master lose nothing."""
        replications = [node.ask("INFO", "replication") for node in self.nodes]
        return (
            all("cluster_state:ok" in str(node.say("CLUSTER", "INFO")) for node in self.nodes)
            and sorted(each["role"] for each in replications) == ["master"] * 3 + ["slave"] * 3
            and all(each["master_link_status"] == "up" for each in replications if each["role"] == "slave")
            and all(len(entry) == 4 for node in self.nodes for entry in node.say("CLUSTER", "SLOTS"))
        )


def answers(node: Server) -> bool:
    try:
        node.say("PING")
    except (redis.RedisError, OSError):
        return False
    return True


def becomes(condition: Callable[[], bool]) -> None:
    """Waits until it holds; who cannot be asked yet does not count as an answer."""
    until = time.monotonic() + _BECOMES
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        assert time.monotonic() < until, condition
        time.sleep(0.05)


async def copied(master: Server) -> None:
    """Until its replica has all it has. Else, who loses the master loses what it wrote last."""

    def is_copied() -> bool:
        replication = master.ask("INFO", "replication")
        return bool(replication["slave0"]["offset"] == replication["master_repl_offset"])

    await turns(is_copied)


async def turns(condition: Callable[[], bool]) -> None:
    """The same, while this loop goes on."""
    await asyncio.to_thread(becomes, condition)


@contextmanager
def sentinel_set(binary: Path, password: str = "") -> Iterator[SentinelSet]:
    """`password` is the servers' alone."""
    ports = free_ports(5)
    secret = ("--requirepass", password, "--masterauth", password) if password else ()
    lines = (f"sentinel auth-pass {SERVICE} {password}",) if password else ()
    with ExitStack() as stack:
        options = ("--repl-diskless-sync-delay", "0", *secret)
        servers = [Server(binary, stack.enter_context(directory()), *options, port=port) for port in ports[:2]]
        sentinels = [Sentinel(binary, stack.enter_context(directory()), port, ports[0], *lines) for port in ports[2:]]
        for server in (*servers, *sentinels):
            stack.callback(server.stop)
        servers[0].start()
        servers[1].start("--replicaof", f"127.0.0.1 {ports[0]}")
        for sentinel in sentinels:
            sentinel.start()
        whole = SentinelSet(servers, sentinels, f":{password}@" if password else "")
        if not password:
            becomes(whole.is_whole)
        yield whole


@contextmanager
def six_nodes(binary: Path) -> Iterator[Cluster]:
    ports = free_ports(12)
    options = (
        *("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"),
        *("--cluster-require-full-coverage", "no"),  # so that only what a dead node had is missing
    )
    with ExitStack() as stack:
        nodes = [
            Server(binary, stack.enter_context(directory()), *options, "--cluster-port", str(bus), port=port)
            for port, bus in zip(ports[:6], ports[6:], strict=True)
        ]
        for node in nodes:
            stack.callback(node.stop)
            node.start()
        for node, bus in zip(nodes[1:], ports[7:], strict=True):
            nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        masters, replicas = nodes[:3], nodes[3:]
        for node, (first, last) in zip(masters, ((0, 5460), (5461, 10922), (10923, 16383)), strict=True):
            node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        becomes(lambda: all("cluster_known_nodes:6" in str(node.say("CLUSTER", "INFO")) for node in nodes))
        for master, replica in zip(masters, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", str(master.say("CLUSTER", "MYID")))
        cluster = Cluster(nodes)
        becomes(cluster.is_whole)
        yield cluster
