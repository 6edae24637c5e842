"""This vocabulary's column of the parameter table: how settings of other vocabularies are written as Responses members.

Source: openai-python 3.52, `types/responses/response_create_params.py`.
"""

from collections.abc import Mapping
from typing import Any

from proxy.wire.parameters import PASS, Column, dropped, ineligible, mapped

_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")


def _service_tier(tier: Any) -> Mapping[str, Any] | None:
    known = "default" if tier == "standard_only" else tier
    return {"service_tier": known} if known in _TIERS else None


def _verbosity(verbosity: Any) -> Mapping[str, Any]:
    return {"text": {"verbosity": verbosity}}


def _metadata(metadata: Any) -> Mapping[str, Any] | None:
    fits = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    return {"metadata": metadata} if fits else None


def _store(_: Any) -> Mapping[str, Any]:
    return {"store": False}


_NO_PLACE = "the Responses API has no such member"

COLUMN: Column = {
    "max_output_tokens": PASS,
    "temperature": PASS,
    "top_p": PASS,
    "top_k": dropped(_NO_PLACE),
    "stop": dropped(_NO_PLACE, neutral=([],)),
    "seed": dropped(_NO_PLACE),
    "n": ineligible("a Response is one answer", neutral=(1,)),
    "logprobs": ineligible("log probabilities are not translated", neutral=(False,)),
    "top_logprobs": ineligible("log probabilities are not translated", neutral=(0,)),
    "logit_bias": ineligible(_NO_PLACE, neutral=({},)),
    "presence_penalty": dropped(_NO_PLACE, neutral=(0, 0.0)),
    "frequency_penalty": dropped(_NO_PLACE, neutral=(0, 0.0)),
    "modalities": ineligible("text only", neutral=(["text"],)),
    "audio": ineligible("text only"),
    "prediction": dropped(_NO_PLACE),
    "parallel_tool_calls": PASS,
    "max_tool_calls": PASS,
    "service_tier": mapped(_service_tier, "standard_only = default; unknown tiers are dropped"),
    "prompt_cache_key": PASS,
    "prompt_cache_retention": PASS,
    "safety_identifier": PASS,
    "user": PASS,
    "metadata": mapped(_metadata, "string values only"),
    "include": PASS,
    "truncation": PASS,
    "verbosity": mapped(_verbosity, "text.verbosity"),
    "store": mapped(_store, "always false upstream"),
    "web_search_options": ineligible("search is a tool here"),
    "prompt": PASS,
    "context_management": dropped("each vocabulary edits contexts its own way"),
    "container": ineligible("containers belong to one provider"),
    "mcp_servers": ineligible("MCP is a tool here", neutral=([],)),
    "system": mapped(lambda text: {"instructions": text}, "instructions; later ones become developer messages"),
    "tools": PASS,
    "strict": mapped(lambda strict: {"strict": bool(strict)}, "false is written out: true is the default here"),
    "tool_choice": PASS,
    "output_format": mapped(lambda form: {"text": {"format": form}}, "text.format"),
    "reasoning": mapped(lambda effort: {"reasoning": {"effort": effort}}, "as in chat"),
    "cache_control": dropped("prompts are cached by prefix"),
    "stream_options": dropped("usage is always there"),
}
