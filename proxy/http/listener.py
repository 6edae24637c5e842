"""Accepting connections on sockets that all workers share. Who has too much in flight leaves them to the others."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable, Sequence

from proxy.telemetry import log

_AT_ONCE = 8  # connections per round, so that a burst is shared and requests under way get their turn
_PAUSE = 0.02  # seconds until a worker with too much looks again
_FAILED_PAUSE = 0.5
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """`has_room`: whether this process may take another connection now; asked before each. `expect` is told how many
    more, or fewer, were accepted and are nobody's yet."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        make_protocol: Callable[[], asyncio.Protocol],
        has_room: Callable[[], bool],
        expect: Callable[[int], None],
    ) -> None:
        self._sockets = list(sockets)
        self._make_protocol = make_protocol
        self._has_room = has_room
        self._expect = expect
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[object]] = set()
        self._resuming: asyncio.TimerHandle | None = None
        self._has_failed = False
        self._last_accepted = 0.0

    @property
    def is_accepting(self) -> bool:
        return bool(self._sockets) and self._resuming is None

    def start(self) -> None:
        self._resuming = None
        for listening in self._sockets:
            listening.setblocking(False)
            self._loop.add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Accept what waits in the queue, then end listening, for all who share the socket: one of them may be frozen,
        and what only it could accept would hang."""
        self._stop_reading()
        for listening in self._sockets:
            while self._take(listening):
                pass
            with contextlib.suppress(OSError):  # somebody else was faster
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        self._sockets.clear()
        if self._resuming is not None:
            self._resuming.cancel()

    async def settled(self, patience: float) -> None:
        """Returns once every accepted connection has its protocol, and the last of them had `patience` seconds to send
        its request."""
        if self._arriving:
            await asyncio.wait(self._arriving)
        await asyncio.sleep(max(0.0, self._last_accepted + patience - self._loop.time()))

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if not self._has_room():
                self._pause(_PAUSE)
                return
            if not self._take(listening):
                return

    def _take(self, listening: socket.socket) -> bool:
        """Accept one connection; False if there is none, or none can be had now."""
        try:
            connection, _ = listening.accept()
        except ConnectionAbortedError:
            return True  # that client left while it waited
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno == errno.EINVAL:
                self._stop_reading()  # it was closed for all of us, and we shall hear of it
                return False
            if not self._has_failed:
                advice = {"remedy": "raise the limit of open files"} if error.errno in _EXHAUSTED else {}
                log.warning("cannot accept", reason=error.strerror, **advice)
            self._has_failed = True
            self._pause(_FAILED_PAUSE)
            return False
        self._has_failed = False
        self._last_accepted = self._loop.time()
        connection.setblocking(False)
        self._expect(1)
        arriving = self._loop.create_task(self._welcome(connection))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)
        return True

    async def _welcome(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:
            connection.close()  # it was gone before it was welcome
        finally:
            self._expect(-1)

    def _pause(self, seconds: float) -> None:
        self._stop_reading()
        self._resuming = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._has_room():
            self.start()
        else:
            self._resuming = self._loop.call_later(_PAUSE, self._resume)

    def _stop_reading(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)
