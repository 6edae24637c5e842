"""What a configuration file says of routes: who answers, in which order, and what is done about failing and waiting."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from proxy.runtime.spec_values import HeaderName, Name, Seconds, Section, Wait

Announce = Literal["held", "eager"]
Midstream = Literal["fail", "continue", "restart"]
Choose = Literal["weighted", "least_loaded", "lowest_latency"]

P95, NEVER = "p95", "never"
HEADER = "header:"
_AFFINITY = re.compile(rf"(none|key|{HEADER}[!#$%&'*+.^_`|~0-9A-Za-z-]+)\Z")


def _read_delay(value: Any) -> float | str:
    if value in (P95, NEVER):
        return str(value)
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds <= 86_400:
        raise ValueError(f"a delay is a number of seconds above 0, {P95}, or {NEVER}", "write one of the three")
    return seconds


def _check_affinity(value: str) -> str:
    if not _AFFINITY.match(value):
        raise ValueError("'affinity' must be none, key, or header:NAME", "write one of the three")
    return value


Delay = Annotated[
    float | Literal["p95", "never"],
    PlainValidator(_read_delay),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 86_400}, {"enum": [P95, NEVER]}]}),
]
AffinityWord = Annotated[
    str, AfterValidator(_check_affinity), WithJsonSchema({"type": "string", "pattern": r"^(none|key|header:.+)$|\$\{"})
]


class TargetTimeouts(Section):
    """The phases of one attempt."""

    connect_seconds: Seconds | None = Field(default=None, description="Until the connection stands (default 5).")
    headers_seconds: Seconds | None = Field(
        default=None, description="Until a streaming answer's headers (default 60)."
    )
    first_token_seconds: Seconds | None = Field(default=None, description="Until the first content (default 120).")
    idle_seconds: Seconds | None = Field(default=None, description="The longest silence after that (default 60).")
    least_characters_per_second: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="A stream slower than that is given up (default 0: any speed will do).",
    )
    rate_window_seconds: Seconds | None = Field(
        default=None, description="Over how long that speed is measured (default 10)."
    )


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
    slow_start_seconds: Wait | None = Field(
        default=None,
        description="How long after that its share of requests grows from 10 % to all (default 10; 0 = all at once).",
    )


class RetriesSpec(Section):
    """Further tries at the same target, before the next candidate."""

    same_target: int | None = Field(
        default=None, ge=0, le=10, description="How many more, where a second try can help (default 1)."
    )
    first_wait_seconds: Wait | None = Field(
        default=None,
        description="The wait before the first is drawn from 0 to this (default 0.25); doubles each time.",
    )
    longest_wait_seconds: Wait | None = Field(
        default=None, description="The longest wait, also where the provider asks for one (default 5)."
    )


class HedgingSpec(Section):
    """Asking the next candidate too, when the first takes its time. A bare word or number is `after_seconds`."""

    after_seconds: Delay | None = Field(
        default=None,
        description="How long without any content; p95 = as long as 95 % of the target's answers take to begin; "
        "never (default).",
    )
    share: float | None = Field(
        default=None, gt=0, le=1, description="At most this share of a target's requests is hedged (default 0.1)."
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        return {"after_seconds": value} if isinstance(value, str | int | float) else value


class ConcurrencySpec(Section):
    """How much a target is asked at once, by the whole replica. A bare number is the `limit`."""

    limit: int = Field(default=0, ge=1, le=1_000_000, description="Attempts that may run there at once.")
    queue: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="Requests that may wait for a place once nobody else is left to ask (default 100).",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        return {"limit": value} if isinstance(value, str | int) else value


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
    concurrency: ConcurrencySpec | None = Field(
        default=None, description="How many attempts may run there at once: a number, or `limit` and `queue`."
    )
    weight: float | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="Within `any`: its share compared to the others' (default 1); 0 = when the others are gone.",
    )

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        provider, slash, model = value.partition("/")
        if not (provider and slash and model):
            raise ValueError("a candidate is written provider/model (the first slash separates the two)")
        return {"provider": provider, "model": model}


def _only_candidates(value: Any) -> Any:
    if isinstance(value, dict) and ("route" in value or "any" in value):
        raise ValueError(
            "inside 'any' stand candidates only",
            "make 'route' or the other 'any' a step of its own, or name its candidates",
        )
    return value


class NestedSpec(Section):
    """Another route, in whose place its candidates stand."""

    route: Name = Field(description="A name under `routes`: its steps stand here, without its other settings.")


class StepSpec(Section):
    """Candidates of equal rank."""

    any: list[Annotated[CandidateSpec, BeforeValidator(_only_candidates)]] = Field(
        description="Candidates of equal rank: all of them are asked before the next step is."
    )
    choose: Choose | None = Field(
        default=None,
        description="Who of them comes first: by `weight` (weighted, default), by how many attempts run there "
        "(least_loaded), or by how soon it answers (lowest_latency).",
    )


def _kind(value: Any) -> str:
    if isinstance(value, StepSpec) or (isinstance(value, dict) and "any" in value):
        return _ANY
    if isinstance(value, NestedSpec) or (isinstance(value, dict) and "route" in value):
        return _ROUTE
    return _CANDIDATE


# No field and no name of a candidate's is written like these: mistakes carry them in their place.
_CANDIDATE, _ROUTE, _ANY = "[candidate]", "[route]", "[any]"
STEP_KINDS: dict[str | int, type[Section]] = {_CANDIDATE: CandidateSpec, _ROUTE: NestedSpec, _ANY: StepSpec}
Step = Annotated[
    Annotated[CandidateSpec, Tag(_CANDIDATE)] | Annotated[NestedSpec, Tag(_ROUTE)] | Annotated[StepSpec, Tag(_ANY)],
    Discriminator(_kind),
]


class RouteSpec(Section):
    candidates: list[Step] = Field(
        default_factory=list,
        description="Who answers, in order: provider/model, or a mapping with overrides, `route: NAME` for another "
        "route's, or `any: […]` for several of equal rank.",
    )
    announce: Announce | None = Field(
        default=None,
        description="held: nothing goes out before the first content; eager: headers and opening events at once.",
    )
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="Overrides the defaults.")
    retries: RetriesSpec = Field(default_factory=RetriesSpec, description="Overrides the defaults.")
    hedging: HedgingSpec = Field(default_factory=HedgingSpec, description="Overrides the defaults.")
    midstream: Midstream | None = Field(
        default=None,
        description="What becomes of an answer that breaks after its first content: fail, continue, or restart.",
    )
    affinity: AffinityWord | None = Field(
        default=None,
        description="What keeps requests at the same candidate of a step: none, key, or header:NAME (its value).",
    )
    on_content_filter: Literal["stop", "next"] = Field(
        default="stop", description="Whether the next candidate is asked when a provider's filter refuses the prompt."
    )
    on_empty_answer: Literal["accept", "retry"] = Field(
        default="accept",
        description="Whether an answer that ends by itself without a word is one, or a failure: then the target is "
        "asked again, and after that the next.",
    )
    dimensions: int | None = Field(
        default=None, ge=1, description="Size of the embeddings; then all candidates must be one model."
    )


class DefaultsSpec(Section):
    timeouts: RouteTimeouts = Field(default_factory=RouteTimeouts, description="For every route.")
    breaker: BreakerSpec = Field(default_factory=BreakerSpec, description="For every target.")
    announce: Announce = Field(default="held", description="For every route.")
    retries: RetriesSpec = Field(default_factory=RetriesSpec, description="For every route.")
    hedging: HedgingSpec = Field(default_factory=HedgingSpec, description="For every route.")
    midstream: Midstream = Field(default="fail", description="For every route.")
    affinity: AffinityWord = Field(default="none", description="For every route.")
