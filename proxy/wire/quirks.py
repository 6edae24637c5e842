"""How a provider's endpoint may deviate from its vocabulary: flags that vocabularies read and providers set."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """How one provider's endpoint deviates from the vocabulary it speaks; the defaults are the official behaviour.

    Each field is read in that vocabulary's decoder or request writer and nowhere else.
    """

    # Canonical parameter names (rows of docs/parameters.md) the endpoint rejects or ignores; dropped with a warning.
    drop_parameters: frozenset[str] = frozenset()
    # Call ids must be exactly this long, from this alphabet (mistral: nine alphanumerics, langchain-ai/langchain pull
    # 24668); None = ours go as they are.
    call_id_length: int | None = None
    call_id_alphabet: str | None = None
    # Where visible reasoning sits in a message or delta (groq, cerebras, together, vllm, ollama: "reasoning").
    reasoning_field: str = "reasoning_content"
    # Reasoning may be sent back in an assistant turn under that field; otherwise it is left out of the history.
    accepts_reasoning_history: bool = False
    # Where usage sits in a stream frame, when not at the top (groq once: ("x_groq", "usage")); the top is always read.
    usage_path: tuple[str, ...] = ("usage",)
    # How a stream's usage is obtained: asked for by stream_options.include_usage, or sent unasked ("always": the
    # option is not sent).
    stream_usage: Literal["stream_options", "always"] = "stream_options"
    # What the output limit is called (most compatible servers know only the older name).
    max_tokens_parameter: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    # The role of instructions; many compatible servers reject "developer".
    system_role: Literal["developer", "system"] = "developer"
    # tools[].function.strict is understood; otherwise it is left out.
    accepts_strict_tools: bool = True
    # The strongest response_format there is; a weaker one is used with a warning.
    structured_output: Literal["json_schema", "json_object", "none"] = "json_schema"
    # How "some tool must be called" is written (mistral: "any"); None = it cannot be asked for.
    required_tool_choice: Literal["required", "any"] | None = "required"
    # The top of the temperature range; higher values are cut with a warning.
    temperature_maximum: float = 2.0
    # How thinking is asked for: by a token budget, or adaptive (Claude from 4.7 on rejects budgets: the vendor's page
    # build-with-claude/thinking-troubleshooting). None = not known: what a client asks for in the same vocabulary
    # stays, anybody else's wish becomes a budget.
    thinking: Literal["budget", "adaptive"] | None = None
    # What turns thinking off where that is a setting of its own. None = not known: `disabled`, and where thinking is
    # adaptive nothing is said.
    thinking_off: Literal["disabled", "between_tools", "never"] | None = None
    # The effort words the model takes; another one becomes the nearest. None = not known: a client's word goes as it
    # is.
    efforts: tuple[str, ...] | None = None
    # The most a request may ask to generate, for wires that require a limit; None = not known.
    output_maximum: int | None = None
    # How many stop sequences fit; None = no limit known. 0 = none at all.
    stop_maximum: int | None = 4
    # How an assistant's message is sent last so that the model goes on with it: as it is, marked `prefix: true`, or
    # with continue_final_message. None = not known to be gone on with. Written for continuations only.
    prefill: Literal["plain", "prefix", "continue_final_message"] | None = None
    # Where alone that is taken, when elsewhere than the rest: a path relative to the base URL.
    prefill_path: str | None = None
    # The answer may begin with the very text it was to go on with; it is cut off.
    prefill_echoed: bool = False


STANDARD = Quirks()
