"""The store that two replicas share, and the lines between: stalled, cut, slow, frozen, killed."""

import asyncio
import random

from tests.chaos.cable import Cable
from tests.chaos.instance import Instance
from tests.chaos.scene import Scene
from tests.chaos.schedule import Act, Do
from tests.store.servers import Server

_BRIEF, _LONG = (0.2, 3.0), (5.0, 9.0)  # seconds; the long ones last longer than keys are honoured
_SLOW = (0.005, 0.02)


def acts(scene: Scene, cables: dict[str, Cable], server: Server) -> list[Act]:
    found = [
        Act("freeze the store", ("store",), 3, lambda chance: _freeze(scene, server, chance, _BRIEF)),
        Act("freeze the store", ("store",), 8, lambda chance: _freeze(scene, server, chance, _LONG)),
        Act("kill the store", ("store",), 2, lambda chance: _kill(scene, server, chance)),
    ]
    for at in scene.instances:
        line = (f"{at.name} line",)
        for way in ("stall", "cut"):
            for span in (_BRIEF, _LONG):
                found.append(Act(way, line, span[1], _apart(scene, at, cables[at.name], way, span)))
        found.append(Act("slow", line, 3, _slow(scene, at, cables[at.name])))
    return found


def _apart(scene: Scene, at: Instance, cable: Cable, way: str, span: tuple[float, float]) -> Do:
    async def do(chance: random.Random) -> None:
        seconds = chance.uniform(*span)
        scene.happened(f"{way} the line to the store, {span[0]:g} to {span[1]:g} s", at)
        scene.findings.note(f"{at.name}: {way} the line for {seconds:.1f} s")
        with at.away.during():
            async with cable.ill(way):
                with at.cut_off.during():
                    await asyncio.sleep(seconds)
        scene.findings.note(f"{at.name}: the line is whole")

    return do


def _slow(scene: Scene, at: Instance, cable: Cable) -> Do:
    async def do(chance: random.Random) -> None:
        seconds, delay = chance.uniform(1.0, 5.0), chance.uniform(*_SLOW)
        scene.happened("delay the line to the store, 5 to 20 ms each way", at)
        scene.findings.note(f"{at.name}: the line is {delay * 1000:.0f} ms late for {seconds:.1f} s")
        async with cable.ill(str(delay)):
            await asyncio.sleep(seconds)

    return do


async def _freeze(scene: Scene, server: Server, chance: random.Random, span: tuple[float, float]) -> None:
    seconds = chance.uniform(*span)
    scene.happened(f"freeze the store, {span[0]:g} to {span[1]:g} s")
    scene.findings.note(f"froze the store for {seconds:.1f} s")
    left, right = scene.instances
    with left.away.during(), right.away.during(), left.cut_off.during(), right.cut_off.during():
        server.pause()
        try:
            await asyncio.sleep(seconds)
        finally:
            server.resume()


async def _kill(scene: Scene, server: Server, chance: random.Random) -> None:
    scene.happened("kill the store, and a new start")
    scene.findings.note("killed the store")
    left, right = scene.instances
    with left.away.during(), right.away.during():
        server.kill()
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        await asyncio.to_thread(server.start)
    scene.findings.note("the store is up")
