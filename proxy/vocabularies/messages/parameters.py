"""The Messages column of the parameter table. Source: anthropic (Python) 2.11, `types/message_create_params.py` and the
params it names; what a single model refuses is a quirk."""

from collections.abc import Mapping
from typing import Any

from proxy.wire.parameters import PASS, Action, Column, Rule, dropped, ineligible, mapped, rename

# The most to generate where neither the client nor what is known of the model says; the API insists on a number.
DEFAULT_MAX_TOKENS = 8192


def _identity(value: Any) -> Mapping[str, Any] | None:
    return {"metadata": {"user_id": value}} if isinstance(value, str) else None


def _service_tier(value: Any) -> Mapping[str, Any] | None:
    tier = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}.get(value)
    return None if tier is None else {"service_tier": tier}


def _one_tool_at_a_time(value: Any) -> Mapping[str, Any]:
    return {} if value else {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


COLUMN: Column = {
    "max_output_tokens": rename("max_tokens", f"required; else what the model can do, else {DEFAULT_MAX_TOKENS}"),
    "temperature": Rule(Action.PASS, note="cut to the provider's maximum; dropped while thinking"),
    "top_p": Rule(Action.PASS, note="dropped beside temperature, and below 0.95 while thinking"),
    "top_k": Rule(Action.PASS, note="dropped while thinking"),
    "stop": rename("stop_sequences", "sequences of nothing but whitespace are refused and left out"),
    "seed": dropped("no such setting"),
    "n": ineligible("one answer per request", neutral=(1,)),
    "logprobs": dropped("no such output", neutral=(False,)),
    "top_logprobs": dropped("no such output", neutral=(0,)),
    "logit_bias": dropped("no such setting", neutral=({},)),
    "presence_penalty": dropped("no such setting", neutral=(0,)),
    "frequency_penalty": dropped("no such setting", neutral=(0,)),
    "modalities": ineligible("text only", neutral=(["text"],)),
    "audio": ineligible("text only"),
    "prediction": dropped("only saves time"),
    "parallel_tool_calls": mapped(_one_tool_at_a_time, "false: tool_choice.disable_parallel_tool_use"),
    "max_tool_calls": dropped("hosted tools have limits of their own"),
    "service_tier": mapped(_service_tier, "auto; default becomes standard_only; others are dropped"),
    "prompt_cache_key": dropped("the cache is found by its content", neutral=()),
    "prompt_cache_retention": dropped("set by cache_control"),
    "safety_identifier": mapped(_identity, "metadata.user_id"),
    "user": mapped(_identity, "metadata.user_id"),
    "metadata": dropped("metadata holds nothing but user_id", neutral=({},)),
    "include": dropped("asks for members this wire does not have", neutral=([], ["reasoning.encrypted_content"])),
    "truncation": dropped("a prompt that is too long is refused", neutral=("disabled",)),
    "verbosity": dropped("no such setting", neutral=("medium",)),
    "store": dropped("nothing is stored", neutral=(False, True)),
    "web_search_options": dropped("a tool on this wire"),
    "prompt": ineligible("a template only its provider can fill in"),
    "context_management": PASS,
    "container": PASS,
    "mcp_servers": PASS,
    "system": Rule(Action.MAP, note="moved to `system`, in order; later ones with a warning"),
    "tools": Rule(Action.MAP, note="functions; free-text tools are ineligible"),
    "strict": Rule(Action.PASS, note="tools[].strict"),
    "tool_choice": Rule(Action.MAP, note="required is `any`; a list of allowed tools leaves the others out"),
    "output_format": Rule(
        Action.MAP, note="json_schema is output_config.format; json_object without a schema is dropped with a warning"
    ),
    "reasoning": Rule(
        Action.MAP,
        note="adaptive thinking with output_config.effort, or a budget: minimal 1024, low 2048, medium 10000, high "
        "16384, xhigh and max 32768; a budget is dropped where tool_choice forces a call or a tool turn lost its "
        "thinking",
    ),
    "cache_control": Rule(Action.PASS, note="on blocks and tools"),
    "stream_options": dropped("usage is always sent"),
}
