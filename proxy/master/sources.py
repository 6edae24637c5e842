"""Where the configuration comes from, and whether it has changed there."""

import errno
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from proxy.runtime.build import Configuration, load

_Print = tuple[int, ...] | None


class Source(Protocol):
    """`name`: the file, "" where there is none."""

    name: str

    def read(self) -> Configuration:
        """Raises ConfigurationError, OSError, UnicodeDecodeError."""

    def has_changed(self) -> bool:
        """Since it was last read, whether that went well or not; and not since the last look, so that what is still
        being written is not read."""


class FixedSource:
    """What was built out of the environment: it never changes."""

    name = ""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def read(self) -> Configuration:
        return self._configuration

    def has_changed(self) -> bool:
        return False


class FileSource:
    """A file, and the files its secrets point to. Looked at, not watched: that also sees what is mounted anew, as
    Kubernetes does it."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = environment
        self._read_of: dict[str, _Print] = {}
        self._seen: dict[str, _Print] = {}
        self._is_serving = False  # at the first read nobody waits yet, and `-c <(…)` is welcome

    def read(self) -> Configuration:
        self._read_of = {}
        try:
            return load(self._read(self.name), self._environment, self._read)
        finally:
            self._seen = dict(self._read_of)
            self._is_serving = True

    def has_changed(self) -> bool:
        before, self._seen = self._seen, {name: _print_of(name) for name in self._read_of}
        return self._seen == before != self._read_of

    def _read(self, name: str) -> str:
        self._read_of[name] = _print_of(name)
        path = _path_of(name)
        if self._is_serving and not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "it is no regular file, and could keep everybody waiting")
        return path.read_text("utf-8")


def _print_of(name: str) -> _Print:
    """What changes when a file is written or replaced."""
    try:
        found = _path_of(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _path_of(name: str) -> Path:
    """Raises OSError."""
    if "\0" in name:
        raise FileNotFoundError(errno.ENOENT, "no file's name has a NUL character in it", name)
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, str(error), name) from None
