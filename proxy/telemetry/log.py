"""Structured logs: one JSON object per line on standard error, one line per request. Never a body, header or key.

Our own lines do not pass through `logging`, which costs a fifth of a small request; libraries' warnings do, and come
out in the same form.
"""

import logging
import os
import stat
import sys
import time
import traceback
from typing import Any

import msgspec

LEVELS = ("debug", "info", "warning", "error")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}

_LONGEST_REST = 64 * 1024  # bytes
_BETWEEN_LINES = 1.0  # seconds
_encode = msgspec.json.Encoder(enc_hook=str).encode


class _Output:
    """Where lines go and which of them."""

    def __init__(self) -> None:
        self.lowest = LEVELS.index("info")
        self.always: dict[str, Any] = {}
        self.pipe: int | None = None
        self._second = 0
        self._stamp = ""
        self._rest = b""  # the end of what a full pipe took only the beginning of
        self._lost = 0

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _RANK[level] < self.lowest:
            return
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        stamp = f"{self._stamp}.{int(now * 1000) % 1000:03d}Z"
        line = _encode({"time": stamp, "level": level, "event": event, **self.always, **fields}) + b"\n"
        try:
            if self.pipe is None:
                sys.stderr.write(line.decode())
            else:
                self._send(self.pipe, stamp, line)
        except OSError:
            pass  # nobody reads it any more: no reason to stop serving

    def _send(self, pipe: int, stamp: str, line: bytes) -> None:
        """To a reader that may have stalled: rather than wait for it, lines are lost, and counted once it reads on."""
        if self._lost:
            told = {"time": stamp, "level": "warning", "event": "log lines lost", **self.always, "count": self._lost}
            line = _encode(told) + b"\n" + line
        data = self._rest + line
        try:
            sent = os.write(pipe, data)
        except BlockingIOError:
            self._lost += 1
            return
        self._lost = 0
        self._rest = data[sent:][:_LONGEST_REST]


class _Libraries(logging.Handler):
    """What libraries report, in our form. Of an exception aiohttp reports only the class and the places: its text
    may quote a request."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name}
        event = record.getMessage()
        if record.exc_info and record.name.partition(".")[0] == "aiohttp":
            kind, _, places = record.exc_info
            fields["kind"] = kind.__name__ if kind is not None else None
            fields["traceback"] = "".join(traceback.format_tb(places))
            event = str(record.msg)
        elif record.exc_info:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        level = record.levelname.lower()
        _output.write(level if level in LEVELS else "error", event, fields)


_output = _Output()


def configure(level: str = "info", **always: object) -> None:
    """Write our lines from `level` on, and libraries' warnings. `always`: fields that every line has."""
    _output.lowest = LEVELS.index(level)
    _output.always = always
    _output.pipe = _pipe()
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(logging.WARNING)


def _pipe() -> int | None:
    """Standard error where it leads to another process, which will not make us wait from now on."""
    try:
        descriptor = sys.stderr.fileno()
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None
    os.set_blocking(descriptor, False)
    return descriptor


def note(event: str, **fields: object) -> None:
    _output.write("info", event, fields)


def warning(event: str, **fields: object) -> None:
    _output.write("warning", event, fields)


class Repeated:
    """A warning that may have to be given very often: a line a second at most, which counts those since the last."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._silent_until = 0.0
        self._count = 0

    def warn(self, **fields: object) -> None:
        """`fields`: those of the line, if there is one."""
        self._count += 1
        now = time.monotonic()
        if now >= self._silent_until:
            warning(self._event, **fields, count=self._count)
            self._silent_until, self._count = now + _BETWEEN_LINES, 0


def failure(event: str, **fields: object) -> None:
    """An error with the traceback of the exception being dealt with: for the log only."""
    _output.write("error", event, {**fields, "traceback": traceback.format_exc()})
