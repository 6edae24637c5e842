"""What is known of single models, by the start of their name. An unknown model is None: nothing is assumed of it."""

from dataclasses import dataclass, replace
from typing import Literal

from proxy.wire.quirks import Quirks


@dataclass(frozen=True, slots=True)
class Model:
    """`context_window` and `max_output` in tokens, None = not documented.

    `thinking`: how reasoning is asked for where a budget exists (budget | adaptive), None = no such choice.
    `thinking_off`, `efforts`: see `Quirks`; None = not known. `sampling`:
    whether temperature, top_p and the like are taken. `accepts_prefill`: a trailing assistant turn is continued, None =
    the provider's own word (`Quirks.prefill`) holds. `forces_tools`: a tool choice that demands a call is taken.
    """

    prefix: str
    context_window: int | None = None
    max_output: int | None = None
    image_input: bool | None = None
    reasoning: bool | None = None
    thinking: Literal["budget", "adaptive"] | None = None
    sampling: Literal["always", "unless_reasoning", "never"] = "always"
    accepts_prefill: bool | None = None
    forces_tools: bool = True
    thinking_off: Literal["disabled", "between_tools", "never"] | None = None
    efforts: tuple[str, ...] | None = None


def _gpt(
    prefix: str,
    window: int,
    output: int | None,
    sampling: Literal["unless_reasoning", "never"],
    efforts: tuple[str, ...] | None = None,
) -> Model:
    return Model(prefix, window, output, image_input=True, reasoning=True, sampling=sampling, efforts=efforts)


def _gpt4(prefix: str, window: int, output: int) -> Model:
    return Model(prefix, window, output, image_input=True, reasoning=False)


def _adaptive(
    prefix: str,
    *,
    forces_tools: bool = True,
    thinking_off: Literal["disabled", "between_tools", "never"] = "disabled",
) -> Model:
    """Claude from 4.7 on: thinking is adaptive only, sampling and prefill are refused."""
    return Model(
        prefix,
        1_000_000,
        128_000,
        image_input=True,
        reasoning=True,
        thinking="adaptive",
        sampling="never",
        accepts_prefill=False,
        forces_tools=forces_tools,
        thinking_off=thinking_off,
    )


def _budgeted(prefix: str) -> Model:
    return Model(
        prefix,
        200_000,
        64_000,
        image_input=True,
        reasoning=True,
        thinking="budget",
        thinking_off="disabled",
        accepts_prefill=True,
    )


def _claude_4_6(prefix: str) -> Model:
    return Model(
        prefix,
        1_000_000,
        128_000,
        image_input=True,
        reasoning=True,
        thinking="adaptive",
        accepts_prefill=False,
        thinking_off="disabled",
        efforts=("low", "medium", "high", "max"),
    )


def _other(prefix: str, window: int, *, image_input: bool | None = None, accepts_prefill: bool | None = None) -> Model:
    return Model(prefix, window, None, image_input=image_input, reasoning=True, accepts_prefill=accepts_prefill)


