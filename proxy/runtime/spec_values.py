"""Kinds of values a configuration file is made of: what the models of `spec*` share."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?\Z", re.IGNORECASE)
_UNITS = {"b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def _read_size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _SIZE.match(value.strip())
    if match is None:
        raise ValueError("a size is written like 32MiB, 512KiB, or in bytes")
    return int(match[1]) * _UNITS[(match[2] or "B").lower()]


def _absent_is_empty(value: object) -> object:
    return {} if value is None else value


Size = Annotated[
    int,
    BeforeValidator(_read_size),
    WithJsonSchema({"type": ["integer", "string"], "pattern": r"^\d+\s*([KMG]i)?B?$|\$\{"}),
]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Wait = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]


class Section(BaseModel):
    """A mapping whose fields are all known; one that is left empty is empty."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _may_be_left_empty(cls, value: Any) -> Any:
        return _absent_is_empty(value)


S = TypeVar("S", bound=Section)
# Names are logged and told to clients; those of targets (provider/model) go out in a header, in Latin-1 at most.
Name = Annotated[str, Field(pattern="^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
HeaderName = Annotated[str, Field(pattern="^[ -~\\xa0-\\xff]*$")]
Names = Annotated[dict[Name, S], BeforeValidator(_absent_is_empty)]
HeaderNames = Annotated[dict[HeaderName, S], BeforeValidator(_absent_is_empty)]
