"""How late the event loop is: what every request waits before any of our own measures begins to count."""

import asyncio
from collections import deque
from collections.abc import Callable

_LOOK = 0.2  # seconds
_LOOKS = 3


class LoopLag:
    """A timer that looks how late it is called itself. `observe` is told each time, in seconds."""

    def __init__(self, observe: Callable[[float], None]) -> None:
        self.lasting = 0.0
        """The least of the last three looks: a process that was frozen, or a single large body, is one late look and no
        reason to turn anybody away; a loop that cannot keep up is late at all of them."""
        self._observe = observe
        self._looks: deque[float] = deque([0.0] * _LOOKS, maxlen=_LOOKS)
        self._worst = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._wait(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def worst(self) -> float:
        """The highest since this was asked last."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(_LOOK, self._look, loop, loop.time() + _LOOK)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        late = max(0.0, loop.time() - due)
        self._looks.append(late)
        self.lasting = min(self._looks)
        self._worst = max(self._worst, late)
        self._observe(late)
        self._wait(loop)
