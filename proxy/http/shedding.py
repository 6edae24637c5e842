"""What is turned away before anything is known of it, because taking more would harm what runs already."""

from collections.abc import Callable

from proxy.errors import Overloaded
from proxy.runtime.snapshot import ServerSettings
from proxy.telemetry.log import Repeated
from proxy.telemetry.loop_lag import LoopLag

# Seconds. Clients that were turned away together shall not come back together; and an SDK waits of its own accord as
# long as it is no more than five.
_SOONEST, _LATEST = 1.0, 4.0
LAG = "loop_lag"
LIMIT = "in_flight_limit"


class Shedding:
    """`total`: how many requests all workers of this instance have in flight, the one in question included; `jitter`
    returns a number in [0, 1)."""

    def __init__(self, lag: LoopLag, total: Callable[[], int], jitter: Callable[[], float]) -> None:
        self._lag = lag
        self._total = total
        self._jitter = jitter
        self._told = Repeated("requests shed")

    def why(self, settings: ServerSettings) -> str:
        """Why the request that was just counted is to be turned away; "" if it may stay. Cheapest question first."""
        if 0.0 < settings.shed_at_lag <= self._lag.lasting:
            return LAG
        if settings.in_flight_limit is not None and self._total() > settings.in_flight_limit:
            return LIMIT
        return ""

    def refusal(self, why: str) -> Overloaded:
        self._told.warn(why=why)
        wait = _SOONEST + (_LATEST - _SOONEST) * self._jitter()
        message = "The proxy serves as many requests as it may." if why == LIMIT else "The proxy is overloaded."
        return Overloaded(f"{message} Retry in a moment.", retry_after=wait)
