"""One HTTP exchange with a provider, as the rest of the proxy sees it. Another client may take the
place of the one beside this file by implementing these two protocols."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from proxy.errors import UpstreamFault


class Call(NamedTuple):
    """What to send. `connect_timeout` in seconds; everything later is timed by the caller."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    connect_timeout: float


class Exchange(Protocol):
    """An answer whose headers have arrived. Close it, whatever happened."""

    status: int
    headers: Mapping[str, str]  # names in lower case

    async def read(self) -> bytes:
        """The next chunk as it arrived; b"" at the end. Raises UpstreamFault."""

    async def read_all(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises UpstreamFault."""

    def abort(self, fault: UpstreamFault) -> None:
        """Make the pending and every later `read` raise `fault`."""

    def close(self, *, drain_seconds: float = 0.0) -> None:
        """Give the connection back if the answer has ended, or ends within `drain_seconds` in the background; else cut
        it, so that the provider stops generating."""


class Transport(Protocol):
    async def open(self, call: Call) -> Exchange:
        """POST and wait for the answer's headers. Raises UpstreamFault."""

    async def close(self) -> None: ...
