"""How breakers stand, as it is told: to other processes, and to people."""

from typing import NamedTuple

import msgspec

CREDENTIAL = "credential:"
"""Before a credential's label, the name of its breaker. No target's name begins like that."""


class Standing(NamedTuple):
    """In the words in which processes tell each other. Seconds count from when it is told. `seconds`: until it may be
    probed if it is open (0 or less: now), else since it closed. `trips`: in a row. `cooling`: until the pause ends that
    the provider asked for."""

    is_open: bool
    seconds: float
    trips: int = 0
    is_forced: bool = False
    cooling: float = 0.0


class BreakerRow(msgspec.Struct, frozen=True):
    """A breaker for people. `target`: the target's name, or `credential:LABEL`. `state`: closed | open | half-open.
    `detail`: why a request would, or could, be refused just now; "" if none would. `retry_in`: seconds until one may be
    let through. `failures`, `successes`: this process's, within the window. `forced_until`: unix seconds. `credential`:
    the label of the one the target uses; "" for a credential's own breaker."""

    target: str
    state: str
    detail: str = ""
    retry_in: float = 0.0
    failures: int = 0
    successes: int = 0
    forced_until: float | None = None
    credential: str = ""
