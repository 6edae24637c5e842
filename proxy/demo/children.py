"""The child processes of the walk-through: started, listened to, and gone when it ends, however it ends."""

import asyncio
import contextlib
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

_LAST_WORDS = 12  # lines
_LONGEST_LINE = 1 << 20
_PATIENCE = 6.0  # seconds between asking a child to stop and making it

Listen = Callable[[str], None]


class ChildDied(Exception):
    """A child ended by itself, or never became ready. `last_words`: the last lines it printed."""

    def __init__(self, name: str, how: str, last_words: Sequence[str]) -> None:
        super().__init__(f"{name} {how}")
        self.last_words = list(last_words)


class Child:
    """One running child. Whatever it prints is read, so that it never waits for us; `listen` hears every line."""

    def __init__(self, name: str, running: asyncio.subprocess.Process, listen: Listen | None) -> None:
        self.pid = running.pid
        self._name = name
        self._running = running
        self._listen = listen
        self.last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._unread: asyncio.Queue[str | None] | None = asyncio.Queue()  # None: a pipe was closed
        self._readers = [asyncio.create_task(self._read(pipe)) for pipe in (running.stdout, running.stderr) if pipe]

    async def said(self, *patterns: str, within: float) -> list[str]:
        """The first group of each pattern, once each was found in a line; to be asked once. Raises ChildDied, also
        after `within` seconds."""
        found: dict[str, str] = {}
        unread, closed = self._unread, 0
        assert unread is not None
        try:
            async with asyncio.timeout(within):
                while len(found) < len(patterns):
                    line = await unread.get()
                    closed += line is None
                    if closed == len(self._readers):
                        raise await self._death()
                    found |= {each: match[1] for each in patterns if (match := re.search(each, line or ""))}
        except TimeoutError:
            raise ChildDied(self._name, f"did not get ready within {within:g} s", self.last_words) from None
        self._unread = None
        return [found[each] for each in patterns]

    async def ended(self) -> None:
        """Waits for its end, and raises ChildDied if that was not a success."""
        if await self._running.wait():
            raise await self._death()
        await asyncio.wait(self._readers)

    async def died(self) -> None:
        """Waits for its end, whatever it is, and raises ChildDied."""
        await self._running.wait()
        raise await self._death()

    async def stop(self) -> None:
        """Asks it to stop, then makes it; returns when it is gone."""
        if self._running.returncode is None:
            self._running.terminate()
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._running.wait(), _PATIENCE)
            finally:
                if self._running.returncode is None:  # stubborn, or we were told to hurry
                    self._running.kill()
        await self._running.wait()
        await asyncio.wait(self._readers, timeout=1.0)
        for reader in self._readers:
            reader.cancel()

    async def _death(self) -> ChildDied:
        code = await self._running.wait()
        await asyncio.wait(self._readers, timeout=1.0)
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ChildDied(self._name, how, self.last_words)

    async def _read(self, pipe: asyncio.StreamReader) -> None:
        async for raw in pipe:
            line = raw.decode(errors="replace").rstrip()
            self.last_words.append(line)
            if self._unread is not None:
                self._unread.put_nowait(line)
            if self._listen is not None:
                self._listen(line)
        if self._unread is not None:
            self._unread.put_nowait(None)


@contextlib.asynccontextmanager
async def child(
    name: str, *command: str, environment: Mapping[str, str] | None = None, listen: Listen | None = None
) -> AsyncIterator[Child]:
    """A child for as long as the block runs. It has its own process group: Ctrl-C is ours to pass on, in order."""
    running = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        process_group=0,
        limit=_LONGEST_LINE,
    )
    started = Child(name, running, listen)
    try:
        yield started
    finally:
        await started.stop()
