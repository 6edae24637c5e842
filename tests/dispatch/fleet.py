"""Several processes' breakers over one store, as far as that can be had in one process."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from proxy.canonical.origin import Origins, Seal
from proxy.dispatch.breaker_sharing import BreakerSharing
from proxy.dispatch.breakers import Breakers
from proxy.errors import Verdict
from proxy.providers.compatible import COMPATIBLE
from proxy.routing.breaker import BreakerSettings, Permit
from proxy.routing.candidates import Target
from proxy.routing.standing import BreakerRow
from proxy.runtime.store_address import StoreAddress
from proxy.store.breaker_records import BreakerRecords
from proxy.store.names import BREAKERS
from proxy.telemetry.clocks import Clocks
from tests.store.recording import PATIENCE, Recorded

SOON = 5.0  # seconds: what takes milliseconds, on a busy machine
NEVER = 3600.0  # seconds
OPEN_TIME = 0.3  # seconds
LEASE = 1.5  # seconds, in tests of who is heard of no more


def target(name: str, credential: str = "key", **settings: Any) -> Target:
    """One failure opens its breaker for a moment, one success closes it at once for all."""
    chosen: dict[str, Any] = {
        "consecutive_failures": 1,
        "open_time": OPEN_TIME,
        "success_threshold": 1,
        "slow_start": 0.0,
    }
    return Target(
        name=name,
        provider=COMPATIBLE,
        model=name,
        base_url=f"http://provider.test/{name}",
        operations={},
        quirks=COMPATIBLE.endpoints[0].quirks,
        credential=credential,
        headers=(),
        seal=Seal(Origins(b"an obviously fake secret"), "origin"),
        breaker=BreakerSettings(**chosen | settings),
    )


class Place(Protocol):
    """Where the store is; `ask` is for PUBSUB NUMSUB."""

    @property
    def address(self) -> StoreAddress: ...

    def ask(self, *command: str) -> Any: ...


class Member:
    """One process. `moved`: the transitions its breakers saw."""

    def __init__(self, address: StoreAddress, *targets: Target, **sharing: float) -> None:
        self.client = Recorded(address, sharing.pop("timeout", PATIENCE))
        self.moved: list[tuple[str, str]] = []
        self.breakers = Breakers(Clocks(), lambda: 0.5, lambda name, to: self.moved.append((name, to)))
        self.targets = {each.name: each for each in targets}
        self.breakers.keep(targets)
        self.records = BreakerRecords(self.client.store)
        sharing.setdefault("read_every", NEVER)
        self.sharing = BreakerSharing(self.breakers, self.records, time.monotonic, random.random, **sharing)

    def acquire(self, name: str = "a", is_last: bool = False) -> Permit | None:
        return self.breakers.acquire(self.targets[name], is_last=is_last)

    def tell(self, verdict: Verdict, retry_after: float | None = None, name: str = "a") -> None:
        permit = self.acquire(name)
        assert permit is not None
        permit.report(verdict, time.monotonic(), retry_after)

    def trip(self, name: str = "a") -> None:
        self.tell(Verdict.FAILURE, name=name)
        assert self.state(name) == "open"

    def state(self, name: str = "a") -> str:
        return self._row(name).state

    def detail(self, name: str = "a") -> str:
        """Why a request would be refused, "" if it would not."""
        return self._row(name).detail

    def retry_in(self, name: str = "a") -> float:
        return self._row(name).retry_in

    def _row(self, name: str) -> BreakerRow:
        return next(row for row in self.breakers.table() if row.target == name)


@asynccontextmanager
async def fleet(server: Place, count: int, *targets: Target, **sharing: float) -> AsyncIterator[list[Member]]:
    """That many processes, all of which listen to each other already."""
    async with AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(member(server, *(targets or (target("a"),)), **sharing))
            for _ in range(count)
        ]
        yield members


@asynccontextmanager
async def member(server: Place, *targets: Target, **sharing: float) -> AsyncIterator[Member]:
    """One more process, which listens."""
    listeners = listening(server)
    member = Member(server.address, *targets, **sharing)
    sharing_on = asyncio.create_task(member.sharing.run())
    try:
        await until(lambda: listening(server) > listeners)
        await until(lambda: any(outcome == "ok" for outcome, _ in member.client.calls))
        yield member
        assert not sharing_on.done(), sharing_on
    finally:
        sharing_on.cancel()
        await asyncio.wait([sharing_on])
        await member.client.store.close()


def listening(server: Place) -> int:
    return int(server.ask("PUBSUB", "NUMSUB", BREAKERS)[1])


async def until(condition: Callable[[], object], within: float = SOON) -> None:
    """Waits for it."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


async def permit(member: Member, name: str = "a", within: float = SOON) -> Permit:
    """Asks again and again, as requests do."""
    found: list[Permit] = []

    def is_given() -> bool:
        given = member.acquire(name)
        found.extend([given] if given is not None else [])
        return given is not None

    await until(is_given, within)
    return found[0]
