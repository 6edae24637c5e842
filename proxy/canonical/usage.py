"""Token usage with one arithmetic: `input_tokens` is the whole prompt, every other input or output figure is a part."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts in tokens; None = not reported. Parts (`cache_*`, `reasoning_*`) are never added on top of their whole."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None

    def merged(self, later: "Usage") -> "Usage":
        """Both reports as one: per figure the last non-null value wins."""
        if self == _NOTHING:
            return later
        return Usage(
            *(new if new is not None else old for new, old in zip(_figures(later), _figures(self), strict=True))
        )

    @property
    def total(self) -> int:
        if self.total_tokens is not None:
            return self.total_tokens
        return (self.input_tokens or 0) + (self.output_tokens or 0)


_NOTHING = Usage()


def _figures(usage: Usage) -> tuple[int | None, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    )
