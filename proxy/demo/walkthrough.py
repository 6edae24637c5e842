"""`segue demo`: Segue in front of a scripted upstream, a walk through what it does, then serving until told to stop."""

import asyncio
import importlib.util
import signal
import sys
import time
from collections.abc import Coroutine
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console

from proxy.demo import scenes
from proxy.demo.caller import Caller
from proxy.demo.children import Child, ChildDied, child
from proxy.demo.handout import openai_program, sheets
from proxy.demo.narration import Narrator
from proxy.demo.playbill import ROUTES
from proxy.demo.scenes import Surprise
from proxy.demo.stage import Stage, stage

_HAS_SDK = importlib.util.find_spec("openai") is not None
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SCENES = (scenes.ordinary, scenes.fallback, scenes.exhausted, scenes.elsewhere, scenes.recovered)
_SHOW_WITHIN = 120.0  # seconds, as something that waits for ever should be said


Port = Annotated[int | None, typer.Option(min=0, max=65535, show_default="any free one")]


def run(
    port: Port = None,
    upstream_port: Port = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve on after the walk-through.")] = True,
) -> None:
    """The whole demo; a port that is None is any free one. Without `serve` it ends after the walk-through.

    Returns when all went well or it was interrupted; raises SystemExit(1) when a child died or a scene went wrong.
    """
    if not asyncio.run(_until_interrupted(_Demo(port or 0, upstream_port or 0, serve).play())):
        sys.exit(1)


async def _until_interrupted(play: Coroutine[Any, Any, bool]) -> bool:
    playing = asyncio.create_task(play)
    interrupts = 0

    def interrupt() -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts == 1:  # another one must not disturb the cleaning up
            playing.cancel()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await playing
    except asyncio.CancelledError:
        return True


class _Demo:
    def __init__(self, port: int, upstream_port: int, serve: bool) -> None:
        self._port = port
        self._upstream_port = upstream_port
        self._serve = serve
        self._is_serving = False
        self._narrator = Narrator(Console())

    async def play(self) -> bool:
        """Whether all went as it should."""
        narrator, began = self._narrator, time.perf_counter()
        try:
            async with stage(self._port, self._upstream_port, self._hear_segue) as built:
                narrator.opening(built.upstream_address, built.base, time.perf_counter() - began)
                try:
                    await _unless_one_dies(self._show(built), built.upstream, built.segue)
                except (Surprise, aiohttp.ClientError, TimeoutError) as trouble:
                    narrator.trouble(str(trouble) or f"The walk-through took more than {_SHOW_WITHIN:g} s.")
                    narrator.last_words("Segue", built.segue.last_words)
                    return False
        except ChildDied as death:
            narrator.trouble(f"{death}.")
            narrator.last_words("It", death.last_words)
            return False
        return True

    async def _show(self, built: Stage) -> None:
        narrator = self._narrator
        async with asyncio.timeout(_SHOW_WITHIN), aiohttp.ClientSession() as session:
            caller = Caller(session, built.base, built.key)
            for scene in _SCENES:
                await scene(caller, narrator)
            if _HAS_SDK:
                await self._sdk(openai_program(built.base, built.key))
        self._hand_out(built)
        if self._serve:
            narrator.title("Serving until Ctrl-C; your requests appear here")
            self._is_serving = True
            await asyncio.Event().wait()

    async def _sdk(self, program: str) -> None:
        """The unmodified SDK in a process of its own, running exactly what is shown."""
        narrator = self._narrator
        narrator.title("6  The OpenAI SDK, unmodified, running this program")
        narrator.code("python", program)
        narrator.blank()
        async with child("The program", sys.executable, "-c", program, listen=narrator.spoken) as running:
            await running.ended()

    def _hand_out(self, built: Stage) -> None:
        narrator = self._narrator
        narrator.title("To try by hand: these models")
        narrator.table((route.name, route.shows) for route in ROUTES)
        for sheet in sheets(built.base, built.key, built.metrics):
            if _HAS_SDK and sheet.text == openai_program(built.base, built.key):
                continue  # it was shown above
            narrator.title(f"… with {sheet.title}")
            narrator.code(sheet.language, sheet.text)

    def _hear_segue(self, line: str) -> None:
        if self._is_serving:
            self._narrator.logged(line)


async def _unless_one_dies(show: Coroutine[Any, Any, None], *children: Child) -> None:
    """Runs the show; raises ChildDied as soon as a child ends."""
    showing = asyncio.create_task(show)
    watching = [asyncio.create_task(each.died()) for each in children]
    try:
        await asyncio.wait([showing, *watching], return_when=asyncio.FIRST_COMPLETED)
        if showing.done() and isinstance(showing.exception(), aiohttp.ClientError):
            await asyncio.wait(watching, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)  # the likely reason
        for task in (*watching, showing):
            if task.done():
                await task
    finally:
        for task in (showing, *watching):
            task.cancel()
        await asyncio.gather(showing, *watching, return_exceptions=True)
