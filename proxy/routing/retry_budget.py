"""How many extra requests a target may be sent: retries and hedges help while few fail, and do harm when all do."""

_SECONDS = 10
_SHARE = 0.2
_ALWAYS = 3 * _SECONDS
_MOST_SAVED = 10.0


class RetryBudget:
    """Of one target in one process: 20 % of the requests of the last ten seconds, plus three a second (contract §7).
    Every method takes `now` in seconds on a monotonic clock."""

    __slots__ = ("_requests", "_second", "_spent")

    def __init__(self) -> None:
        self._second = 0
        self._requests = [0] * _SECONDS
        self._spent = [0] * _SECONDS

    def requested(self, now: float) -> None:
        """A request is sent to the target for the first time."""
        second = int(now)
        if second > self._second:
            self._turn(second)
        self._requests[self._second % _SECONDS] += 1

    def spend(self, now: float) -> bool:
        """Take one extra request out of the budget; False when it is used up."""
        second = int(now)
        if second > self._second:
            self._turn(second)
        if sum(self._spent) + 1 > _ALWAYS + _SHARE * sum(self._requests):
            return False
        self._spent[self._second % _SECONDS] += 1
        return True

    def _turn(self, second: int) -> None:
        """Forget what is older than the window."""
        for passed in range(max(self._second, second - _SECONDS) + 1, second + 1):
            self._requests[passed % _SECONDS] = 0
            self._spent[passed % _SECONDS] = 0
        self._second = second


class Allowance:
    """What share of a target's requests may be hedged: each saves up so much of a hedge, up to ten whole ones."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = 0.0

    def requested(self, share: float) -> None:
        self._saved = min(self._saved + share, _MOST_SAVED)

    def spend(self) -> bool:
        """Take a whole hedge; False while there is none."""
        if self._saved < 1 - 1e-9:  # ten tenths are a little less than one
            return False
        self._saved = max(0.0, self._saved - 1)
        return True
