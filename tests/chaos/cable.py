"""What lies between a replica and its store, and can be stalled, cut or slow: a process of its own, so that nothing
that a run has to do besides makes it late. `python -m tests.chaos.cable PORT` obeys the words of its standard input."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from tests.store.faults import listening, reset

_CHUNK = 65536


class Cable:
    """The run's end of it. A word is obeyed once it was answered."""

    def __init__(self, port: int, running: asyncio.subprocess.Process) -> None:
        self.port = port
        self._running = running

    @contextlib.asynccontextmanager
    async def ill(self, word: str) -> AsyncIterator[None]:
        """`stall`: nothing comes through, and nothing is lost; `cut`: connections are reset, and so are those that are
        tried; a number: so many seconds late, each way."""
        await self._say(word)
        try:
            yield
        finally:
            await self._say("whole")

    async def _say(self, word: str) -> None:
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write(f"{word}\n".encode())
        await self._running.stdout.readline()


@contextlib.asynccontextmanager
async def cable(server_port: int) -> AsyncIterator[Cable]:
    """Laid to the server's port for as long as the block runs."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.cable", str(server_port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        yield Cable(int(await running.stdout.readline()), running)
    finally:
        running.stdin.close()  # it ends with whoever holds the other end of this
        await running.wait()


class _Line:
    """Passes everything on, both ways, between its port and the server's."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_cut = False
        self._delay = 0.0
        self._ends: set[asyncio.StreamWriter] = set()

    def obey(self, word: str) -> None:
        self._delay = 0.0
        self._is_cut = word == "cut"
        self._passes.set()
        if word == "stall":
            self._passes.clear()
        elif word == "cut":
            for end in list(self._ends):
                reset(end)
        elif word != "whole":
            self._delay = float(word)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            reset(writer)
            return
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends |= {writer, to_server}
        ways = [asyncio.ensure_future(self._pass(*way)) for way in ((reader, to_server), (from_server, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ends -= {writer, to_server}
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            to_server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(_CHUNK):
                await self._passes.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(content)
                await writer.drain()


async def _serve(server_port: int) -> None:
    line = _Line(server_port)
    async with listening(line.serve) as port:
        print(port, flush=True)
        while word := (await asyncio.to_thread(sys.stdin.readline)).strip():
            line.obey(word)
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
