"""Where one instance keeps what other processes of this machine look for: sockets, and the embedded store's data."""

import fcntl
import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

DATA = "segue-data"
_LONGEST_SOCKET = 107  # bytes; sun_path of unix(7)
_INSTANCES = 16  # of one file and user, at once


class RunDirectoryUnusable(Exception):
    """The text says which directory, why, and what to do."""


class RunDirectory(NamedTuple):
    """Ours alone while `descriptor`, which holds its lock, is open."""

    path: Path
    descriptor: int

    @property
    def control_socket(self) -> Path:
        return self.path / "control.sock"

    @property
    def store_socket(self) -> Path:
        return self.path / "store.sock"


def data_directory(config: str | None, configured: str | None) -> Path | None:
    """Where the embedded store's data lie: beside the configuration file unless it says otherwise. None without a
    file: nothing is kept then."""
    if config is None:
        return None
    return Path(config).expanduser().resolve().parent / Path(configured or DATA).expanduser()


def control_sockets(config: str | None) -> list[Path]:
    """The control sockets of the instances that serve this file (or, without one, began in this directory); some may
    be left over from instances that were killed."""
    return [path / "control.sock" for path in _candidates(config) if (path / "control.sock").exists()]


def all_control_sockets() -> list[Path]:
    """Of all instances of this user; some may be left over. What somebody else put in such a place does not count."""
    found = sorted(_above().glob(f"segue-{os.getuid()}-*/control.sock"))
    return [path for path in found if path.parent.lstat().st_uid == os.getuid()]


def claim_run_directory(config: str | None) -> RunDirectory:
    """A directory of mode 700 that no other instance has: for the same file and user the same one, as long as it is
    free, so that `segue status` finds what `segue serve` began. Raises RunDirectoryUnusable."""
    for path in _candidates(config):
        descriptor = _claimed(path)
        if descriptor is not None:
            return RunDirectory(path, descriptor)
    raise RunDirectoryUnusable(f"{_INSTANCES} instances serve {config or 'this directory'} already; stop some")


def _candidates(config: str | None) -> list[Path]:
    named = str(Path(config).expanduser().resolve() if config is not None else Path.cwd())
    digest = hashlib.sha256(named.encode()).hexdigest()[:12]
    return [_above() / f"segue-{os.getuid()}-{digest}-{number}" for number in range(1, _INSTANCES + 1)]


def _above() -> Path:
    """Where run directories are."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) if runtime and os.access(runtime, os.W_OK) else Path(tempfile.gettempdir())


def _claimed(path: Path) -> int | None:
    """The descriptor of its lock, or None if somebody else holds it."""
    remedy = "point XDG_RUNTIME_DIR or TMPDIR at a directory of yours with a short path"
    if len(os.fsencode(path / "control.sock")) > _LONGEST_SOCKET:
        raise RunDirectoryUnusable(f"{path} is too long a path for a socket; {remedy}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise RunDirectoryUnusable(f"{path} is not a directory of ours alone (mode 700); remove it")
        # The directory itself: tidiers of temporary directories would take a file that nobody touches.
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        raise RunDirectoryUnusable(f"cannot use {path}: {error.strerror}; {remedy}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
