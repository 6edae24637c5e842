"""What it means that the store did not do what it was asked, in words of ours."""

from typing import Literal

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    InvalidResponse,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeout

Kind = Literal["timeout", "refused", "full", "read_only", "loading", "broken", "breaker"]

# Error codes for which redis-py has no class.
# <https://github.com/redis/redis/blob/7.0/src/server.c>, createSharedObjects
_BY_CODE: dict[str, Kind] = {
    "BUSY": "loading",
    "DENIED": "refused",
    "MISCONF": "read_only",
    "NOREPLICAS": "read_only",
    "NOSCRIPT": "broken",
}
_BY_CLASS: tuple[tuple[type[Exception], Kind], ...] = (
    (TimeoutError, "timeout"),
    (RedisTimeout, "timeout"),
    (OutOfMemoryError, "full"),
    (ReadOnlyError, "read_only"),
    (MasterDownError, "read_only"),
    (BusyLoadingError, "loading"),
    (AuthenticationError, "refused"),
    (NoPermissionError, "refused"),
    (ClusterDownError, "refused"),
    (TryAgainError, "refused"),
    (AskError, "refused"),
    (ConnectionError, "refused"),
    (OSError, "refused"),
    (InvalidResponse, "broken"),
)
_LONGEST_DETAIL = 200


class StoreDown(Exception):
    """The store did not answer as it should. Unless it refused, what was asked may or may not have been done, or may
    still be. `kind`:

    - timeout: no answer in time
    - refused: no connection, a lost one, wrong credentials, or a cluster without a server for the key
    - full: memory is at its limit
    - read_only: writes are refused: a replica, too few replicas, or a disk it cannot write to
    - loading: it starts, or is busy with a long script
    - broken: it answered with an error of another sort, or with what no server of this kind answers
    - breaker: not asked at all, because it failed a moment ago
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(f"the store is not available ({kind}): {detail}")
        self.kind = kind


def kind_of(error: Exception) -> Kind:
    """Of a RedisError, an OSError or a TimeoutError."""
    for known, kind in _BY_CLASS:
        if isinstance(error, known):
            return kind
    code = str(error).partition(" ")[0]
    return _BY_CODE.get(code, "broken")


def says_ill_health(error: Exception) -> bool:
    """Whether the next call is likely to fail too. An error about this one command, these keys or a slot on its way to
    another node says nothing of the kind."""
    if isinstance(error, (NoPermissionError, TryAgainError, AskError)):
        return False
    return kind_of(error) != "broken" or not isinstance(error, ResponseError)


def told(error: Exception) -> str:
    """What the server or the system said, kept short."""
    text = str(error) or type(error).__name__
    if isinstance(error, RedisError) and "unexpected symbol near '#'" in text:
        text = "it is older than Redis 7.0, the oldest that Segue works with"
    return text[:_LONGEST_DETAIL]
