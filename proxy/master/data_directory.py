"""The embedded store's data directory: who holds it, whether anything can be kept in it, what is moved aside.

lock                  held by this instance and by its store, which inherits it
store/                what the store writes
revocations           `revocation_list.py`
quarantine-<utc>/     a former store/ that could not be read
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import time
from pathlib import Path

APPENDED = "appendonlydir"  # Valkey's default name for the directory of its append-only files, inside store/
_MANIFEST = "appendonly.aof.manifest"
_EMPTY = 4096  # bytes: what a store that never held a key leaves is smaller
_PROBE = 4096  # bytes


class DirectoryInUse(Exception):
    """The text names the directory, who holds it, and what to do."""


class Lock:
    """One directory, held by this process and by those that inherit `descriptor`; their end frees it too."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self.descriptor = descriptor

    def release(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
        os.close(self.descriptor)


async def lock(path: Path, remedy: str, patience: float) -> Lock:
    """Holds the file `path` for the directory it lies in. Waits up to `patience` seconds: the store of a killed
    predecessor takes a moment to die. Raises DirectoryInUse, saying `remedy`; OSError where nothing can be locked."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                _sign(descriptor)
                return Lock(path, descriptor)
        except BlockingIOError:
            if loop.time() >= deadline:
                text = _in_use(path.parent, os.pread(descriptor, 300, 0), remedy)
                os.close(descriptor)
                raise DirectoryInUse(text) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        await asyncio.sleep(min(0.05, patience))


def make(directory: Path) -> None:
    """Makes it, of mode 700, if only itself is missing; its mode is left alone if it is there. Raises OSError."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def why_unusable(directory: Path) -> OSError | None:
    """What went wrong when something was written there and synced; None: nothing."""
    probe = directory / f"probe-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            if os.write(descriptor, bytes(_PROBE)) < _PROBE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            probe.unlink()
    except OSError as error:
        return error
    return None


def is_full(error: OSError) -> bool:
    """Whether what is there can be read and grown again once somebody makes room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def has_data(store: Path) -> bool:
    return (store / APPENDED / _MANIFEST).is_file()


def is_orphaned(store: Path) -> bool:
    """Whether data lies there without the manifest that names its files: Valkey would begin anew and write over it."""
    return not has_data(store) and sum(data_sizes(store).values()) > _EMPTY


def data_sizes(store: Path) -> dict[str, int]:
    """Bytes by file name; empty where there is no data."""
    try:
        with os.scandir(store / APPENDED) as found:
            return {entry.name: entry.stat().st_size for entry in found if entry.is_file()}
    except OSError:
        return {}


def drop_unfinished(store: Path) -> None:
    """Removes what a store killed while rewriting its files left half written; nothing else ever would."""
    for path in (*store.glob("temp-*.aof"), *store.glob("temp-*.rdb")):
        with contextlib.suppress(OSError):
            path.unlink()


def quarantine(directory: Path) -> Path:
    """Moves store/ aside, to be looked at by a person, and returns where it is now. Raises OSError."""
    stamp = time.strftime("quarantine-%Y%m%dT%H%M%SZ", time.gmtime())
    number, aside = 1, directory / stamp
    while aside.exists():
        number += 1
        aside = directory / f"{stamp}-{number}"
    return (directory / "store").rename(aside)


def quarantined(directory: Path) -> tuple[str, ...]:
    """All that was ever moved aside and is still there, the oldest first."""
    return tuple(str(path) for path in sorted(directory.glob("quarantine-*")))


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one at `path`: its last holder may have removed it in between."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """For the text that the next one gets; a full disk is no reason not to lock."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)


def _in_use(directory: Path, signature: bytes, remedy: str) -> str:
    pid, _, host = signature.decode(errors="replace").partition("\n")[0].partition(" ")
    if not pid.isascii() or not pid.isdigit():
        return f"{directory} is in use by another segue; {remedy}"
    if host != socket.gethostname():
        return f"{directory} is in use by segue, process {pid} on {host}; {remedy}"
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return f"{directory} is held by the store of segue, process {pid}, which is gone; end that valkey-server"
    except OSError:
        pass  # somebody else's, so it lives
    return f"{directory} is in use by segue, process {pid}; {remedy}"
