"""What /admin is asked and what it answers, as models: of them come the checks and the OpenAPI document."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from proxy.master.admin_exchange import without_keys
from proxy.master.status import Breaker
from proxy.runtime.spec import FallbackEvents, Scope

_DAY = 86_400
_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SCOPES: tuple[Scope, ...] = get_args(Scope)


def _as_name(name: str) -> str:
    if without_keys(name) != name:
        raise ValueError("this looks like a key; give the tenant's name")
    return name


def _as_fresh_name(name: str) -> str:
    if not re.fullmatch(_NAME, name) or name.endswith("\n"):
        raise ValueError("a name has 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-', and begins with a letter or digit")
    return name


def _as_moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("write it like 2027-01-31 or 2027-01-31T12:00:00Z") from None


def _without_defaults(schema: dict[str, Any]) -> None:
    for property_schema in schema["properties"].values():
        property_schema.pop("default", None)


# Of any tenant: the file may call its own otherwise.
TenantName = Annotated[str, Field(min_length=1), AfterValidator(_as_name)]
# Of one that is made here. Names are logged, told to clients, and stand in paths and in shells.
FreshName = Annotated[
    str,
    AfterValidator(_as_name),
    AfterValidator(_as_fresh_name),
    WithJsonSchema({"type": "string", "pattern": _NAME}),
]
Moment = Annotated[
    datetime,
    BeforeValidator(_as_moment),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
Models = Annotated[list[str], Field(max_length=1000, description="Routes it may use, `gpt-*` for several; empty: all.")]
Scopes = Annotated[list[Scope], Field(min_length=1, description="What it may do.")]
Expires = Annotated[
    Moment | None, Field(description="When it stops working: a date (its first moment) or a time, UTC; null: never.")
]
Notices = Annotated[FallbackEvents | None, Field(description="How fallbacks are told in streams; null: as usual.")]
Missing = Annotated[
    list[str], Field(description="Who has not acknowledged within 2 s, by name; then the status is 207.")
]
HeldBy = Annotated[Literal["file", "store"], Field(description="Only what the store holds can be changed here.")]
KeyState = Literal["active", "expired", "revoked", "orphaned"]
Place = Annotated[str | None, Field(description="FILE:LINE of what the file holds.")]


class Given(BaseModel):
    """What somebody sends: every field is known, and nothing is taken for something else."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, strict=True)


class Nothing(Given):
    """No parameters, no body."""


class OfTenant(Given):
    tenant: str | None = Field(default=None, description="Only this tenant's.")


class Ending(Given):
    terminate: bool = Field(default=False, description="Also end the requests that are running.")


class CreateTenant(Given):
    name: FreshName
    fallback_events: Notices = None


class ChangeTenant(Given):
    fallback_events: Notices


class CreateKey(Given):
    tenant: TenantName
    models: Models = []
    scopes: Scopes = list(_SCOPES)
    expires: Expires = None
    fallback_events: Notices = None


class ChangeKey(Given):
    """What is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    models: Models = []
    scopes: Scopes = list(_SCOPES)
    expires: Expires = None
    fallback_events: Notices = None


class RotateKey(Given):
    overlap_seconds: float = Field(
        default=_DAY, ge=0, le=366 * _DAY, allow_inf_nan=False, description="How long both keys work."
    )


class Tenant(BaseModel):
    name: str
    held_by: HeldBy
    place: Place = None
    fallback_events: str | None = None
    created: datetime | None = None


class Tenants(BaseModel):
    tenants: list[Tenant]
    missing: Missing = []


class ChangedTenant(BaseModel):
    tenant: Tenant
    missing: Missing = []


class DeletedTenant(BaseModel):
    name: str
    revoked: list[str] = Field(description="The ids of its keys.")
    missing: Missing = []


class Key(BaseModel):
    """A key without its secret, which nobody has but its owner."""

    id: str
    tenant: str
    held_by: HeldBy
    place: Place = None
    state: KeyState = Field(
        description="Whether it opens anything; orphaned: its tenant is neither in the file nor in the store."
    )
    models: Models
    scopes: list[str]
    expires: datetime | None = None
    fallback_events: str | None = None
    created: datetime | None = None
    rotated_from: str | None = Field(default=None, description="The id of the key it succeeds.")
    rotated_to: str | None = Field(default=None, description="The id of the key that succeeds it.")


class Keys(BaseModel):
    keys: list[Key]
    missing: Missing = []


class ChangedKey(BaseModel):
    key: Key
    missing: Missing = []


class CreatedKey(BaseModel):
    secret: str = Field(description="The key itself, told only here and now.")
    key: Key
    missing: Missing = []


class RotatedKey(BaseModel):
    secret: str = Field(description="The successor itself, told only here and now.")
    key: Key = Field(description="The successor.")
    predecessor: Key
    missing: Missing = []


class RevokedKey(BaseModel):
    id: str
    missing: Missing = []


class OpenBreaker(Given):
    seconds: float = Field(
        default=600.0, ge=1, le=_DAY, allow_inf_nan=False, description="How long nobody is let through."
    )


class Breakers(BaseModel):
    breakers: list[Breaker]
    missing: Missing = []


class ShownBreaker(BaseModel):
    breaker: Breaker
    missing: Missing = []


class ReloadedConfiguration(BaseModel):
    number: int = Field(description="Of the configuration in force; as before if nothing had changed.")
    waiting: list[str] = Field(description="Fields that were changed but take effect at the next start.")
    missing: Missing = []


class Mistake(BaseModel):
    message: str
    field: str | None = Field(description="Which field of the body, or parameter, is wrong.")
    details: list[str] = Field(default=[], description="More of what is wrong, one sentence each.")


class ErrorAnswer(BaseModel):
    error: Mistake
