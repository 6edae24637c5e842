"""This vocabulary's column of the parameter table: what its request writer makes of settings from other vocabularies.
From its own clients every member passes as it came, but for the provider's quirks.

Sources: openai-python 3.52 `types/chat/completion_create_params.py`; the 400 in tmc/langchaingo issue 1484 (metadata
without store).
"""

from collections.abc import Mapping
from typing import Any

from proxy.wire.parameters import PASS, Action, Column, Rule, dropped, ineligible, mapped, rename

_NO_WAY_BACK = "passes for clients of this vocabulary; other vocabularies' answers cannot carry the result"


def _written(note: str) -> Rule:
    return Rule(Action.MAP, note=note)


def _service_tier(tier: Any) -> Mapping[str, Any]:
    return {"service_tier": "default" if tier == "standard_only" else tier}


COLUMN: Column = {
    "max_output_tokens": rename("max_completion_tokens", "max_tokens where the provider only knows that name"),
    "temperature": PASS,
    "top_p": PASS,
    "top_k": dropped("not part of Chat Completions; passes for its own clients, since many servers know it"),
    "stop": PASS,
    "seed": PASS,
    "n": PASS,
    "logprobs": dropped(_NO_WAY_BACK, neutral=(False,)),
    "top_logprobs": dropped(_NO_WAY_BACK, neutral=(0,)),
    "logit_bias": PASS,
    "presence_penalty": PASS,
    "frequency_penalty": PASS,
    "modalities": PASS,
    "audio": PASS,
    "prediction": PASS,
    "parallel_tool_calls": PASS,
    "max_tool_calls": dropped("there are no hosted tools here whose calls could be limited"),
    "service_tier": mapped(_service_tier, "standard_only becomes default"),
    "prompt_cache_key": PASS,
    "prompt_cache_retention": PASS,
    "safety_identifier": PASS,
    "user": PASS,
    "metadata": dropped("accepted only together with store"),
    "include": dropped(_NO_WAY_BACK, neutral=([], ["reasoning.encrypted_content"])),
    "truncation": dropped("the provider's own policy holds", neutral=("disabled",)),
    "verbosity": PASS,
    "store": dropped("answers are never kept at the provider", neutral=(True, False)),
    "web_search_options": PASS,
    "prompt": ineligible("stored prompts are known to their own provider only"),
    "context_management": dropped("not part of Chat Completions", neutral=([],)),
    "container": ineligible("no code execution here"),
    "mcp_servers": ineligible("no remote tools here", neutral=([],)),
    "system": _written("a message of role developer, or system where the provider wants that"),
    "tools": _written("function and custom tools"),
    "strict": _written("passes; dropped with a warning where the provider does not know it"),
    "tool_choice": _written("required is any at some providers; allowed tools become the list of tools"),
    "output_format": _written(
        "response_format; without schemas at the provider, json_object and the schema as an instruction"
    ),
    "reasoning": _written(
        "reasoning_effort; a budget becomes an effort: up to 2,048 tokens low, 10,000 medium, above high; max becomes "
        "xhigh; adaptive is left to the model, disabled becomes none; where it is known what the model takes, the "
        "nearest of that"
    ),
    "cache_control": Rule(Action.DROP, note="without a warning: it changes the price and never the answer"),
    "stream_options": _written("include_usage is always asked for; obfuscation is the client's own choice"),
}
