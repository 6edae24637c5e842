"""The sockets of the API: bound once, before any worker is, and inherited by all of them."""

import contextlib
import errno
import socket
import struct
import sys
from collections.abc import Iterable

_BACKLOG = 1024
# `tcpi_unacked` of `struct tcp_info` (linux/tcp.h); of a socket that listens, the connections that wait.
_TCP_INFO = struct.Struct("=24xI")
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def bind(host: str, port: int) -> list[socket.socket]:
    """One socket for each address of `host`; port 0 takes any free one, the same for all. Addresses of a family that
    this machine does not have are left out as long as another one is had. Raises OSError, whose text names the
    address."""
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            place = (address[0], port or (bound[0].getsockname()[1] if bound else 0), *address[2:])
            try:
                bound.append(_listening(family, kind, protocol, place))
            except OSError as error:
                told = OSError(error.errno, f"cannot listen on ({address[0]!r}, {place[1]}): {error.strerror}")
                if error.errno not in _NOT_HERE:
                    raise told from None
                absent = told
        if not bound and absent is not None:
            raise absent
    except OSError:
        for listening in bound:
            listening.close()
        raise
    return bound


def waiting(listening: Iterable[socket.socket]) -> int:
    """How many connections are made, and accepted by nobody yet; 0 where the system does not tell."""
    total = 0
    if sys.platform == "linux":
        for each in listening:
            with contextlib.suppress(OSError, struct.error):
                told = each.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
                total += int(_TCP_INFO.unpack(told)[0])
    return total


def _listening(family: int, kind: int, protocol: int, place: tuple[str | int, ...]) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(place)
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(found))  # type: ignore[arg-type]
