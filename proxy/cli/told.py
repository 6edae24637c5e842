"""What an instance that runs can say, and no file: how breakers stand, and which keys there are beside the file's."""

from typing import Any, NamedTuple

from pydantic import ValidationError

from proxy.cli.admin_client import Instance, Refused
from proxy.master.admin_models import Breakers, ChangedKey
from proxy.master.status import Breaker, Status
from proxy.runtime.snapshot import Key

NOBODY = (
    "no instance of this configuration runs here: how its breakers stand is not known, nor what its targets are doing"
)


class Told(NamedTuple):
    """`place`: who says it, None = nobody; `breakers`: by the name of target or credential; `notes`: what is worth
    knowing about that."""

    place: str | None
    breakers: dict[str, Breaker]
    notes: list[str]


class HeldKey(NamedTuple):
    """`is_dead`: it was revoked, or its tenant is gone."""

    key: Key
    is_dead: bool


def told_by(found: list[Instance]) -> Told:
    """By the first of several that can."""
    notes = [NOBODY] if not found else []
    for instance in found:
        try:
            answer = Breakers.model_validate(instance.ask("GET", "breakers").body)
            status = Status.model_validate(instance.ask("GET", "status").body)
        except (OSError, Refused, ValidationError) as error:
            notes.append(f"the instance at {instance.place} does not say how its breakers stand: {_why(error)}")
            continue
        if status.configuration.problems:
            notes.append(
                "the instance still serves the configuration before this one: its reload failed ('segue status')"
            )
        notes += [f"nothing new is known of {each}" for each in answer.missing]
        if len(found) > 1:
            notes.append(
                f"{len(found)} instances of this configuration run here; this is of the one at {instance.place}"
            )
        return Told(instance.place, {each.name: each for each in answer.breakers}, notes)
    return Told(None, {}, notes)


def held_key(found: list[Instance], key_id: str) -> HeldKey | None:
    """None if nobody knows of one, or nobody could be asked."""
    for instance in found:
        try:
            record = ChangedKey.model_validate(instance.ask("GET", "keys", key_id).body).key
        except (OSError, Refused, ValidationError):
            continue
        expires = record.expires.timestamp() if record.expires is not None else None
        key = Key(record.id, record.tenant, "", tuple(record.models), tuple(record.scopes), expires)
        return HeldKey(key, record.state in ("revoked", "orphaned"))
    return None


def shown(breaker: Breaker | None) -> dict[str, Any] | None:
    """Without what each worker says of it."""
    return breaker.model_dump(mode="json", exclude={"workers", "said_by"}) if breaker is not None else None


def _why(error: OSError | Refused | ValidationError) -> str:
    if isinstance(error, ValidationError):
        return "it runs another version of Segue"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
