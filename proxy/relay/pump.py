"""The loop after the commit point: steps in, frames out. One write per upstream read."""

from collections.abc import Callable
from typing import Protocol

from proxy.relay.downstream import Downstream
from proxy.routing.failures import of_failed
from proxy.wire.codec import failure_of
from proxy.wire.decoder import Step


class Send(Protocol):
    """Sends whole frames; `last` says that nothing will follow, so that the stream's end can go in the same write."""

    async def __call__(self, wire: bytes, *, last: bool = False) -> None: ...


Observe = Callable[[list[Step]], None]


class Source(Protocol):
    """A committed attempt's stream."""

    @property
    def ended(self) -> bool: ...
    async def more(self) -> list[Step]: ...


async def pump(source: Source, held: list[Step], downstream: Downstream, send: Send, observe: Observe) -> None:
    """Relay until the answer's own terminal is written. Raises UpstreamFault where the answer broke: what was good
    before that has been sent."""
    steps = held
    while True:
        observe(steps)
        failed = failure_of(steps[-1].events) if steps else None
        wire = downstream.write(steps)
        is_over = source.ended and failed is None
        if wire or is_over:
            await send(wire, last=is_over)
        if failed is not None:
            raise of_failed(failed)
        if is_over:
            downstream.end()
            return
        steps = await source.more()
