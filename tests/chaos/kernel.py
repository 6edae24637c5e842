"""What the kernel knows: whose processes run, which connections a process has accepted, what it holds open."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

_ESTABLISHED = "01"
_LISTENS = "0A"
_SOCKET = "socket:["
_READS = 3
_PORTS = range(20_000, 32_000)  # below those that the kernel gives to clients: one of them would connect to itself


class _Connection(NamedTuple):
    """Ports, state and inode, as the kernel writes them."""

    local: int
    remote: int
    state: str
    inode: str


def ours(mark: str) -> list[psutil.Process]:
    """Every living process whose environment or command line holds the mark."""
    found = []
    for each in psutil.process_iter():
        try:
            told = Path(f"/proc/{each.pid}/environ").read_bytes() + Path(f"/proc/{each.pid}/cmdline").read_bytes()
            if mark.encode() in told and each.pid != os.getpid() and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
        except (OSError, psutil.Error):
            continue
    return found


def told(process: psutil.Process) -> str:
    """For people."""
    try:
        return f"{process.pid} ({' '.join(process.cmdline())[:90]})"
    except psutil.Error:
        return f"{process.pid} (gone meanwhile)"


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def is_stopped(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def children(pid: int, word: str) -> list[int]:
    """Living children with this word in their command line, by pid."""
    try:
        found = [each for each in psutil.Process(pid).children() if word in " ".join(each.cmdline())]
    except psutil.Error:
        return []
    return sorted(each.pid for each in found if is_alive(each.pid))


def accepted(pid: int, port: int) -> frozenset[int]:
    """The ports of the clients whose connections to `port` this process, which is frozen, holds."""
    held = set(_sockets(pid))
    # The kernel's list may lack an entry when others in its row go while it is read.
    listed = [each for _ in range(_READS) for each in _connections()]
    return frozenset(each.remote for each in listed if each.local == port and each.inode in held and each.remote)


def established_to(port: int) -> int:
    """How many connections to this port of loopback there are."""
    return sum(each.remote == port and each.state == _ESTABLISHED for each in _connections())


def is_listened_on(port: int) -> bool:
    return any(each.local == port and each.state == _LISTENS for each in _connections())


def free_port() -> int:
    """That nobody listens on. By nobody's seed: what others listen on must not change the course of a run."""
    while True:
        port = random.choice(_PORTS)
        if not is_listened_on(port):
            return port


def descriptors(pid: int, port: int, upstream: int) -> int:
    """How many are open, but for the connections of clients to `port` and to the upstream, which come and go."""
    passing = {each.inode for each in _connections() if each.local == port or each.remote == upstream}
    try:
        total = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0
    return total - len(passing.intersection(_sockets(pid)))


def machine() -> dict[str, str]:
    """What a reader of a table must know."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), "unknown")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": f"{model}, {os.cpu_count()} cores",
        "kernel": os.uname().release,
    }


def _sockets(pid: int) -> Iterator[str]:
    """Inodes."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith(_SOCKET):
            yield target[len(_SOCKET) : -1]


def _connections() -> Iterator[_Connection]:
    """Every IPv4 TCP socket of this machine."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        yield _Connection(int(local[-4:], 16), int(remote[-4:], 16), state, rest[5])
