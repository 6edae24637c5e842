"""Usage figures between this wire's arithmetic (input excludes the cache) and ours (input is the whole prompt).

Source: anthropic (Python) 2.11, `types/usage.py`, `types/message_delta_usage.py`: counts are cumulative, and those that
do not apply may be missing from a later frame, in which case the earlier value stands.
"""

from typing import Any

from proxy.canonical.usage import Usage


class Tally:
    """The figures of one answer as they come, in the wire's own arithmetic."""

    __slots__ = ("_fresh", "_output", "_read", "_thinking", "_written")

    def __init__(self) -> None:
        self._fresh: int | None = None
        self._read: int | None = None
        self._written: int | None = None
        self._output: int | None = None
        self._thinking: int | None = None

    def add(self, usage: Any) -> Usage | None:
        """Take a `usage` object in; returns everything known so far, None if it was no object."""
        if not isinstance(usage, dict):
            return None
        self._fresh = _count(usage.get("input_tokens"), self._fresh)
        self._read = _count(usage.get("cache_read_input_tokens"), self._read)
        self._written = _count(usage.get("cache_creation_input_tokens"), self._written)
        self._output = _count(usage.get("output_tokens"), self._output)
        details = usage.get("output_tokens_details")
        if isinstance(details, dict):
            self._thinking = _count(details.get("thinking_tokens"), self._thinking)
        return self._canonical()

    def _canonical(self) -> Usage:
        parts = [part for part in (self._fresh, self._read, self._written) if part is not None]
        return Usage(
            input_tokens=sum(parts) if parts else None,
            output_tokens=self._output,
            cache_read_tokens=self._read,
            cache_write_tokens=self._written,
            reasoning_tokens=self._thinking,
        )


def usage_member(usage: Usage) -> dict[str, Any]:
    """`usage` as the wire writes it."""
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    member: dict[str, Any] = {
        "input_tokens": max((usage.input_tokens or 0) - read - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning_tokens is not None:
        member["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return member


def _count(value: Any, otherwise: int | None) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if fits else otherwise
