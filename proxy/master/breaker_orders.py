"""What somebody orders of a breaker: carried out by every worker, each of which tells the store; done once that shows
it to the other replicas."""

import asyncio
from collections.abc import Awaitable, Callable

from proxy.control.messages import ForceOpen, Order, ResetBreaker
from proxy.store.breaker_records import BreakerRecords, Told
from proxy.store.down import StoreDown

_GLANCE = 0.05  # seconds between looks at what the store shows
_OTHERS = "other replicas"

# Has everyone who serves carry an order out; who did not, and why.
Command = Callable[[Callable[[int], Order]], Awaitable[dict[str, str]]]


class BreakerOrders:
    """Both return, by name, who does not obey within `patience` seconds. Without the store that is the other replicas;
    this one does."""

    def __init__(self, records: BreakerRecords, command: Command) -> None:
        self._records = records
        self._command = command

    async def force_open(self, name: str, seconds: float, patience: float) -> list[str]:
        def is_told(before: Told, now: Told) -> bool:
            return now.is_forced and now.version > before.version

        return await self._ordered(name, lambda token: ForceOpen(token, name, seconds), is_told, patience)

    async def reset(self, name: str, patience: float) -> list[str]:
        def is_told(before: Told, now: Told) -> bool:
            return now.reset > before.reset

        return await self._ordered(name, lambda token: ResetBreaker(token, name), is_told, patience)

    async def _ordered(
        self, name: str, order: Callable[[int], Order], is_told: Callable[[Told, Told], bool], patience: float
    ) -> list[str]:
        deadline = asyncio.get_running_loop().time() + patience
        try:
            before = await self._records.read(name)
        except StoreDown as down:
            return [*await self._command(order), f"{_OTHERS} ({down.kind})"]
        workers = await self._command(order)
        try:
            while not is_told(before, await self._records.read(name)):
                if asyncio.get_running_loop().time() >= deadline:
                    return [*workers, _OTHERS]
                await asyncio.sleep(_GLANCE)
        except StoreDown as down:
            return [*workers, f"{_OTHERS} ({down.kind})"]
        return [*workers]
