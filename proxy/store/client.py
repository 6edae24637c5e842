"""One process's client of the store."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from redis.exceptions import NoScriptError, RedisError

from proxy.runtime.store_address import StoreAddress
from proxy.store.cluster import Cluster
from proxy.store.down import Kind, StoreDown, kind_of, told
from proxy.store.gate import Gate, Pass
from proxy.store.outliving import Outliving
from proxy.store.pool import trust
from proxy.store.scripts import Script
from proxy.store.sentinel import Sentinels
from proxy.store.servers import OneServer, Servers
from proxy.store.subscriber import Subscriber

_LATE_SECONDS = 0.05
_PAUSE_SECONDS = 0.1
_PROBE = Script("probe")


class _Asked(NamedTuple):
    """A script with its keys and arguments, or, without a script, a command as the arguments."""

    key: str
    script: Script | None
    keys: Sequence[str]
    arguments: Sequence[str]


class Health(NamedTuple):
    """Whether all servers take what they are asked. `kind`: how one failed, "" while up. `since`: seconds on the
    monotonic clock."""

    is_up: bool
    kind: Kind | Literal[""]
    since: float


class Store:
    """Every call ends within `timeout` seconds whatever the servers do, and at once after one failed, until a probe of
    our own in the background finds the server well again. Nothing is sent twice. A call goes on to its end when
    its caller is cancelled, so that clients who hang up cost no connections."""

    def __init__(
        self,
        address: StoreAddress,
        timeout: float,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        on_change: Callable[[Health], None],
        on_call: Callable[[str, float], None],
    ) -> None:
        """`clock`: monotonic seconds. `jitter` returns a number in [0, 1). `on_change` is told once each time the store
        goes or comes back; `on_call` of every call the outcome, "ok" or a kind of StoreDown, and the seconds taken."""
        self._servers = _servers(address, clock)
        self._timeout = timeout
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._on_call = on_call
        self._gates: dict[str, Gate] = {}
        self._recoveries: dict[Gate, asyncio.Task[None]] = {}
        self._calls: Outliving[Any] = Outliving()
        self._is_closed = False
        self.health = Health(True, "", clock())

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[str], *, within: float | None = None
    ) -> Any:
        """What the script returned: bytes, int, None, or lists of them. `keys` lie in one family of names.py. `within`:
        seconds, where the caller has less left than a whole timeout. Raises StoreDown."""
        return await self._call(_Asked(keys[0], script, keys, arguments), within)

    async def read(self, command: str, *arguments: str, within: float | None = None) -> Any:
        """The bare reply to a command that only reads; its first argument, if any, is its key. Raises StoreDown."""
        return await self._call(_Asked(arguments[0] if arguments else "", None, (), (command, *arguments)), within)

    def subscriber(self, *channels: str) -> Subscriber:
        """Of these channels, on a connection of its own."""
        return Subscriber(self._servers, channels, self._jitter)

    async def close(self) -> None:
        """Calls under way end first, which takes one timeout at most."""
        self._is_closed = True
        for recovery in self._recoveries.values():
            recovery.cancel()
        await asyncio.gather(*self._recoveries.values(), return_exceptions=True)
        await self._calls.join()
        await self._servers.close()

    async def _call(self, asked: _Asked, within: float | None) -> Any:
        if self._is_closed:
            raise StoreDown("refused", "this client of it is closed")
        limit = self._timeout if within is None else min(within, self._timeout)
        if limit <= 0:
            self._on_call("timeout", 0.0)
            raise StoreDown("timeout", "its caller had no time left")
        gate = self._gate(asked.key)
        entered = gate.enter(asked.script, self._clock())
        if entered is None:
            self._on_call("breaker", 0.0)
            self._recover(gate, asked.key)
            raise StoreDown("breaker", f"it failed a moment ago ({gate.kind})")
        return (await self._calls.ends(self._exchange(asked, gate, entered, limit))).result()

    def _gate(self, key: str) -> Gate:
        place = self._servers.place(key)
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(self._jitter)
        return gate

    async def _exchange(self, asked: _Asked, gate: Gate, entered: Pass, limit: float, is_probe: bool = False) -> Any:
        """Asks, and tells the gate what the outcome says about the server."""
        began = self._clock()
        reply: Any = None
        down: StoreDown | None = None
        allowed = asyncio.timeout(limit)
        try:
            async with allowed:
                reply = await self._ask(asked)
        except (RedisError, OSError) as error:
            down = StoreDown(kind_of(error), f"no answer in {limit:g} s" if allowed.expired() else told(error))
            now = self._clock()
            # Where too little time was given, or this process was late itself, an answer may have been under way.
            is_late = now - began > self._timeout + _LATE_SECONDS
            if allowed.expired() and (limit < self._timeout or is_late):
                gate.proved_nothing(entered, now)
            elif gate.failed(entered, error, now, is_probe):
                await self._servers.suspect(asked.key)
            self._recover(gate, asked.key)
        else:
            gate.succeeded(entered, self._clock())
        self._tell(gate)
        if not is_probe:
            self._on_call("ok" if down is None else down.kind, self._clock() - began)
        if down is not None:
            raise down
        return reply

    async def _ask(self, asked: _Asked) -> Any:
        key, script, keys, arguments = asked
        if script is None:
            return await self._servers.execute(key, tuple(arguments))
        try:
            return await self._servers.execute(key, script.by_digest(keys, arguments))
        except NoScriptError:  # it was not run
            return await self._servers.execute(key, script.by_text(keys, arguments))

    def _recover(self, gate: Gate, key: str) -> None:
        """Has the server that has this key probed until it does well."""
        recovery = self._recoveries.get(gate)
        is_needed = (gate.is_open or gate.in_doubt) and not self._is_closed
        if is_needed and (recovery is None or recovery.done()):
            self._recoveries[gate] = asyncio.create_task(self._probe(gate, key))

    async def _probe(self, gate: Gate, key: str) -> None:
        asked = _Asked(key, _PROBE, (key,), ())
        pause = 0.0
        while gate.is_open or gate.in_doubt:
            await asyncio.sleep(max(pause, gate.probe_in(self._clock())))
            pause = _PAUSE_SECONDS
            entered = gate.probe(self._clock())
            if entered is not None:
                try:
                    await self._exchange(asked, gate, entered, self._timeout, is_probe=True)
                except StoreDown:
                    continue
                finally:
                    gate.leave(entered, self._clock())

    def _tell(self, gate: Gate) -> None:
        """Once each time the store as a whole comes or goes."""
        before = self.health
        if before.is_up and not gate.is_open:
            return
        kind: Kind | Literal[""] = next((each.kind for each in self._gates.values() if each.is_open), "")
        is_up = not kind
        self.health = Health(is_up, kind, self._clock() if is_up != before.is_up else before.since)
        if is_up != before.is_up:
            self._on_change(self.health)


def _servers(address: StoreAddress, clock: Callable[[], float]) -> Servers:
    if address.is_tls:
        trust()  # now, for it would take too much of the first call's time
    if address.kind == "cluster":
        return Cluster(address)
    return Sentinels(address, clock) if address.kind == "sentinel" else OneServer(address)
