"""Structured logs: one JSON object per line on standard error, one line per request. Never a body, header or key.

Our own lines do not pass through `logging`, which costs a fifth of a small request; libraries' warnings do, and come
out in the same form.
"""

import logging
import sys
import time
import traceback
from typing import Any

import msgspec

LEVELS = ("debug", "info", "warning", "error")
_RANK = {level: rank for rank, level in enumerate(LEVELS)}

_encode = msgspec.json.Encoder(enc_hook=str).encode


class _Output:
    """Where lines go and which of them."""

    def __init__(self) -> None:
        self.lowest = LEVELS.index("info")
        self._second = 0
        self._stamp = ""

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _RANK[level] < self.lowest:
            return
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        line = {"time": f"{self._stamp}.{int(now * 1000) % 1000:03d}Z", "level": level, "event": event, **fields}
        sys.stderr.write(_encode(line).decode() + "\n")


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


def configure(level: str = "info") -> None:
    """Write our lines from `level` on, and libraries' warnings."""
    _output.lowest = LEVELS.index(level)
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(logging.WARNING)


def note(event: str, **fields: object) -> None:
    _output.write("info", event, fields)


def warning(event: str, **fields: object) -> None:
    _output.write("warning", event, fields)


def failure(event: str, **fields: object) -> None:
    """An error with the traceback of the exception being dealt with: for the log only."""
    _output.write("error", event, {**fields, "traceback": traceback.format_exc()})
