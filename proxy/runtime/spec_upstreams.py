"""What a configuration file says of providers: whom Segue can ask, and how each deviates."""

from typing import Literal

from pydantic import Field, SecretStr

from proxy.runtime.spec_values import Section


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
    prefill: Literal["plain", "prefix", "continue_final_message"] | None = Field(
        default=None,
        description="How an answer that was begun is sent so that the model goes on with it (`midstream: continue`): "
        "as an assistant's message as it is, marked `prefix: true`, or with that setting; null = it cannot be.",
    )
    prefill_path: str | None = Field(
        default=None, description="The path where alone that is taken, below base_url; null = where all else is."
    )
    prefill_echoed: bool | None = Field(
        default=None, description="Its answer may begin with the text it was to go on with; that is cut off."
    )


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
