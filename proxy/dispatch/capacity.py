"""How many attempts may run at a target at once, and who is next when one ends. Fair: nobody overtakes who waits."""

import asyncio

from proxy.routing.settings import Concurrency


class Capacity:
    """The places of one target in this process. Whoever got one gives it back with `release`, once."""

    def __init__(self, settings: Concurrency, share: int) -> None:
        """`share`: how many processes divide the limit and the queue among them; each has its part rounded up."""
        self.settings = settings
        self._share = share
        self._running = 0
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order they came

    @property
    def queued(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether there is a place that nobody waits for."""
        return not self._waiting and self._running < self._limit

    def adopt(self, settings: Concurrency) -> None:
        """Other limits from now on. Nobody who runs is stopped; room that this made is given to those who wait."""
        self.settings = settings
        self._admit()

    def take(self) -> bool:
        """A place at once, if there is one that nobody waits for."""
        if not self.has_room:
            return False
        self._running += 1
        return True

    async def wait(self, seconds: float) -> bool:
        """A place when it is this one's turn, within `seconds`. False: too late, or the queue was full. Cancelled, or
        late in the moment of its turn, it gives its place to the next."""
        if self.take():
            return True
        if len(self._waiting) >= _part(self.settings.queue, self._share):
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        has_place = False
        try:
            await asyncio.wait((turn,), timeout=seconds)
            has_place = turn.done()
        finally:
            self._waiting.pop(turn, None)
            if turn.done() and not has_place:
                self.release()
        return has_place

    def release(self) -> None:
        self._running -= 1
        self._admit()

    @property
    def _limit(self) -> int:
        return _part(self.settings.limit, self._share)

    def _admit(self) -> None:
        while self._waiting and self._running < self._limit:
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            self._running += 1
            turn.set_result(None)


def _part(whole: int, share: int) -> int:
    return -(-whole // share)
