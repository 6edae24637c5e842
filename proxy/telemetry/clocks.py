"""The clocks, injected wherever time is read, so that tests need not sleep."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Clocks(NamedTuple):
    """`monotonic`: seconds from an arbitrary start; `wall`: unix seconds."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
