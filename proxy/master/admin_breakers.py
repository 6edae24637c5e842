"""What /admin does with breakers: shows them as the workers see them, forces them open, resets them."""

from proxy.master.admin_exchange import Answer, Asked, Refused
from proxy.master.admin_models import Breakers, Nothing, OpenBreaker, ShownBreaker
from proxy.master.breaker_views import names_of, view_of
from proxy.master.control import Control
from proxy.runtime.problems import listed
from proxy.wire.fields import shown

_SILENT = 3.0  # seconds: a worker speaks each second


class BreakerActions:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def show_all(self, asked: Asked[Nothing, Nothing]) -> Answer:
        told, missing = self._control.breakers(), self._silent()
        every = [view_of(name, used, told) for name, used in names_of(self._control.snapshot).items()]
        return Answer(Breakers(breakers=every, missing=missing), is_partial=bool(missing))

    async def show(self, asked: Asked[Nothing, Nothing]) -> Answer:
        return self._shown(asked.name, self._silent())

    async def open(self, asked: Asked[Nothing, OpenBreaker]) -> Answer:
        self._credential(asked.name)
        seconds = asked.body.seconds
        missing = await self._control.force_open(asked.name, seconds)
        return self._shown(asked.name, missing)._replace(details={"seconds": f"{seconds:g}"})

    async def reset(self, asked: Asked[Nothing, Nothing]) -> Answer:
        self._credential(asked.name)
        return self._shown(asked.name, await self._control.reset_breaker(asked.name))

    def _shown(self, name: str, missing: list[str]) -> Answer:
        view = view_of(name, self._credential(name), self._control.breakers())
        return Answer(ShownBreaker(breaker=view, missing=missing), is_partial=bool(missing))

    def _credential(self, name: str) -> str:
        """That of a target; "" for a credential's own breaker. Raises Refused."""
        there_are = names_of(self._control.snapshot)
        if name not in there_are:
            raise Refused(
                404, f"There is no target or credential '{shown(name, 200)}'. There are: {listed(there_are)}."
            )
        return there_are[name]

    def _silent(self) -> list[str]:
        """The workers of whom nothing new is known."""
        ages = {worker.name: worker.pulse_age_seconds for worker in self._control.status().workers}
        return [name for name, age in ages.items() if age is None or age > _SILENT]
