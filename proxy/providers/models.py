"""What is known of single models, by the start of their name. An unknown model is None: nothing is assumed of it."""

from dataclasses import dataclass, replace
from typing import Literal

from proxy.wire.quirks import Quirks


@dataclass(frozen=True, slots=True)
class Model:
    """`context_window` and `max_output` in tokens, None = not documented.

    `thinking`: how reasoning is asked for where a budget exists (budget | adaptive), None = no such choice. `sampling`:
    whether temperature, top_p and the like are taken. `accepts_prefill`: a trailing assistant turn is continued.
    `forces_tools`: a tool choice that demands a call is taken.
    """

    prefix: str
    context_window: int | None = None
    max_output: int | None = None
    image_input: bool | None = None
    reasoning: bool | None = None
    thinking: Literal["budget", "adaptive"] | None = None
    sampling: Literal["always", "unless_reasoning", "never"] = "always"
    accepts_prefill: bool = False
    forces_tools: bool = True


def _gpt(prefix: str, window: int, output: int | None, sampling: Literal["unless_reasoning", "never"]) -> Model:
    return Model(prefix, window, output, image_input=True, reasoning=True, sampling=sampling)


def _gpt4(prefix: str, window: int, output: int) -> Model:
    return Model(prefix, window, output, image_input=True, reasoning=False)


def _adaptive(prefix: str, *, forces_tools: bool = True) -> Model:
    """Claude from 4.7 on: thinking is adaptive only, sampling and prefill are refused."""
    return Model(
        prefix,
        1_000_000,
        128_000,
        image_input=True,
        reasoning=True,
        thinking="adaptive",
        sampling="never",
        forces_tools=forces_tools,
    )


def _grok(prefix: str, window: int) -> Model:
    return Model(prefix, window, 128_000, image_input=True, reasoning=True)


def _open(prefix: str, window: int, *, image_input: bool | None = None, reasoning: bool = True) -> Model:
    return Model(prefix, window, None, image_input=image_input, reasoning=reasoning)


# Windows: genai-prices 0.2.3 (which names each provider's page). Output limits and images of the GPT-6 family:
# vercel.com/ai-gateway/models, of gpt-4*, gpt-5 and the o-series: platform.openai.com/docs/models. Reasoning and
# sampling: pydantic-ai, profiles/openai.py ("verified against the live Responses API").
_OPENAI = (
    _gpt("gpt-6.1-sol", 1_050_000, 128_000, "never"),
    _gpt("gpt-6.1-terra", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-6-astra", 1_050_000, 128_000, "never"),
    _gpt("gpt-6-sol", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-6-luna", 1_050_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.6", 1_050_000, None, "unless_reasoning"),
    _gpt("gpt-5.5", 1_000_000, None, "unless_reasoning"),
    _gpt("gpt-5.5-pro", 1_000_000, None, "never"),
    _gpt("gpt-5.4", 1_050_000, None, "unless_reasoning"),
    _gpt("gpt-5.4-mini", 400_000, None, "unless_reasoning"),
    _gpt("gpt-5.4-nano", 400_000, None, "unless_reasoning"),
    _gpt("gpt-5.2", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5.1", 400_000, 128_000, "unless_reasoning"),
    _gpt("gpt-5", 400_000, 128_000, "never"),
    Model("gpt-5-chat", image_input=True, reasoning=False),
    _gpt("o4-mini", 200_000, 100_000, "never"),
    _gpt("o3", 200_000, 100_000, "never"),
    _gpt("o1", 200_000, 100_000, "never"),
    Model("o3-mini", 200_000, 100_000, image_input=False, reasoning=True, sampling="never"),
    _gpt4("gpt-4.1", 1_000_000, 32_768),
    _gpt4("gpt-4o", 128_000, 16_384),
)

# Windows: genai-prices 0.2.3. Output limits, thinking, forced tools: pydantic-ai, profiles/anthropic.py (measured).
# Prefill: accepted up to 4.5, a 400 from 4.6 on (router-for-me/CLIProxyAPI issue 5319, ericc-ch/copilot-api pull 261).
_ANTHROPIC = (
    _adaptive("claude-fable-5"),
    _adaptive("claude-fable-5-1", forces_tools=False),
    _adaptive("claude-fable-5-2", forces_tools=False),
    _adaptive("claude-mythos-5"),
    _adaptive("claude-mythos-5-1", forces_tools=False),
    _adaptive("claude-mythos-5-2", forces_tools=False),
    _adaptive("claude-opus-5"),
    _adaptive("claude-opus-5-5", forces_tools=False),
    _adaptive("claude-sonnet-5"),
    _adaptive("claude-sonnet-5-5", forces_tools=False),
    _adaptive("claude-haiku-5-5"),
    _adaptive("claude-opus-4-8"),
    _adaptive("claude-opus-4-7"),
    Model("claude-opus-4-6", 1_000_000, 128_000, image_input=True, reasoning=True, thinking="adaptive"),
    Model("claude-sonnet-4-6", 1_000_000, 128_000, image_input=True, reasoning=True, thinking="adaptive"),
    Model("claude-opus-4-5", 200_000, 64_000, True, True, "budget", accepts_prefill=True),
    Model("claude-sonnet-4-5", 200_000, 64_000, True, True, "budget", accepts_prefill=True),
    Model("claude-haiku-4-5", 200_000, 64_000, True, True, "budget", accepts_prefill=True),
)

# Windows: genai-prices 0.2.3. Output default of Grok: docs.x.ai, text/best-practices. gpt-oss takes text only.
_OTHERS = (
    _grok("grok-4.7", 500_000),
    _grok("grok-4.6", 500_000),
    _grok("grok-4.5", 500_000),
    _grok("grok-4.3", 1_000_000),
    _open("deepseek-v4-pro", 1_000_000, image_input=False),
    _open("deepseek-flash", 1_000_000),
    _open("mistral-large-4", 1_048_576),
    _open("mistral-small-2603", 262_144),
    _open("gpt-oss-120b", 131_072, image_input=False),
    _open("gpt-oss-20b", 131_072, image_input=False),
    _open("kimi-k3", 1_040_000),
    _open("qwen3.8-27b", 131_072),
    _open("qwen-3.8-27b", 65_536),
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


# What a model refuses that takes no sampling settings (pydantic-ai, profiles/openai.py and profiles/anthropic.py).
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
        quirks = replace(quirks, thinking=facts.thinking)
    if not facts.forces_tools:
        quirks = replace(quirks, required_tool_choice=None)
    return quirks
