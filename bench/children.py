"""The processes of a run: started on their cores, stopped by pid with their descendants, never outliving the bench."""

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 15
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_libc = ctypes.CDLL(None)


class ChildError(RuntimeError):
    """A child did not start, or ended early; the message ends with what it wrote to standard error."""


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """A running process in a session of its own, so that Ctrl-C reaches only the bench, which stops it in order."""

    def __init__(
        self,
        argv: Sequence[str],
        cores: set[int],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        talks: bool = False,
    ) -> None:
        """`talks`: `say` and `hear` will be used; otherwise standard output joins the log, lest it fill up."""
        self._log = log
        self._argv = argv

        def settle() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # also when the bench itself is killed
            os.sched_setaffinity(0, cores)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)

        with log.open("ab") as errors:
            self._popen = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else errors,
                stderr=errors,
                text=True,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=settle,
            )
        self.pid = self._popen.pid

    def say(self, line: str) -> None:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(line + "\n")
            self._popen.stdin.flush()
        except BrokenPipeError:
            raise self.failure("went away") from None

    def hear(self) -> str:
        """The next line of its standard output; raises `ChildError` when there is none to come."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise self.failure("ended early")
        return line.strip()

    def has_ended(self) -> bool:
        return self._popen.poll() is not None

    def failure(self, what: str) -> ChildError:
        last_words = self._log.read_text(errors="replace")[-2000:]
        return ChildError(f"{' '.join(self._argv)} {what}\n{last_words}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for whatever of its offspring is left; returns when all are gone. May be repeated."""
        offspring: list[psutil.Process] = []
        if not self.has_ended():
            offspring = psutil.Process(self.pid).children(recursive=True)
            self._popen.terminate()
            try:
                self._popen.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        for descendant in offspring:
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
        psutil.wait_procs(offspring, timeout=_STOP_SECONDS)
        self._popen.wait(_STOP_SECONDS)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


class Family:
    """All children of a run: whoever was born in it is gone when it ends, whenever the interrupt came."""

    def __init__(self) -> None:
        self._members: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for member in reversed(self._members):
            member.stop()

    def spawn(
        self,
        argv: Sequence[str],
        cores: set[int],
        log: Path,
        environment: Mapping[str, str] | None = None,
        *,
        talks: bool = False,
    ) -> Child:
        """Start a child; see `Child`. An interrupt waits until the child is known here."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
        try:
            child = Child(argv, cores, log, environment, talks=talks)
            self._members.append(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        return child
