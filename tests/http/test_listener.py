"""Accepting on a socket that several share: who has no room leaves it to others, and nothing that waits is lost."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from proxy.http.listener import Listener
from proxy.master.listening import bind


class Greeting(asyncio.Protocol):
    """Says who it is to whoever connects."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        stream.write(self._name)
        stream.close()


class Shared:
    """A listening socket and what shares it, as workers do: each has a descriptor of its own."""

    def __init__(self) -> None:
        [self.socket] = bind("127.0.0.1", 0)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.rooms: dict[bytes, bool] = {}
        self.expected = 0
        self._listeners: list[Listener] = []

    def listener(self, name: bytes = b"one", own: socket.socket | None = None) -> Listener:
        self.rooms[name] = True
        made = Listener([own or self.socket.dup()], lambda: Greeting(name), lambda: self.rooms[name], self._expect)
        made.start()
        self._listeners.append(made)
        return made

    def _expect(self, more: int) -> None:
        self.expected += more

    def connected(self) -> socket.socket:
        """In the queue; nobody need have accepted it."""
        client = socket.create_connection(self.address, timeout=5)
        client.setblocking(False)
        return client

    def is_refused(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(self.address) == errno.ECONNREFUSED

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self.socket.close()
        assert self.expected == 0


@pytest.fixture
def shared() -> Iterator[Shared]:
    made = Shared()
    yield made
    made.close()


async def greeting(client: socket.socket, within: float = 5.0) -> bytes:
    """What the other side says; empty if it ends the connection without a word."""
    with client:
        async with asyncio.timeout(within):
            try:
                return await asyncio.get_running_loop().sock_recv(client, 100)
            except ConnectionResetError:
                return b""


async def test_who_has_room_accepts(shared: Shared):
    shared.listener(b"one")
    shared.listener(b"two")
    shared.rooms[b"one"] = False
    assert {await greeting(shared.connected()) for _ in range(20)} == {b"two"}
    shared.rooms |= {b"one": True, b"two": False}
    assert {await greeting(shared.connected()) for _ in range(20)} == {b"one"}


async def test_where_nobody_has_room_connections_wait(shared: Shared):
    listener = shared.listener(b"one")
    shared.rooms[b"one"] = False
    waiting = [shared.connected() for _ in range(20)]
    await asyncio.sleep(0.1)
    assert not listener.is_accepting
    with pytest.raises(TimeoutError):
        await greeting(waiting.pop(), within=0.1)
    shared.rooms[b"one"] = True
    assert [await greeting(client) for client in waiting] == [b"one"] * 19
    assert listener.is_accepting


async def test_who_is_frozen_keeps_nobody_waiting(shared: Shared):
    """It has the socket too, and wakes up for nobody."""
    frozen = shared.socket.dup()
    shared.listener(b"one")
    assert {await greeting(shared.connected()) for _ in range(20)} == {b"one"}
    frozen.close()


@pytest.mark.parametrize("has_room", [True, False])
async def test_the_last_in_the_queue_are_served(shared: Shared, has_room: bool):
    """They believe to be connected, and nobody else may be left to serve them."""
    listener = shared.listener(b"one")
    shared.rooms[b"one"] = has_room
    waiting = [shared.connected() for _ in range(50)]
    if not has_room:
        await asyncio.sleep(0.1)
    listener.close()
    assert shared.is_refused()
    assert not listener.is_accepting
    assert [await greeting(client) for client in waiting] == [b"one"] * 50


async def test_one_that_closes_closes_for_all(shared: Shared, caplog: pytest.LogCaptureFixture):
    """What only a frozen one could still accept would hang; the others notice, and say nothing."""
    frozen = shared.socket.dup()
    other = shared.listener(b"two")
    shared.rooms[b"two"] = False
    closing = shared.listener(b"one")
    closing.close()
    assert shared.is_refused()
    shared.rooms[b"two"] = True
    await asyncio.sleep(0.1)
    other.close()
    closing.close()
    frozen.close()
    assert not caplog.records
    bind(*shared.address)[0].close()  # and the next master can have the port


async def test_settled_once_the_last_had_time_to_speak(shared: Shared):
    listener = shared.listener(b"one")
    loop = asyncio.get_running_loop()
    began = loop.time()
    client = shared.connected()
    listener.close()
    await listener.settled(0.2)
    assert loop.time() - began >= 0.19
    assert await greeting(client) == b"one"
    began = loop.time()
    await listener.settled(0.2)
    assert loop.time() - began < 0.1


class Faulty(socket.socket):
    """The kernel's errors, which nobody can order."""

    faults: list[int]

    def accept(self) -> tuple[socket.socket, object]:
        if self.faults:
            raise OSError(self.faults.pop(0), "as ordered")
        return super().accept()


@pytest.mark.parametrize("fault", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EPERM, errno.EPROTO])
async def test_errors_pass_and_are_said_once(shared: Shared, fault: int, capsys: pytest.CaptureFixture[str]):
    own = Faulty(fileno=shared.socket.dup().detach())
    own.faults = [fault, fault, errno.ECONNABORTED]
    listener = shared.listener(b"one", own)
    client = shared.connected()
    await asyncio.sleep(0.1)
    assert not listener.is_accepting
    assert await greeting(client) == b"one"
    logged = capsys.readouterr().err
    assert logged.count("cannot accept") == 1
    assert ("open files" in logged) == (fault in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
    own.faults = [fault]
    assert await greeting(shared.connected()) == b"one"
    assert capsys.readouterr().err.count("cannot accept") == 1, "it had recovered in between"
