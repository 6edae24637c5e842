"""The store that comes along: one valkey-server on a unix socket, kept running.

It is started again when it dies and when it no longer answers; data it cannot read are moved aside; without a directory
it can write in, it goes on and keeps nothing. Segue serves whether it runs or not.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from proxy.master import data_directory
from proxy.master.data_directory import Lock
from proxy.master.store_server import NoServer, Pulse, Server, Sign, find_binary, launch

_QUICK = 0.01  # seconds between questions while it starts
_HEALTHY = (Sign.ANSWERS, Sign.REFUSES_WRITES)
_LIFELESS = (Sign.SILENT, Sign.ABSENT, Sign.IS_STUCK)

EventKind = Literal[
    "store_up",
    "store_down",
    "store_frozen",
    "store_keeps_nothing",
    "store_data_cut",
    "store_data_quarantined",
    "store_refuses_writes",
    "store_accepts_writes",
]


class StoreEvent(NamedTuple):
    """One change, for the log and the counters. `text`: what happened, where, what to do."""

    kind: EventKind
    text: str
    is_warning: bool = True


class Condition(NamedTuple):
    """How the store is. `is_running`: it answers, and no silence was long enough yet; `pid`: of its process, also while
    that does not answer; `why_none`: why nothing is kept; `refuses_writes`: its own words, "" while it accepts them;
    `quarantined`: directories moved aside and still there; `last_exit`: how it last ended, or could not be started."""

    is_running: bool = False
    pid: int | None = None
    persistence: Literal["aof", "none"] = "none"
    why_none: str = ""
    restarts: int = 0
    quarantined: tuple[str, ...] = ()
    last_exit: str = ""
    refuses_writes: str = ""


class Patience(NamedTuple):
    """Seconds: how long `start` waits for an answer; between two PINGs; of silence before it is killed; for its own end
    before it is killed; for a lock; before the first restart and, doubling, before any."""

    start: float = 10.0
    interval: float = 1.0
    silence: float = 10.0
    stop: float = 10.0
    lock: float = 3.0
    first_restart: float = 0.1
    longest_restart: float = 5.0


USUAL = Patience()


class EmbeddedStore:
    """For plain asyncio in the main thread. `directory`: where its data lie in `store/`, or None to keep nothing;
    `maximum_memory`: bytes; `run_directory`: exists, is ours alone, and takes the log."""

    def __init__(
        self,
        socket_path: Path,
        directory: Path | None,
        maximum_memory: int,
        run_directory: Path,
        on_event: Callable[[StoreEvent], None],
        patience: Patience = USUAL,
        binary: Callable[[], Path] = find_binary,
    ) -> None:
        self.condition = Condition()
        self._socket = socket_path
        self._directory = directory
        self._maximum_memory = maximum_memory
        self._run_directory = run_directory
        self._on_event = on_event
        self._patience = patience
        self._binary = binary
        self._locks: list[Lock] = []
        self._tried = asyncio.Event()  # it answered once, or nothing can be started
        self._keeper: asyncio.Task[None] | None = None
        self._server: Server | None = None
        self._runs = 0
        self._sizes: dict[str, int] = {}  # of its files when it was last started
        self._is_down = False
        self._may_move_aside = True  # once, until an answer proves that what was begun then can be read
        self._crashes = 0  # while reading, in a row

    async def start(self) -> None:
        """Returns when it answers; after `patience.start` seconds, or at once if there is no server to start, also
        without; then it goes on trying. Raises DirectoryInUse, and OSError where the run directory cannot be used."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the store dies with the thread that starts it, so that must be the main one")
        claimed = False
        try:
            await self._claim()
            claimed = True
        finally:
            if not claimed:
                self._release()
        self._keeper = asyncio.create_task(self._keep_running(), name="embedded store")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience.start):
                await self._tried.wait()

    async def stop(self) -> None:
        """Ends it, its data synced; kills it after `patience.stop` seconds, or when cancelled. Nothing of it is left
        but its data and its log."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        server, self._server = self._server, None
        try:
            if server is not None and not server.has_ended():
                server.terminate()
                await server.ended(self._patience.stop)
        finally:
            if server is not None:
                server.kill("did not end in time")
                await server.ended(1.0)
            self.condition = self.condition._replace(is_running=False, pid=None)
            if self._locks:
                self._socket.unlink(missing_ok=True)
            self._release()

    async def _claim(self) -> None:
        """Takes what only one may have: the data, if they can be kept, and the place of the socket."""
        directory = self._directory
        if directory is None:
            why = "without a configuration file nothing is kept: what the store holds is gone when it ends"
            self.condition = self.condition._replace(why_none=why)
            self._tell("store_keeps_nothing", why, is_warning=False)
        else:
            try:
                data_directory.make(directory)
                await self._lock(directory / "lock", "stop it, or set store.directory to another one")
                data_directory.make(directory / "store")
                found = data_directory.quarantined(directory)
                self.condition = self.condition._replace(persistence="aof", quarantined=found)
            except OSError as error:
                self._keep_nothing(error.strerror or str(error))
        await self._lock(self._run_directory / "store.lock", "stop it, or start this one in another directory")

    async def _lock(self, path: Path, remedy: str) -> None:
        self._locks.append(await data_directory.lock(path, remedy, self._patience.lock))

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().release()

    def _keep_nothing(self, why: str) -> None:
        """From here on; whether the directory got better is not asked again."""
        self.condition = self.condition._replace(persistence="none", why_none=f"{self._directory}: {why}")
        self._tell(
            "store_keeps_nothing",
            f"{self._directory}: {why}; the store begins empty, and what it holds is gone when it ends; make that a "
            "directory segue can write in, or set store.directory to one, and restart segue",
        )

    async def _keep_running(self) -> None:
        """Runs one server after another, for ever."""
        loop = asyncio.get_running_loop()
        pause = self._patience.first_restart
        while True:
            began = loop.time()
            try:
                server = self._server = self._launch()
            except (NoServer, OSError) as error:
                self._fell(str(error))
                self._tried.set()
            else:
                answered = await self._attend(server)
                self._server = None
                self.condition = self.condition._replace(pid=None)
                self._fell(server.last_exit())
                if not answered and self._move_aside_unreadable(server):
                    continue
            if loop.time() - began > 2 * self._patience.longest_restart:
                pause = self._patience.first_restart
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._patience.longest_restart)

    def _launch(self) -> Server:
        self._examine()
        store = self._store()
        self._sizes = data_directory.data_sizes(store) if store is not None else {}
        self._run_directory.mkdir(mode=0o700, exist_ok=True)  # temporary directories are tidied by others
        inherited = [lock.descriptor for lock in self._locks]
        server = launch(self._command(store), self._run_directory / "store.log", inherited)
        self.condition = self.condition._replace(pid=server.pid, restarts=self._runs)
        self._runs += 1
        return server

    def _command(self, store: Path | None) -> list[str]:
        settings = {
            "--port": "0",
            "--unixsocket": str(self._socket),
            "--unixsocketperm": "700",
            "--dir": str(store or self._run_directory),
            "--save": "",
            "--appendonly": "no" if store is None else "yes",
            "--appendfsync": "everysec",
            "--aof-load-truncated": "yes",
            "--maxmemory": str(self._maximum_memory),
            "--maxmemory-policy": "noeviction",
            "--daemonize": "no",
            "--loglevel": "notice",
            "--crash-memcheck-enabled": "no",
        }
        return [str(self._binary()), *(word for setting in settings.items() for word in setting)]

    def _examine(self) -> None:
        """Gives the data directory up if nothing can be written there, and puts it in order if it can."""
        store = self._store()
        if store is None:
            return
        error = data_directory.why_unusable(store.parent)
        # Data on a full disk can be read, and written again once there is room.
        if error is not None and not (data_directory.is_full(error) and data_directory.has_data(store)):
            self._keep_nothing(error.strerror or str(error))
            return
        data_directory.drop_unfinished(store)
        if data_directory.is_orphaned(store):
            self._move_aside("the manifest that names its files is missing")

    def _store(self) -> Path | None:
        """Where its data are kept, if they are."""
        return self._directory / "store" if self._directory and self.condition.persistence == "aof" else None

    async def _attend(self, server: Server) -> bool:
        """Watches it until it is gone, and kills it after too long a silence. Returns whether it ever answered."""
        interval = self._patience.interval
        pulse = Pulse(self._socket)
        # Counted in questions without an answer, not in time that passed: a master that was itself stopped or busy may
        # not take that for the store's silence.
        silence = 0.0
        ever_answered = False
        try:
            while not server.has_ended():
                sign = await pulse.beat(interval)
                if sign in _HEALTHY:
                    ever_answered = True
                    self._answered(server, sign, pulse.reply)
                is_waited_for = sign is Sign.ABSENT or not self.condition.is_running
                rest = _QUICK if is_waited_for else interval
                silence = silence + rest + interval * (sign is Sign.SILENT) if sign in _LIFELESS else 0.0
                if silence < self._patience.silence:
                    await pulse.rest(rest)
                else:
                    await self._end_silence(server)
        finally:
            pulse.close()
        return ever_answered

    def _answered(self, server: Server, sign: Sign, reply: str) -> None:
        refuses = reply[1:] if sign is Sign.REFUSES_WRITES else ""
        if not self.condition.is_running:
            self._may_move_aside, self._crashes, self._is_down = True, 0, False
            self.condition = self.condition._replace(is_running=True)
            for name, offset in server.cut_off().items():
                lost = max(self._sizes.get(name, offset) - offset, 0)
                self._tell(
                    "store_data_cut",
                    f"{self._store()}: the last {lost} bytes of {name} could not be read and were cut off: a write "
                    "under way when the store was killed, or damage",
                )
            self._tell("store_up", f"process {server.pid}, persistence {self.condition.persistence}", is_warning=False)
            self._tried.set()
        if bool(refuses) != bool(self.condition.refuses_writes):
            if refuses:
                self._tell("store_refuses_writes", f"{refuses}; make room in {self._directory}")
            else:
                self._tell("store_accepts_writes", f"again, in {self._directory}", is_warning=False)
        self.condition = self.condition._replace(refuses_writes=refuses)

    async def _end_silence(self, server: Server) -> None:
        server.kill(f"no answer for {self._patience.silence:g} s")
        self._fell(server.last_exit(), "store_frozen")
        while not await server.ended(1.0):  # in a system call that does not end: two on one directory would diverge
            pass

    def _fell(self, why: str, kind: EventKind = "store_down") -> None:
        """It does not answer; said once until it does again."""
        self.condition = self.condition._replace(is_running=False, last_exit=why, refuses_writes="")
        if not self._is_down:
            self._is_down = True
            self._tell(kind, f"{why}; it is started until it answers")

    def _move_aside_unreadable(self, server: Server) -> bool:
        """Whether it ended of its data, and may now begin without."""
        if self._store() is None:
            return False
        self._crashes = self._crashes + 1 if server.crashed_while_reading() else 0
        why = server.could_not_read() or ("reading them brings the store down" if self._crashes >= 2 else "")
        if why:
            self._crashes = 0
            self._move_aside(why)
        return bool(why)

    def _move_aside(self, why: str) -> None:
        assert self._directory is not None
        if not self._may_move_aside:
            self._keep_nothing(f"the store cannot read what it has just begun ({why})")
            return
        self._may_move_aside = False
        try:
            aside = data_directory.quarantine(self._directory)
            data_directory.make(self._directory / "store")
        except OSError as error:
            self._keep_nothing(f"the store's data can neither be read ({why}) nor moved aside ({error.strerror})")
            return
        self.condition = self.condition._replace(quarantined=(*self.condition.quarantined, str(aside)))
        self._tell(
            "store_data_quarantined",
            f"{why}: the data were moved to {aside} and the store begins empty; keys made with /admin are gone; "
            "repair or remove that directory",
        )

    def _tell(self, kind: EventKind, text: str, is_warning: bool = True) -> None:
        self._on_event(StoreEvent(kind, text, is_warning))
