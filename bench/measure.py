"""What the kernel says about a process tree, and what the machine is."""

import datetime
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

_CPUCLOCK_SCHED = 2
_WORKER = "proxy.worker"
_PACKAGES = ("aiohttp", "uvloop", "msgspec")
_IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run: the measured proxy alone on one core, upstream, load and the bench itself on another."""

    proxy: set[int]
    load: set[int]

    @property
    def are_apart(self) -> bool:
        return not self.proxy & self.load


def choose_cores() -> Cores:
    """The first two cores this process may use; the same one twice where there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores({allowed[0]}, {allowed[1] if len(allowed) > 1 else allowed[0]})


def _family(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def workers(pid: int) -> list[int]:
    """The serving processes among the children of one, by pid."""
    return sorted(child.pid for child in psutil.Process(pid).children() if _WORKER in child.cmdline())


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, to the nanosecond for those alive.

    The clock is clock_getcpuclockid(3)'s; /proc counts in ticks of 10 ms, too coarse for a run of half a second.
    """
    ended = psutil.Process(pid).cpu_times()
    total: float = ended.children_user + ended.children_system
    return total + sum(own_cpu_seconds(member.pid) for member in _family(pid))


def own_cpu_seconds(pid: int) -> float:
    """Of this process alone; 0 if it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return 0.0


def resident_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; what they share counts once for each."""
    total = 0
    for member in _family(pid):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def proportional_bytes(pid: int) -> int:
    """The same, with what processes share divided among them: what the machine has less of while they run."""
    total = 0
    for member in _family(pid):
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def import_seconds(module: str) -> float | None:
    """How long a fresh interpreter takes to import `module`, its own start not counted; None where it cannot."""
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT.format(module)], capture_output=True, text=True, timeout=60, check=False
    )
    return float(run.stdout) if run.returncode == 0 else None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def machine() -> dict[str, str]:
    """What a reader must know to judge the figures."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "processor": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{package: _installed(package) for package in _PACKAGES},
        "segue": _installed("segue"),
    }
