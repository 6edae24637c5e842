"""Token usage between this wire and the canonical arithmetic.

Sources: openai-python 3.52 `types/completion_usage.py`; OpenRouterTeam/docs,
`cookbook/administration/usage-accounting.mdx` (`cache_write_tokens`); vercel/ai,
`packages/deepseek/src/chat/deepseek-chat-api-types.ts` (`prompt_cache_hit_tokens`), and pull 12425, which quotes xAI:
its completion_tokens leave reasoning out of the whole while total_tokens counts it.
"""

from typing import Any

from proxy.canonical.usage import Usage


def read_usage(reported: Any) -> Usage | None:
    """The numbers in a usage object; None if it is no object. What is not a count is taken as absent."""
    if not isinstance(reported, dict):
        return None
    prompt, completion = _details(reported, "prompt_tokens_details"), _details(reported, "completion_tokens_details")
    entered, said = _count(reported.get("prompt_tokens")), _count(reported.get("completion_tokens"))
    cached = _count(prompt.get("cached_tokens"))
    if cached is None:
        cached = _count(reported.get("prompt_cache_hit_tokens"))
    reasoned, total = _count(completion.get("reasoning_tokens")), _count(reported.get("total_tokens"))
    if reasoned and total == (entered or 0) + (said or 0) + reasoned:
        said = (said or 0) + reasoned
    return Usage(
        input_tokens=entered,
        output_tokens=said,
        cache_read_tokens=cached,
        cache_write_tokens=_count(prompt.get("cache_write_tokens")),
        reasoning_tokens=reasoned,
        total_tokens=total,
    )


def written_usage(usage: Usage) -> dict[str, Any] | None:
    """The usage object; None if nothing was reported."""
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    entered, said = usage.input_tokens or 0, usage.output_tokens or 0
    prompt = {"cached_tokens": usage.cache_read_tokens or 0, "audio_tokens": 0}
    if usage.cache_write_tokens is not None:
        prompt["cache_write_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": entered,
        "completion_tokens": said,
        "total_tokens": entered + said,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0, "audio_tokens": 0},
    }


def _details(reported: dict[str, Any], name: str) -> dict[str, Any]:
    found = reported.get(name)
    return found if isinstance(found, dict) else {}


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
