"""What a chain is given: one request, and who may answer it."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.canonical.account import Account
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.routing.candidates import Candidate, Route


def _always() -> bool:
    return True


class Ask(NamedTuple):
    """One request, ready to be sent to `candidates` in order. `begun` is on the monotonic clock; `forwarded`: client
    headers a provider of the same vocabulary may see; `may_hedge` is asked when a hedge is due, and may forbid it."""

    request: Request
    route: Route
    candidates: list[Candidate]
    deadline: Deadline
    begun: float
    account: Account
    forwarded: Mapping[str, str]
    may_hedge: Callable[[], bool] = _always
