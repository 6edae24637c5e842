"""The bench end to end, small: real processes, real sockets, every scenario, and nothing left running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.scenarios import FULL
from bench.systems import BARE, DIRECT, SEGUE

ROOT = Path(__file__).resolve().parents[2]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench", *words]


def test_a_quick_run_measures_everything_and_finds_no_wrong_answer(tmp_path: Path) -> None:
    record, page = tmp_path / "bench.json", tmp_path / "page.md"
    words = ("--quick", "--no-segue", "--rounds", "1", "--json", str(record), "--markdown", str(page))
    run = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=55, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(record.read_text())
    measured = {(sample["scenario"], sample["system"]) for sample in found["samples"]}
    assert measured == {(scenario.name, system) for scenario in FULL for system in (BARE, DIRECT)}
    for sample in found["samples"]:
        assert sample["failures"] == {}
        assert sample["value"] > 0
        assert sample["received_bytes"] > 0
    assert [start["system"] for start in found["starts"]] == [BARE]
    assert found["starts"][0]["resident_mb"] > 5
    assert FULL[0].title in page.read_text()


@pytest.mark.timeout(120)
def test_segue_is_measured_with_all_its_processes(tmp_path: Path) -> None:
    record = tmp_path / "bench.json"
    words = ("--quick", "--only", "request,starts,scaling", "--rounds", "1", "--json", str(record))
    run = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(record.read_text())
    assert {sample["system"] for sample in found["samples"]} == {SEGUE, BARE, DIRECT}
    [start] = [start for start in found["starts"] if start["system"] == SEGUE]
    assert start["resident_mb"] > start["proportional_mb"] > 60, "master, worker and store"
    if len(os.sched_getaffinity(0)) > 1:
        assert sorted(scale["workers"] for scale in found["scales"]) == [1, 2]
        assert all(scale["rate"] > 0 and scale["failures"] == {} for scale in found["scales"])
        assert "| requests/s here |" in run.stdout


def test_a_system_that_does_not_start_is_named_with_its_last_words() -> None:
    words = ("--only", "request", "--segue-command", "{python} -c 'raise SystemExit(\"no such luck\")'")
    run = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 1
    assert "ended before it was ready" in run.stderr
    assert "no such luck" in run.stderr


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    run = subprocess.Popen(
        command("--only", "slow", "--no-segue"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        bench = psutil.Process(run.pid)
        deadline = time.monotonic() + 20
        while len(family := bench.children(recursive=True)) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(family) == 3  # upstream, load, bare proxy
        os.kill(run.pid, signal.SIGTERM)
        assert run.wait(timeout=20) == 130
        assert [member for member in family if member.is_running()] == []
    finally:
        run.kill()
        run.wait()
