"""Which keys were ever revoked, kept outside the store's data: an append-only file, one line a key, `id unix-seconds`.

The store may lose its data and the configuration may name a revoked key again; this list outlives both.
"""

import contextlib
import errno
import fcntl
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from proxy.telemetry import log

_ID = re.compile(r"[0-9a-z]{8}")
_OPENING = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_LINE = re.compile(rb"([0-9a-z]{8}) [0-9]{1,12}")


class RevocationList:
    """`ids`: eight characters of 0-9a-z each; `problem`: why revoking cannot be made to last, "" while it can."""

    def __init__(self, path: Path | None, ids: set[str], problem: str) -> None:
        self.ids = ids
        self.problem = problem
        self._path = path

    @property
    def can_persist(self) -> bool:
        return not self.problem

    def add(self, ids: Iterable[str]) -> None:
        """Adds these for good: they are on the disk when this returns. Those already there cost nothing. Raises OSError
        when that cannot be, and then nothing is added; ValueError for what is no id."""
        fresh = sorted(set(ids) - self.ids)
        for key_id in fresh:
            if not _ID.fullmatch(key_id):
                raise ValueError(f"{key_id!r} is no key's id: those have eight characters of 0-9 and a-z")
        if self._path is None:
            raise OSError(errno.EROFS, self.problem)
        if not fresh:
            return
        now = int(time.time())
        try:
            _append(self._path, "".join(f"{key_id} {now}\n" for key_id in fresh).encode())
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"
            raise
        self.problem = ""
        self.ids.update(fresh)


def load(path: Path | None) -> RevocationList:
    """What was revoked up to now; None: a list that keeps nothing. Makes the file if only itself is missing. A line cut
    short by a crash was never promised to anybody; other lines that are none of ours are passed over with a warning."""
    if path is None:
        return RevocationList(None, set(), "without a data directory nothing is kept")
    try:
        _make_writable(path)
        written = path.read_bytes()
    except OSError as error:
        problem = f"{path}: {error.strerror}"
        log.warning("revocations_not_kept", problem=problem, remedy="make it a file that segue can write, and restart")
        return RevocationList(path, _read_only(path), problem)
    return RevocationList(path, _read(path, written), "")


def _read_only(path: Path) -> set[str]:
    """On a disk that takes no more, what was revoked stays revoked."""
    try:
        return _read(path, path.read_bytes())
    except OSError:
        return set()


def _read(path: Path, written: bytes) -> set[str]:
    lines = [_LINE.fullmatch(line) for line in written.split(b"\n")[:-1]]
    garbage = [number for number, line in enumerate(lines, 1) if line is None]
    if garbage:
        log.warning("revocations_unreadable", file=str(path), lines=len(garbage), first_line=garbage[0])
    return {line[1].decode() for line in lines if line is not None}


def _make_writable(path: Path) -> None:
    """Opens it, and changes nothing: another instance may be writing. Raises OSError."""
    is_there = path.exists()
    os.close(os.open(path, _OPENING, 0o600))
    if not is_there:
        _sync(path.parent)


def _append(path: Path, lines: bytes) -> None:
    """Writes whole lines and syncs them, in place of a last one cut short; all of them, or it raises OSError."""
    _make_writable(path)
    descriptor = os.open(path, _OPENING, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # replicas that serve one file on one machine share it
        end = os.pread(descriptor, os.fstat(descriptor).st_size, 0).rfind(b"\n") + 1
        try:
            os.ftruncate(descriptor, end)
            if os.pwrite(descriptor, lines, end) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    """So that also the name of a file just made outlasts a crash."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
