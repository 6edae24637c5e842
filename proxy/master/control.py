"""What the second port asks of the master."""

from collections.abc import Collection, Sequence
from typing import Protocol

from proxy.master.breaker_views import Told
from proxy.master.reloading import Reloaded
from proxy.master.revocation_list import RevocationList
from proxy.master.status import Status
from proxy.runtime.snapshot import Snapshot
from proxy.store.key_records import KeyRecords


class Control(Protocol):
    """What is missing after an order is told by name: workers of this instance, other replicas."""

    @property
    def records(self) -> KeyRecords: ...

    @property
    def revocations(self) -> RevocationList: ...

    @property
    def revoked(self) -> Collection[str]:
        """Ids of all keys the master has ever seen revoked, whether the store is there to ask or not."""

    @property
    def file_name(self) -> str:
        """The configuration's file as people know it, "" where there is none."""

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force."""

    def status(self) -> Status: ...

    def exposition(self, is_openmetrics: bool) -> bytes:
        """The metrics of all workers and of the master, in Prometheus' text format or in OpenMetrics."""

    def breakers(self) -> Told:
        """What each worker said of its breakers when it was heard last."""

    def acted(self, action: str, outcome: str) -> None:
        """Count what was asked for under /admin; both words are out of closed sets."""

    async def reload(self) -> Reloaded:
        """Read the configuration again."""

    async def spread(self, version: int, revoked: Sequence[str] = ()) -> list[str]:
        """Have all workers and other replicas obey the records up to `version`; who does not within 2 s is missing.
        `revoked`: the ids of keys that this change ended."""

    async def enforce(self, revoked: Sequence[str]) -> None:
        """Have this instance refuse these keys from now on, and the others as soon as the store can be told."""

    async def force_open(self, name: str, seconds: float) -> list[str]:
        """Have nobody let through to this target, or with this credential, for so long, on every replica; who has not
        obeyed within 2 s is missing."""

    async def reset_breaker(self, name: str) -> list[str]:
        """Have forgotten what was held against it, on every replica; who has not obeyed within 2 s is missing."""

    async def cut(self, key_ids: Sequence[str]) -> list[str]:
        """End the running requests of these keys, which are revoked; who does not within 2 s is missing."""
