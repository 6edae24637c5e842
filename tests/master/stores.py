"""Embedded stores in tests: a place for each, what they said, and questions to the real server behind them."""

import asyncio
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from proxy.master.embedded_store import EmbeddedStore, Patience, StoreEvent

# Long enough for a busy machine; what is to be noticed soon is asked for in the test.
QUICK = Patience(start=10.0, interval=0.05, silence=10.0, stop=10.0, lock=0.2, first_restart=0.02, longest_restart=0.2)
MEMORY = 64 * 1024**2


class Scene:
    """One instance's place. `data`: its data directory, not made yet; `run`: its run directory, a short path as
    sockets need one; `events`: what its stores told, in order."""

    def __init__(self, tmp_path: Path) -> None:
        self.data = tmp_path / "segue-data"
        self.run = Path(tempfile.mkdtemp(prefix="segue-test-"))
        self.socket = self.run / "store.sock"
        self.events: list[StoreEvent] = []
        self._stores: list[EmbeddedStore] = []

    @property
    def appended(self) -> Path:
        return self.data / "store" / "appendonlydir"

    def store(self, **changed: Any) -> EmbeddedStore:
        """Not started yet; stopped when the test ends."""
        arguments = {
            "socket_path": self.socket,
            "directory": self.data,
            "maximum_memory": MEMORY,
            "run_directory": self.run,
            "on_event": self.events.append,
            "patience": QUICK,
            **changed,
        }
        self._stores.append(EmbeddedStore(**arguments))
        return self._stores[-1]

    async def started(self, **changed: Any) -> EmbeddedStore:
        store = self.store(**changed)
        await store.start()
        return store

    async def close(self) -> None:
        for store in self._stores:
            await store.stop()

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def told(self, kind: str) -> str:
        """The text of the only event of this kind."""
        [text] = [event.text for event in self.events if event.kind == kind]
        return text

    def ask(self, *words: str) -> str:
        """One command on a connection of its own: the raw reply."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.socket))
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            return connection.recv(65536).decode()


async def until(is_so: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not is_so():
            await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
