"""The configuration file as models: every field, its range and what it means. What refers to something else is judged
in `build`. The descriptions become config/schema.json and docs/configuration.md."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from proxy.runtime.store_address import parse_store_url

EMBEDDED = "embedded"
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?\Z", re.IGNORECASE)
_UNITS = {"b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3}

_MOMENT = {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}

FallbackEvents = Literal["events", "comments", "none"]
Scope = Literal["generate", "embeddings", "models"]
Announce = Literal["held", "eager"]
Workers = Literal["auto"] | Annotated[int, Field(ge=1, le=256)]


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


class ServerSpec(Section):
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: Port = Field(default=8080, description="Port of the API; 0 takes any free one.")
    workers: Workers = Field(default="auto", description="Processes that serve; auto = one per core.")
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


class TargetTimeouts(Section):
    """The phases of one attempt."""

    connect_seconds: Seconds | None = Field(default=None, description="Until the connection stands (default 5).")
    headers_seconds: Seconds | None = Field(
        default=None, description="Until a streaming answer's headers (default 60)."
    )
    first_token_seconds: Seconds | None = Field(default=None, description="Until the first content (default 120).")
    idle_seconds: Seconds | None = Field(default=None, description="The longest silence after that (default 60).")


class RouteTimeouts(TargetTimeouts):
    """The phases of one attempt, and the whole request."""

    total_seconds: Seconds | None = Field(
        default=None, description="The whole request, all attempts together (default 600)."
    )


class BreakerSpec(Section):
    """When a target is given up for a while."""

    consecutive_failures: int | None = Field(
        default=None, ge=1, description="Failures in a row that open it (default 5)."
    )
    window_seconds: Seconds | None = Field(default=None, description="Window of the failure rate (default 30).")
    minimum_volume: int | None = Field(
        default=None, ge=1, description="Requests in the window before the rate counts (default 10)."
    )
    failure_rate: float | None = Field(
        default=None, gt=0, le=1, description="Share of failures that opens it (default 0.5)."
    )
    open_seconds: Seconds | None = Field(
        default=None, description="How long it stays open at first; doubles each time (default 10)."
    )
    longest_open_seconds: Seconds | None = Field(default=None, description="The longest it stays open (default 300).")
    success_threshold: int | None = Field(
        default=None, ge=1, description="Successful probes that close it (default 2)."
    )


class QuirksSpec(Section):
    """How an endpoint deviates from the official one; only for servers the catalogue gets wrong."""

    drop_parameters: frozenset[str] | None = Field(
        default=None, description="Parameters it rejects (rows of docs/parameters.md)."
    )
    call_id_length: int | None = Field(default=None, ge=1, description="Tool call ids must have exactly this length.")
    call_id_alphabet: str | None = Field(default=None, description="The characters a tool call id may have.")
    reasoning_field: str | None = Field(default=None, description="Where visible reasoning sits in a message or delta.")
    accepts_reasoning_history: bool | None = Field(
        default=None, description="Reasoning may be sent back under that field."
    )
    usage_path: tuple[str, ...] | None = Field(default=None, description="Where usage sits in a stream frame.")
    stream_usage: Literal["stream_options", "always"] | None = Field(
        default=None, description="How a stream's usage is obtained."
    )
    max_tokens_parameter: Literal["max_completion_tokens", "max_tokens"] | None = Field(
        default=None, description="What the output limit is called."
    )
    system_role: Literal["developer", "system"] | None = Field(default=None, description="The role of instructions.")
    accepts_strict_tools: bool | None = Field(default=None, description="`strict` is understood in tools.")
    structured_output: Literal["json_schema", "json_object", "none"] | None = Field(
        default=None, description="The strongest response format there is."
    )
    required_tool_choice: Literal["required", "any"] | None = Field(
        default=None, description="How 'some tool must be called' is written; null = it cannot be."
    )
    temperature_maximum: float | None = Field(default=None, gt=0, description="The top of the temperature range.")
    thinking: Literal["budget", "adaptive"] | None = Field(
        default=None, description="How thinking is asked for; null = unknown."
    )
    thinking_off: Literal["disabled", "between_tools", "never"] | None = Field(
        default=None, description="What turns thinking off; null = unknown."
    )
    efforts: tuple[str, ...] | None = Field(
        default=None, description="The effort words it takes; another one becomes the nearest. null = unknown."
    )
    stop_maximum: int | None = Field(default=None, ge=0, description="How many stop sequences fit; null = no limit.")


class ProviderSpec(Section):
    type: str | None = Field(
        default=None, description="A type of the catalogue; left out, the entry's name is the type."
    )
    base_url: str | None = Field(
        default=None, description="Address up to and without the endpoint's path; needed where none is known."
    )
    api_key: SecretStr | None = Field(default=None, description="The provider's key: ${VARIABLE} or file:/path.")
    vocabulary: str | None = Field(
        default=None, description="Which of the vocabularies it speaks to use; default: its preferred one."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="Static headers sent with every request.")
    quirks: QuirksSpec = Field(default_factory=QuirksSpec, description="Single deviations to override.")


class CandidateSpec(Section):
    provider: str = Field(description="A name under `providers`.")
    model: HeaderName = Field(description="The provider's name of the model (or deployment).")
    name: HeaderName | None = Field(
        default=None, min_length=1, description="The target's name in answers and metrics; default provider/model."
    )
    vocabulary: str | None = Field(default=None, description="Overrides the provider's vocabulary.")
    context_window: int | None = Field(default=None, ge=1, description="Tokens that fit; known for catalogued models.")
    max_output_tokens: int | None = Field(
        default=None, ge=1, description="Tokens it can generate; known for catalogued models."
    )
    images: bool | None = Field(default=None, description="Whether it takes images; known for catalogued models.")
    timeouts: TargetTimeouts = Field(default_factory=TargetTimeouts, description="Overrides the route's.")
    breaker: BreakerSpec = Field(default_factory=BreakerSpec, description="Overrides the defaults.")

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        provider, slash, model = value.partition("/")
        if not (provider and slash and model):
            raise ValueError("a candidate is written provider/model (the first slash separates the two)")
        return {"provider": provider, "model": model}


class RouteSpec(Section):
    candidates: list[CandidateSpec] = Field(
        default_factory=list, description="Who answers, in order: provider/model, or a mapping with overrides."
    )
    announce: Announce | None = Field(
        default=None,
        description="held: nothing goes out before the first content; eager: headers and opening events at once.",
    )
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="Overrides the defaults.")
    on_content_filter: Literal["stop", "next"] = Field(
        default="stop", description="Whether the next candidate is asked when a provider's filter refuses the prompt."
    )
    dimensions: int | None = Field(
        default=None, ge=1, description="Size of the embeddings; then all candidates must be one model."
    )


class DefaultsSpec(Section):
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="For every route.")
    breaker: BreakerSpec = Field(default_factory=BreakerSpec, description="For every target.")
    announce: Announce = Field(default="held", description="For every route.")


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
