"""Files that are right and files that are wrong, read because they changed, on SIGHUP, or on demand."""

import asyncio
import random
import signal
import time
from collections.abc import Callable

from tests.chaos.findings import ADMIN, RELOADS
from tests.chaos.instance import Instance, Reply
from tests.chaos.scene import Scene, replace
from tests.chaos.wire import Answer, Connection, request_of

_WAYS = ("on demand", "on SIGHUP", "because the file changed")
_READ_WITHIN = 10.0
_ASKED = 3


async def reload_right(scene: Scene, at: Instance, chance: random.Random) -> None:
    """Another route and another timing; whoever acknowledged it must serve it."""
    way = chance.choice(_WAYS)
    action = scene.happened(f"a good file, read {way}", at)
    before = await _number(at)
    scene.write(at)
    reply = await _read(scene, at, way)
    scene.findings.note(f"{at.name}: good file with {scene.fresh}, read {way}: {reply.status}")
    if reply.status not in (0, 200, 207):
        scene.findings.blame(ADMIN, f"{at.name}: reloading a good file was answered {reply}")
    if way == "on demand":
        action.answers[str(reply.status or "none")] += 1
    if reply.status == 200:
        for _ in range(_ASKED):
            await _ask_for(scene, at, scene.fresh)
    elif before and reply.status != 207 and not await _numbered(at, lambda number: number > before):
        scene.findings.blame(RELOADS, f"{at.name}: {scene.fresh} was never read ({way})")


async def reload_wrong(scene: Scene, at: Instance, chance: random.Random) -> None:
    """It changes nothing and says why; a good one is put back."""
    way = chance.choice(_WAYS)
    what, text = chance.choice(
        [
            ("bad syntax", scene.texts[at.name][:-20]),
            ("an unknown field", scene.texts[at.name].replace('"candidates"', '"candidats"', 1)),
        ]
    )
    action = scene.happened(f"a file with {what}, read {way}", at)
    before = await _number(at)
    replace(at.file, text)
    try:
        reply = await _read(scene, at, way)
        scene.findings.note(f"{at.name}: file with {what}, read {way}: {reply.status}")
        if way == "on demand":
            action.answers[str(reply.status or "none")] += 1
            if reply.status not in (0, 422):
                scene.findings.blame(ADMIN, f"{at.name}: reloading a file with {what} was answered {reply}")
        else:
            await _numbered(at, lambda number: False, until_told=True)
        after = await _number(at)
        if before and after and after != before:
            scene.findings.blame(RELOADS, f"{at.name}: number {after} instead of {before} after a file with {what}")
    finally:
        replace(at.file, scene.texts[at.name])
    reply = await at.admin("POST", "reload")
    if reply.status not in (0, 200, 207):
        scene.findings.blame(ADMIN, f"{at.name}: reloading the good file again was answered {reply}")


async def _read(scene: Scene, at: Instance, way: str) -> Reply:
    if way == "on demand":
        return await at.admin("POST", "reload")
    if way == "on SIGHUP" and at.is_running:
        at.tell(signal.SIGHUP)
    return Reply(0, None)


async def _number(at: Instance) -> int:
    """Of the configuration in force; 0 if nobody says."""
    status = await at.admin("GET", "status")
    return int(status.body["configuration"]["number"]) if status.status == 200 else 0


async def _numbered(at: Instance, holds: Callable[[int], bool], until_told: bool = False) -> bool:
    """Waits until the number in force, served by every worker, is as it should be; True also if nobody says."""
    until = time.monotonic() + _READ_WITHIN
    answered = False
    while time.monotonic() < until:
        status = await at.admin("GET", "status")
        if status.status == 200:
            answered = True
            if holds(status.body["configuration"]["number"]):
                return True
            if until_told and status.body["configuration"]["problems"]:
                return True
        await asyncio.sleep(0.1)
    return not answered


async def _ask_for(scene: Scene, at: Instance, route: str) -> None:
    """A route that the configuration in force has."""
    key = scene.keyring.usable("file")[-1]
    answer = Answer()
    try:
        async with asyncio.timeout(30):
            connection = await Connection.open(at.port)
            await connection.ask(request_of("chat", key.key, {"model": route}), answer)
            connection.close()
    except (OSError, TimeoutError):
        return
    if answer.whole and answer.status == 404:
        scene.findings.blame(RELOADS, f"{at.name}: {route} is unknown although its reload was acknowledged by all")
