"""Where a store is, read from its URL. Nothing said here ever repeats a password."""

from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

_SINGLE_PORT = 6379
_SENTINEL_PORT = 26379
_SCHEMES = (
    "redis://, rediss://, unix:///path, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster://"
)


class StoreAddress(msgspec.Struct, frozen=True):
    """One server (`hosts` has one entry, or `path` names its socket), a Sentinel set that knows `service`, or nodes of
    a cluster. Whether TLS is spoken holds for all of them."""

    kind: Literal["single", "sentinel", "cluster"]
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    is_tls: bool = False

    def __repr__(self) -> str:
        return f"StoreAddress({self.shown!r})"

    @property
    def shown(self) -> str:
        """For logs and status: without credentials."""
        if self.path:
            return f"unix://{self.path}"
        scheme = ("rediss" if self.is_tls else "redis") + ("" if self.kind == "single" else f"+{self.kind}")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        return f"{scheme}://{hosts}" + (f"/{self.service}" if self.service else "")


def parse_store_url(url: str) -> StoreAddress:
    """Raises ValueError, for the person who wrote it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("the store's URL cannot be read") from None
    scheme, _, kind = parts.scheme.partition("+")
    if parts.query or parts.fragment:
        raise ValueError("the store's URL takes no '?' or '#' (write them as %3F and %23 in a password)")
    if parts.scheme == "unix":
        return _socket(parts)
    if scheme not in ("redis", "rediss") or kind not in ("", "sentinel", "cluster"):
        raise ValueError(f"a store is 'embedded' or one of {_SCHEMES}")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    port = _SENTINEL_PORT if kind == "sentinel" else _SINGLE_PORT
    found = tuple(_host(host, port) for host in hosts.split(","))
    if kind == "" and len(found) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    path = [unquote(step) for step in parts.path.split("/") if step]
    service = path.pop(0) if kind == "sentinel" and path else ""
    if kind == "sentinel" and not service:
        raise ValueError("a Sentinel URL ends with the service's name: redis+sentinel://host:26379/mymaster")
    return StoreAddress(
        kind=kind or "single",  # type: ignore[arg-type]
        hosts=found,
        service=service,
        database=_database(path, kind),
        username=unquote(username),
        password=unquote(password),
        is_tls=scheme == "rediss",
    )


def _socket(parts: SplitResult) -> StoreAddress:
    credentials = parts.netloc.rpartition("@")[0]
    username, _, password = credentials.partition(":")
    if not parts.path.startswith("/") or parts.path == "/":
        raise ValueError("a socket is written unix:///absolute/path")
    return StoreAddress(kind="single", path=unquote(parts.path), username=unquote(username), password=unquote(password))


def _host(written: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{written}")
        host, given = parts.hostname, parts.port
    except ValueError:
        raise ValueError("a port in the store's URL is no number from 1 to 65535") from None
    if not host:
        raise ValueError("the store's URL names no host")
    return host, given or port


def _database(path: list[str], kind: str) -> int:
    if not path:
        return 0
    if kind == "cluster" or len(path) > 1 or not path[0].isascii() or not path[0].isdigit():
        raise ValueError("after the host stands nothing but the number of the database (none in a cluster)")
    return int(path[0])
