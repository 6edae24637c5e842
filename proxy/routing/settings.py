"""What a route or a target is told about failing, waiting and being busy (contract §7): values, with their defaults."""

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds a phase of one attempt may take; `total` is the request's deadline over all attempts. A stream slower
    than `least_rate` characters per second over `rate_window` seconds is given up; 0 = any speed will do."""

    total: float = 600.0
    connect: float = 5.0
    headers: float = 60.0
    first_token: float = 120.0
    idle: float = 60.0
    least_rate: float = 0.0
    rate_window: float = 10.0


class Retries(msgspec.Struct, frozen=True):
    """Further tries at the same target before the next candidate: `again` of them at most. The wait before the n-th is
    drawn from 0 to `first_wait` * 2 ** (n - 1) seconds; a provider that asks for more than `longest_wait` is left."""

    again: int = 1
    first_wait: float = 0.25
    longest_wait: float = 5.0


class Hedging(msgspec.Struct, frozen=True):
    """Ask the next candidate too when there is no content after `after` seconds; None = after as long as 95 % of the
    target's answers take to begin. At most `share` of a target's requests are hedged."""

    after: float | None = None
    share: float = 0.1


class Concurrency(msgspec.Struct, frozen=True):
    """How many attempts may run at a target at once, on this whole replica, and how many more may wait for a place."""

    limit: int
    queue: int = 100


class Choice(msgspec.Struct, frozen=True):
    """How the candidates of one step are put in order: weighted | least_loaded | lowest_latency."""

    by: str = "weighted"


class Affinity(msgspec.Struct, frozen=True):
    """Requests with the same mark keep to the same candidate of a step while it is healthy. by: none | key | header
    (then `header`, in lower case)."""

    by: str = "none"
    header: str = ""


MIDSTREAM = ("fail", "continue", "restart")
"""What a route does about an answer that breaks after its first content."""
