"""What the store keeps of tenants and keys: JSON, which only Python reads and writes; to the scripts it is text."""

from typing import Any, NamedTuple, TypedDict, TypeVar

import msgspec

from proxy.runtime.snapshot import SCOPES
from proxy.store.names import of_records

STATE = of_records("state")

encode = msgspec.json.Encoder().encode
R = TypeVar("R", bound=msgspec.Struct)


class RecordConflict(Exception):
    """The records do not allow it; the text says why, for whoever asked."""


class NotFound(RecordConflict):
    """There is no such tenant or key in the store."""


class AlreadyThere(RecordConflict):
    """The name or the id is taken."""


class Ended(RecordConflict):
    """The key is revoked, expired or replaced: nothing of it can be changed, or continued, any more."""


class TenantRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """`created`: unix seconds."""

    name: str
    fallback_events: str | None = None
    created: float = 0.0


class KeyRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as the store keeps it; like `runtime.snapshot.Key`. `rotated_from`, `rotated_to`: ids of other keys. Times
    are unix seconds."""

    id: str
    tenant: str
    digest: str
    models: tuple[str, ...] = ()
    scopes: tuple[str, ...] = SCOPES
    expires: float | None = None
    fallback_events: str | None = None
    created: float = 0.0
    rotated_from: str | None = None
    rotated_to: str | None = None


class KeyRights(TypedDict, total=False):
    """What can be chosen for a key, and changed later. What is left out stays as it is, at first as in KeyRecord."""

    models: tuple[str, ...]
    scopes: tuple[str, ...]
    expires: float | None
    fallback_events: str | None


class State(NamedTuple):
    """Which changes there have been. Two that are equal stand for the same records; `version` counts up, but begins
    anew with each `epoch` (an emptied store has none), and goes back when a failover loses changes."""

    epoch: str = ""
    version: int = 0
    change: str = ""


class HeldKey(NamedTuple):
    """A key, and what else decides whether it opens anything. `tenant` is None if the store does not hold it: then the
    file must."""

    key: KeyRecord
    tenant: TenantRecord | None
    is_revoked: bool


class Rotation(NamedTuple):
    version: int
    old: KeyRecord
    successor: KeyRecord


class TenantEnd(NamedTuple):
    """`keys`: the ids of the tenant's keys, which are revoked with it."""

    version: int
    keys: tuple[str, ...]


def decode(text: bytes, kind: type[R]) -> R | None:
    """None for what no version of ours wrote: such a record opens nothing."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def edited(text: bytes, **fields: object) -> bytes:
    """The record with these fields changed; those that only a later version knows stay."""
    return encode({**msgspec.json.decode(text), **fields})


def held_key(entry: list[Any]) -> HeldKey | None:
    """From what `read_keys.lua` says of one key."""
    if not entry:
        return None
    key_text, tenant_text, is_revoked = entry
    key = decode(key_text, KeyRecord)
    tenant = decode(tenant_text, TenantRecord) if tenant_text is not None else None
    return HeldKey(key, tenant, bool(is_revoked)) if key is not None else None
