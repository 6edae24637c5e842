"""The configuration file as models: every field, its range and what it means. What refers to something else is judged
in `build`. The descriptions become config/schema.json and docs/configuration.md."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, SecretStr, WithJsonSchema, field_validator, model_validator

from proxy.runtime.spec_routes import DefaultsSpec, RouteSpec
from proxy.runtime.spec_upstreams import ProviderSpec
from proxy.runtime.spec_values import HeaderNames, Names, Port, Seconds, Section, Size, Wait
from proxy.runtime.store_address import parse_store_url

EMBEDDED = "embedded"

_MOMENT = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}

FallbackEvents = Literal["events", "comments", "none"]
Scope = Literal["generate", "embeddings", "models"]
AUTO: Final = "auto"


def _read_workers(value: Any) -> int | str:
    if value == AUTO:
        return AUTO
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 1 <= number <= 256:
        raise ValueError(f"'workers' must be a whole number from 1 to 256, or {AUTO}", "write one of the two")
    return number


Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_read_workers),
    WithJsonSchema({"anyOf": [{"const": AUTO}, {"type": "integer", "minimum": 1, "maximum": 256}]}),
]


class ServerSpec(Section):
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: Port = Field(default=8080, description="Port of the API; 0 takes any free one.")
    workers: Workers = Field(default=AUTO, description="Processes that serve; auto = one per core.")
    body_limit: Size = Field(
        default=32 * 1024**2, ge=1024, description="Largest request body, decompressed: 32MiB, 512KiB, or bytes."
    )
    body_timeout_seconds: Seconds = Field(
        default=120.0, description="How long a request body may take to arrive; then 408."
    )
    ping_interval_seconds: float = Field(
        default=15.0, ge=5, le=60, description="Silence after which a stream is kept alive by a ping or an SSE comment."
    )
    silence_before_headers_seconds: Seconds = Field(
        default=10.0,
        description="With `announce: held`, how long nothing at all is sent before headers and opening events go out.",
    )
    send_timeout_seconds: Seconds = Field(
        default=60.0, description="How long a client may take to read what is sent to it."
    )
    drain_accepting_seconds: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="How long after SIGTERM requests are still accepted, so that load balancers can look away.",
    )
    shutdown_grace_seconds: Seconds = Field(
        default=300.0, description="How long running requests may go on after that."
    )
    in_flight_limit: int | None = Field(
        default=None,
        ge=1,
        description="Requests this instance serves at once; more are refused with 503 (default: no limit).",
    )
    shed_at_lag_seconds: Wait = Field(
        default=1.0,
        description="How late the event loop of a process may be before it refuses requests with 503; 0 = never.",
    )


class AdminKeySpec(Section):
    id: str = Field(description="The eight characters between the dashes of the key.")
    hash: str = Field(description="What `segue keys new` or `segue keys hash` printed; never the key itself.")


class OperationsSpec(Section):
    host: str = Field(default="127.0.0.1", description="Address of the second port.")
    port: Port = Field(default=9090, description="Port of /metrics, /healthz, /readyz and /admin.")
    admin_keys: list[AdminKeySpec] = Field(
        default_factory=list, description="Who may use /admin there; without any, only the local control socket can."
    )


class StoreSpec(Section):
    """Where keys, revocations and counters are kept."""

    url: SecretStr = Field(
        default=SecretStr(EMBEDDED),
        description="`embedded`, or redis://, rediss://, unix:///path, redis+sentinel://host:port,…/service, "
        "redis+cluster://host:port,…; ${VARIABLE} or file:/path.",
    )
    directory: str | None = Field(
        default=None,
        description="Where the list of revocations and the data of the embedded store are kept; default: segue-data "
        "beside the configuration file.",
    )
    maximum_memory: Size = Field(
        default=256 * 1024**2, ge=16 * 1024**2, description="What the embedded store may use: 256MiB, or bytes."
    )
    timeout_seconds: float = Field(
        default=0.1, gt=0, le=5, allow_inf_nan=False, description="The longest a request waits for the store."
    )
    key_staleness_seconds: Seconds = Field(
        default=60.0,
        description="How long keys held in the store are honoured without contact to it; then 503.",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() != EMBEDDED:
            parse_store_url(value.get_secret_value())
        return value


class KeySpec(Section):
    id: str = Field(description="The eight characters between the dashes of the key.")
    hash: str = Field(description="What `segue keys new` or `segue keys hash` printed; never the key itself.")
    models: list[str] = Field(
        default_factory=list, description="Routes it may use, `claude-*` for several; default: all."
    )
    scopes: list[Scope] = Field(default=["generate", "embeddings", "models"], description="What it may do.")
    expires: Annotated[datetime, WithJsonSchema(_MOMENT)] | None = Field(
        default=None, description="When it stops working: a date (its first moment) or a time, UTC."
    )
    fallback_events: FallbackEvents | None = Field(default=None, description="Overrides the tenant's.")

    @property
    def expires_at(self) -> float | None:
        """Unix seconds; a time without a zone is UTC."""
        if self.expires is None:
            return None
        return (self.expires if self.expires.tzinfo else self.expires.replace(tzinfo=UTC)).timestamp()


class TenantSpec(Section):
    fallback_events: FallbackEvents | None = Field(
        default=None, description="How fallbacks are told in streams; default: by what the client is known to bear."
    )
    keys: list[KeySpec] = Field(default_factory=list, description="The tenant's keys.")


class Spec(Section):
    """A whole configuration file. What is required has a default only so that its absence is told with all other
    mistakes, by `build`."""

    server: ServerSpec = Field(default_factory=ServerSpec, description="The API's port.")
    operations: OperationsSpec = Field(
        default_factory=OperationsSpec, description="The port for metrics, health and administration."
    )
    store: StoreSpec = Field(
        default_factory=StoreSpec, description="Keys, revocations and counters: `embedded`, a URL, or a mapping."
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="At least 16 characters: key hashes and origin tags depend on it. ${VARIABLE} or file:/path.",
    )
    providers: HeaderNames[ProviderSpec] = Field(
        default_factory=dict, description="Whom Segue can ask, by a name of your choice."
    )
    defaults: DefaultsSpec = Field(default_factory=DefaultsSpec, description="What routes and targets start from.")
    routes: Names[RouteSpec] = Field(default_factory=dict, description="The models clients may name, and who answers.")
    tenants: Names[TenantSpec] = Field(default_factory=dict, description="Who may ask.")
