"""The API's sockets: every address of a host on one port, or a reason."""

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.master import listening
from proxy.master.listening import bind, waiting

V4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
V6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    found: list[socket.socket] = []
    yield found
    for each in found:
        each.close()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: object) -> None:
    monkeypatch.setattr(listening.socket, "getaddrinfo", lambda *arguments, **options: list(addresses))


def test_one_socket_that_answers_and_blocks_nobody(opened: list[socket.socket]):
    opened += bind("127.0.0.1", 0)
    [bound] = opened
    with pytest.raises(BlockingIOError):
        bound.accept()
    with socket.create_connection(bound.getsockname(), timeout=5):
        bound.accept()[0].close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_p03_connections_that_nobody_accepts_are_counted(opened: list[socket.socket]):
    opened += bind("127.0.0.1", 0)
    [bound] = opened
    assert waiting(opened) == 0
    clients = [socket.create_connection(bound.getsockname(), timeout=5) for _ in range(3)]
    assert waiting(opened) == 3
    bound.accept()[0].close()
    assert waiting(opened) == 2
    for client in clients:
        client.close()
    bound.close()
    assert waiting(opened) == 0, "a socket that is closed says nothing"


def test_all_addresses_share_a_port(opened: list[socket.socket], monkeypatch: pytest.MonkeyPatch):
    second = (*V4[:4], ("127.0.0.2", 0))
    resolve_to(monkeypatch, V4, second, V4)
    opened += bind("everywhere", 0)
    names = [each.getsockname() for each in opened]
    assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({name[1] for name in names}) == 1


def test_a_port_in_use_is_named_and_nothing_stays_open(opened: list[socket.socket], monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        resolve_to(monkeypatch, V4, (*V4[:4], ("127.0.0.2", port)))
        with pytest.raises(OSError, match=rf"\('127\.0\.0\.2', {port}\)") as refused:
            bind("both", port)
        assert refused.value.errno == errno.EADDRINUSE
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


@pytest.mark.parametrize("kind", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_a_family_that_is_not_here_is_left_out(opened: list[socket.socket], monkeypatch: pytest.MonkeyPatch, kind: int):
    """As in a container without IPv6, where `localhost` is ::1 too."""
    made = listening._listening

    def without_ipv6(family: int, *rest: object) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(kind, "not here")
        return made(family, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(listening, "_listening", without_ipv6)
    resolve_to(monkeypatch, V6, V4)
    opened += bind("localhost", 0)
    assert [each.family for each in opened] == [socket.AF_INET]
    resolve_to(monkeypatch, V6)
    with pytest.raises(OSError, match="::1"):
        bind("::1", 0)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(OSError, match=r"192\.0\.2\.7") as refused:
        bind("192.0.2.7", 0)
    assert refused.value.errno == errno.EADDRNOTAVAIL


def test_a_port_can_be_had_again_at_once(opened: list[socket.socket]):
    """Connections we closed first linger for a minute; they may not keep the next master from its port."""
    [first] = bind("127.0.0.1", 0)
    name = first.getsockname()
    with socket.create_connection(name, timeout=5) as client:
        first.accept()[0].close()
        assert client.recv(1) == b""
    first.close()
    opened += bind(*name)


def test_only_who_is_given_them_inherits_them(opened: list[socket.socket]):
    opened += bind("127.0.0.1", 0)
    program = f"import os; os.fstat({opened[0].fileno()})"
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, close_fds=False, stderr=subprocess.DEVNULL, check=False).returncode == 1
    assert subprocess.run(command, pass_fds=[opened[0].fileno()], check=False).returncode == 0
