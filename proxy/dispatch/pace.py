"""How fast an answer comes: characters of content in a second of the provider's own time. Pure: time is passed in."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from proxy.canonical.events import Delta
from proxy.wire.decoder import Step

_LOOKS = 10  # in a window


class _Look(NamedTuple):
    """What had come by then; `at` in seconds of the provider's time."""

    at: float
    characters: int


class Pace:
    """Judges one stream from its first content on. What its client takes to read does not count as time; text,
    reasoning and arguments of calls count as content."""

    def __init__(self, least_rate: float, window: float) -> None:
        """Characters per second, over `window` seconds."""
        self.look_every = window / _LOOKS
        self._least_rate = least_rate
        self._window = window
        self._spent = 0.0
        self._characters = 0
        self._looks: deque[_Look] = deque([_Look(0.0, 0)])

    def heard(self, steps: Iterable[Step], seconds: float) -> None:
        """What came after so many seconds of waiting for it."""
        self._spent += seconds
        self._characters += sum(len(event.text) for step in steps for event in step.events if type(event) is Delta)

    def is_too_slow(self, waiting: float) -> bool:
        """To be asked `look_every` so often. `waiting`: seconds since the provider was last heard, if it is waited for.
        Nothing is too slow before a whole window has passed."""
        now = self._spent + waiting
        looks = self._looks
        if now - looks[-1].at >= self.look_every / 2:  # none while the client reads: time stands still for us
            looks.append(_Look(now, self._characters))
        while len(looks) > 1 and looks[1].at <= now - self._window:
            looks.popleft()
        spent = now - looks[0].at
        return spent >= self._window and self._characters - looks[0].characters < self._least_rate * spent
