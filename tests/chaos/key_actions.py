"""Keys made, and revoked under the eyes of witnesses: connections over which the key has just been served."""

import asyncio
import random
import time

from tests.chaos.clients import asked, begun
from tests.chaos.findings import ADMIN, WENT_ON
from tests.chaos.instance import Instance
from tests.chaos.judging import IN_TIME
from tests.chaos.keyring import TENANT, HeldKey
from tests.chaos.scene import Scene
from tests.chaos.wire import Connection

_WITNESSES = 4  # per instance
_PATIENCE = 30.0
_INSIST = 20.0  # seconds in which a revocation that was not acknowledged is repeated
_TOLD_WITHIN = 3.0  # seconds in which what is to be ended ends
_BEGUN = 0.5  # seconds in which a stream begins
_STREAMED = 15.0  # seconds after which its client has seen enough
_KEPT = 8  # keys in the store that are not revoked


async def make_keys(scene: Scene, at: Instance, wanted: int = _KEPT) -> None:
    """As many as are missing, unless the store is away."""
    while len(scene.keyring.usable("store")) < wanted:
        reply = await at.admin("POST", "keys", {"tenant": TENANT})
        scene.actions["make a key"].answers[str(reply.status)] += 1
        scene.actions["make a key"].times += 1
        if reply.status not in (201, 207):
            if reply.status not in (0, 503):
                scene.findings.blame(ADMIN, f"{at.name}: making a key was answered {reply}")
            return
        scene.keyring.in_store.append(HeldKey(reply.body["key"]["id"], reply.body["secret"], "store"))


async def revoke(scene: Scene, at: Instance, chance: random.Random, held_by: str, terminates: bool) -> None:
    """One key, at this instance; the other ones must learn of it. It is asked for until it is acknowledged."""
    usable = scene.keyring.usable("file" if held_by == "file" else "store")
    if not usable:
        await make_keys(scene, at)
        return
    key = chance.choice(usable[:12])
    witnesses = await _witnesses(scene, key)
    streams = await _streams(scene, key) if terminates else []
    name = f"revoke a {held_by}-held key" + (", terminate=true" if terminates else "")
    action = scene.happened(name)
    scene.findings.note(f"{name} {key.id} at {at.name}")
    key.terminated = terminates
    key.revoking_since = time.monotonic()
    until = key.revoking_since + _INSIST
    while key.revoked is None and time.monotonic() < until:
        reply = await at.admin("POST", f"keys/{key.id}/revoke" + ("?terminate=true" if terminates else ""))
        action.answers[str(reply.status or "none")] += 1
        if reply.status in (200, 207):
            key.revoked, key.by_all = time.monotonic(), reply.status == 200
            scene.findings.note(f"revoked {key.id}: {reply.status} {reply.body.get('missing')}")
        elif reply.status in (0, 503):
            await asyncio.sleep(0.5)
        else:
            scene.findings.blame(ADMIN, f"{at.name}: revoking a {held_by}-held key was answered {reply}")
            break
    witnesses = await _ask_again(scene, key, witnesses)
    if terminates and key.by_all:
        await _watch_end(scene, key)
    await asyncio.sleep(IN_TIME + 0.05)
    witnesses = await _ask_again(scene, key, witnesses)
    for connection in [*(await asyncio.gather(*streams)), *(connection for _, connection in witnesses)]:
        if connection is not None:
            connection.close()
    await make_keys(scene, at)


Witness = tuple[Instance, Connection | None]


async def _witnesses(scene: Scene, key: HeldKey) -> list[Witness]:
    """Some connections to every instance; on each the key has been served, if it was to be."""
    return await _ask_again(scene, key, [(each, None) for each in scene.instances for _ in range(_WITNESSES)])


async def _streams(scene: Scene, key: HeldKey) -> list[asyncio.Task[Connection | None]]:
    """A long one of every instance, under way."""
    streams = []
    for instance in scene.instances:
        request = begun(instance, "responses", True, key, scene.lengths["long"][0])
        streams.append(
            asyncio.create_task(asked(scene, request, "long/responses", None, _PATIENCE, leaves_after=_STREAMED))
        )
    await asyncio.sleep(_BEGUN)
    return streams


async def _ask_again(scene: Scene, key: HeldKey, witnesses: list[Witness]) -> list[Witness]:
    """All at the same time; judged like every other request."""

    async def ask(instance: Instance, connection: Connection | None) -> Witness:
        request = begun(instance, "chat", False, key, scene.lengths["quick"][0])
        return instance, await asked(scene, request, "quick/chat", connection, _PATIENCE)

    return list(await asyncio.gather(*(ask(*each) for each in witnesses)))


async def _watch_end(scene: Scene, key: HeldKey) -> None:
    """What ran with it must be over soon; whose process or master is frozen, or whose master is gone, cannot know."""
    assert key.revoked is not None
    await asyncio.sleep(_TOLD_WITHIN)
    for request in list(scene.open):
        instance = request.instance
        troubles = (instance.away, instance.deaf)
        is_told = not any(trouble.overlap(key.revoked - 1, time.monotonic()) for trouble in troubles)
        is_reached = request.opened > instance.began and is_told
        is_frozen = instance.frozen(request.port, request.opened, time.monotonic()) is not None
        if request.key is key and request.port and request.sent < key.revoked and is_reached and not is_frozen:
            scene.findings.blame(WENT_ON, f"{request}, {time.monotonic() - key.revoked:.1f} s after")
