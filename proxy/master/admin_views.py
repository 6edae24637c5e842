"""Tenants and keys as /admin shows them, whoever holds them."""

from datetime import UTC, datetime
from typing import Literal

from proxy.master import admin_models as models
from proxy.master.control import Control
from proxy.runtime import snapshot
from proxy.store.records import KeyRecord, TenantRecord

STORE = "store"
"""Named as missing by what could not ask it."""

_FIRST = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


def origin_of(control: Control, kind: Literal["tenant", "key"], name: str) -> str:
    """Why what the configuration holds cannot be changed here, and where it can."""
    line = control.snapshot.places.get(f"{kind}:{name}")
    if line is None:
        return f"The {kind} '{name}' was made of the environment, for this run only."
    return f"The {kind} '{name}' is in {control.file_name}, line {line}: change it there."


def tenant_of_file(control: Control, name: str) -> models.Tenant:
    return models.Tenant(
        name=name,
        held_by="file",
        place=_place(control, f"tenant:{name}"),
        fallback_events=control.snapshot.tenants[name],
    )


def tenant_of_store(record: TenantRecord) -> models.Tenant:
    return models.Tenant(
        name=record.name, held_by="store", fallback_events=record.fallback_events, created=_moment(record.created)
    )


def key_of_file(control: Control, key: snapshot.Key, now: float, is_revoked: bool) -> models.Key:
    """`now`: unix seconds."""
    return models.Key(
        id=key.id,
        tenant=key.tenant,
        held_by="file",
        place=_place(control, f"key:{key.id}"),
        state="revoked" if is_revoked else _state(key.expires, now),
        models=list(key.models),
        scopes=list(key.scopes),
        expires=_moment(key.expires),
        fallback_events=key.fallback_events,
    )


def key_of_store(key: KeyRecord, now: float, *, is_revoked: bool = False, has_tenant: bool = True) -> models.Key:
    """`now`: unix seconds; `has_tenant`: somebody holds its tenant."""
    return models.Key(
        id=key.id,
        tenant=key.tenant,
        held_by="store",
        state="revoked" if is_revoked else _state(key.expires, now) if has_tenant else "orphaned",
        models=list(key.models),
        scopes=list(key.scopes),
        expires=_moment(key.expires),
        fallback_events=key.fallback_events,
        created=_moment(key.created),
        rotated_from=key.rotated_from,
        rotated_to=key.rotated_to,
    )


def _place(control: Control, entry: str) -> str | None:
    """FILE:LINE; None where there is no file."""
    line = control.snapshot.places.get(entry)
    return f"{control.file_name}:{line}" if line is not None else None


def _state(expires: float | None, now: float) -> models.KeyState:
    return "expired" if expires is not None and expires <= now else "active"


def _moment(seconds: float | None) -> datetime | None:
    """The nearest whole second that a calendar has."""
    return datetime.fromtimestamp(int(min(max(seconds, _FIRST), _LAST)), UTC) if seconds is not None else None
