"""One JSON object per line, whatever is in it."""

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Iterator

import pytest

from proxy.telemetry import log


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("segue")
    before = root.handlers[:], root.level, ours.level
    log.configure("info")
    yield
    root.handlers[:], root.level = before[:2]
    ours.setLevel(before[2])


def test_every_line_is_an_object(capsys: pytest.CaptureFixture[str]):
    log.configure("info")
    log.note("request", model="grüße\n", attempts=["a"], odd={1}.__class__)
    log.warning("drift")
    try:
        raise ValueError("boom")
    except ValueError:
        log.failure("broke", request_id="id")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [
        ("info", "request"),
        ("warning", "drift"),
        ("error", "broke"),
    ]
    assert lines[0]["model"] == "grüße\n"
    assert "ValueError: boom" in lines[2]["traceback"]
    assert lines[0]["time"].endswith("Z")


def test_a_level_silences_what_is_below(capsys: pytest.CaptureFixture[str]):
    log.configure("warning")
    log.note("request")
    assert capsys.readouterr().err == ""


def test_what_comes_very_often_is_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log, "_BETWEEN_LINES", 0.5)
    often = log.Repeated("requests shed")
    for _ in range(1000):
        often.warn(why="loop_lag")
    time.sleep(0.6)
    often.warn(why="in_flight_limit")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["event"], line["why"], line["count"]) for line in lines] == [
        ("warning", "requests shed", "loop_lag", 1),
        ("warning", "requests shed", "in_flight_limit", 1000),
    ]


def test_an_exception_of_the_http_library_is_not_quoted(capsys: pytest.CaptureFixture[str]):
    quoted = "-".join(["sg", "secret"])
    try:
        raise ValueError(quoted)
    except ValueError as error:
        logging.getLogger("aiohttp.server").error("Unhandled %s", error, exc_info=error)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["kind"], line["level"]) == ("Unhandled %s", "ValueError", "error")
    assert "test_log.py" in line["traceback"]
    assert quoted not in json.dumps(line)


def test_a_log_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch):
    """A pipe whose reader died, a terminal that was closed."""
    reading, writing = os.pipe()
    os.close(reading)
    broken = os.fdopen(writing, "w", buffering=1)
    monkeypatch.setattr(sys, "stderr", broken)
    for _ in range(3):
        log.note("said to nobody")
    with contextlib.suppress(BrokenPipeError):
        broken.close()


def test_a_reader_who_stalls_costs_lines_and_no_time(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w", buffering=1) as stalled:
        monkeypatch.setattr(sys, "stderr", stalled)
        log.configure("info", worker=3)
        for number in range(3_000):
            log.note("said to nobody", number=number, padding="x" * 100)
        os.set_blocking(reader.fileno(), False)
        read = reader.read()
        log.note("heard again")
        read += reader.read()
        monkeypatch.undo()
        log.configure("info")
    lines = [json.loads(line) for line in read.splitlines()]
    told = [line for line in lines if line["event"] == "said to nobody"]
    [lost] = [line for line in lines if line["event"] == "log lines lost"]
    assert lost["worker"] == 3
    assert 0 < len(told) == 3_000 - lost["count"]
    assert lines[-1]["event"] == "heard again"