# Windows: genai-prices 0.2.3; where it rounds (gpt-4.1, gpt-5.5) or is silent, as the output limits and images: litellm
# 1.109.1, model_prices_and_context_window_backup.json. Both name OpenAI's pages, which were not at hand themselves.
# Effort words: OpenAI's API reference, "reasoning_effort" (of gpt-5 the lowest is inferred from it); others not known.
# Reasoning and sampling: pydantic-ai 2.68.0, profiles/openai.py ("verified against the live Responses API").
_OPENAI = (
    _gpt("gpt-6.1-sol", 1_050_000, 128_000, "never"),
    _gpt("gpt-6.1-terra", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-6-astra", 1_050_000, 128_000, "never"),
    _gpt("gpt-6-sol", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-6-luna", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.6", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.5", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.5-pro", 1_050_000, 128_000, "never"),
    _gpt("gpt-5.4", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.4-pro", 1_050_000, 128_000, "never"),
    _gpt("gpt-5.4-mini", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.4-nano", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.3-chat", 128_000, 16_384, "never"),
    _gpt("gpt-5.3-codex", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.2", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.2-pro", 400_000, 128_000, "never"),
    _gpt("gpt-5.2-chat", 128_000, 16_384, "never"),
    _gpt("gpt-5.1", 400_000, 128_000, "unless_reasoning", ("none", "low", "medium", "high")),
    _gpt("gpt-5.1-chat", 128_000, 16_384, "never"),
    _gpt("gpt-5.1-codex", 400_000, 128_000, "never"),
    _gpt("gpt-5", 400_000, 128_000, "never", ("minimal", "low", "medium", "high")),
    _gpt("gpt-5-pro", 400_000, 272_000, "never"),
    Model("gpt-5-chat", 128_000, 16_384, image_input=True, reasoning=False),
    _gpt("o4-mini", 200_000, 100_000, "never"),
    _gpt("o3", 200_000, 100_000, "never"),
    _gpt("o1", 200_000, 100_000, "never"),
    Model("o3-mini", 200_000, 100_000, image_input=False, reasoning=True, sampling="never"),
    _gpt4("gpt-4.1", 1_047_576, 32_768),
    _gpt4("gpt-4o", 128_000, 16_384),
)

# Windows: genai-prices 0.2.3, of mythos-5 and 5-1 litellm 1.109.1. Output limits, thinking, sampling, forced tools:
# pydantic-ai 2.68.0, profiles/anthropic.py (measured). Images: litellm 1.109.1, for 5.2 that of 5.1.
# Thinking off: the vendor's build-with-claude/thinking-troubleshooting up to Opus 5, its migration and what's-new pages
# for 5.5 (Haiku 5.5: third parties' pages only). Effort words of 4.6: the vendor's build-with-claude/effort.
# Prefill: accepted up to 4.5, a 400 from 4.6 on (litellm 1.109.1; anthropics/claude-code issue 52433; measured in
# router-for-me/CLIProxyAPI issue 5319).
_ANTHROPIC = (
    _adaptive("claude-fable-5", thinking_off="never"),
    _adaptive("claude-fable-5-1", forces_tools=False, thinking_off="never"),
    _adaptive("claude-fable-5-2", forces_tools=False, thinking_off="never"),
    _adaptive("claude-mythos-5", thinking_off="never"),
    _adaptive("claude-mythos-5-1", forces_tools=False, thinking_off="never"),
    _adaptive("claude-mythos-5-2", forces_tools=False, thinking_off="never"),
    _adaptive("claude-opus-5"),
    _adaptive("claude-opus-5-5", forces_tools=False, thinking_off="never"),
    _adaptive("claude-sonnet-5"),
    _adaptive("claude-sonnet-5-5", forces_tools=False, thinking_off="between_tools"),
    _adaptive("claude-haiku-5-5"),
    _adaptive("claude-opus-4-8"),
    _adaptive("claude-opus-4-7"),
    _claude_4_6("claude-opus-4-6"),
    _claude_4_6("claude-sonnet-4-6"),
    _budgeted("claude-opus-4-5"),
    _budgeted("claude-sonnet-4-5"),
    _budgeted("claude-haiku-4-5"),
)

# Windows: genai-prices 0.2.3. Images: litellm 1.109.1, of gpt-oss-120b (and so of its smaller sibling)
# anomalyco/models.dev, models/openai. gpt-oss: its prompt is built message by message, so that a last one of the
# assistant is closed, not continued (vllm-project/vllm, renderers/online_renderer.py, _make_request_with_harmony).
_OTHERS = (
    _other("grok-4.7", 500_000, image_input=True),
    _other("grok-4.6", 500_000, image_input=True),
    _other("grok-4.5", 500_000, image_input=True),
    _other("grok-4.3", 1_000_000, image_input=True),
    _other("deepseek-v4-pro", 1_000_000, image_input=False),
    _other("deepseek-flash", 1_000_000, image_input=True),
    _other("mistral-large-4", 1_048_576),
    _other("mistral-small-2603", 262_144),
    _other("gpt-oss-120b", 131_072, image_input=False, accepts_prefill=False),
    _other("gpt-oss-20b", 131_072, image_input=False, accepts_prefill=False),
    _other("kimi-k3", 1_040_000),
    _other("qwen3.8-27b", 131_072),
    _other("qwen-3.8-27b", 65_536),
)

MODELS = _OPENAI + _ANTHROPIC + _OTHERS
_LONGEST_FIRST = tuple(sorted(MODELS, key=lambda model: len(model.prefix), reverse=True))
# What may follow a prefix: a variant or a date (`-`), a region (`@`), a tag (`:`). A `.` would be another model.
_BOUNDARIES = "-@:"


def model_facts(name: str) -> Model | None:
    """The facts of the longest matching prefix; a path before the name (`vendor/name`) is skipped."""
    bare = name.rpartition("/")[2].lower()
    for model in _LONGEST_FIRST:
        rest = bare.removeprefix(model.prefix)
        if rest != bare and (not rest or rest[0] in _BOUNDARIES):
            return model
    return None


# What a model refuses that takes no sampling settings (pydantic-ai 2.68.0, profiles/openai.py, profiles/anthropic.py).
SAMPLING_PARAMETERS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
    }
)


def quirks_of(model: str, quirks: Quirks) -> Quirks:
    """The endpoint's quirks with what is known of this model on top."""
    facts = model_facts(model)
    if facts is None:
        return quirks
    if facts.max_output and not quirks.output_maximum:
        quirks = replace(quirks, output_maximum=facts.max_output)
    if facts.sampling == "never":
        quirks = replace(quirks, drop_parameters=quirks.drop_parameters | SAMPLING_PARAMETERS)
    if facts.thinking is not None:
        quirks = replace(quirks, thinking=facts.thinking, thinking_off=facts.thinking_off)
    if facts.efforts is not None:
        quirks = replace(quirks, efforts=facts.efforts)
    if facts.accepts_prefill is not None and facts.accepts_prefill != (quirks.prefill is not None):
        quirks = replace(quirks, prefill="plain" if facts.accepts_prefill else None)
    if not facts.forces_tools:
        quirks = replace(quirks, required_tool_choice=None)
    return quirks
