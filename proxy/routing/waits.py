"""How long a provider asks us to wait, in every form in which providers say it.

Sources: RFC 9110, 10.2.3 and 5.6.7 (Retry-After, the three forms of a date); Go's `time.ParseDuration` (`6m0s`);
openai-python 3.52, `_base_client.py` (`retry-after-ms` before `retry-after`); agentgateway,
`crates/agentgateway/src/http/outlierdetection.rs` (a large `x-ratelimit-reset` is a moment, the smallest of several
windows); anthropics/anthropic-sdk-typescript issue 357 (an exhausted window says when); OpenRouterTeam/docs,
`api_reference/limits.mdx` (the headers of its 429); openai/openai-dotnet issue 838 (Azure's windows without figures: -1
left, reset 0); openai/codex, `codex-rs/codex-api/src/sse/responses.rs` ("try again in 11.054s").
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

LONGEST = 86_400.0  # who asks for more is asked again tomorrow
_LARGEST_DURATION = 30 * 86_400.0  # a larger number is no duration but a moment: seconds since 1970 …
_SMALLEST_MILLISECONDS = 1e11  # … or milliseconds, whose last second in this range was in March 1973
_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PIECE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|μs|ns|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_PIECE.pattern})+")
_SPOKEN_PIECE = r"\d+(?:\.\d+)?\s?(?:milliseconds?|seconds?|minutes?|hours?|days?|ms|s|m|h|d)(?![a-z])"
_SPOKEN_WAIT = re.compile(rf"\b(?:try again|retry) (?:in|after) ((?:{_SPOKEN_PIECE}(?:,? (?:and )?)?)+)")
_SPOKEN_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s?(milli|ms|[smhd])")
_SEARCHED = 4000  # characters of a message; no provider's first sentences are longer


def asked(
    headers: Mapping[str, str], wall_clock: float, *, message: str = "", body: str = "", is_limit: bool
) -> float | None:
    """Seconds to wait, from 0 to `LONGEST`; None if nobody said so, or not readably. Header names in lower case;
    `wall_clock` in unix seconds; `message` in the provider's words; `body`: a wait that stands in the body as a member.

    `retry-after-ms` counts before `retry-after`, headers before the body. What a message says, and when a window of the
    allowance is full again, counts only for who was refused for the allowance (`is_limit`): every answer tells that.
    """
    for wait in _told(headers, wall_clock, message.lower(), body, is_limit):
        if wait is not None:
            return min(max(0.0, wait), LONGEST)
    return None


def _told(
    headers: Mapping[str, str], wall_clock: float, message: str, body: str, is_limit: bool
) -> Iterator[float | None]:
    milliseconds = _number(headers.get("retry-after-ms", ""))
    yield None if milliseconds is None else milliseconds / 1000
    yield until(headers.get("retry-after", ""), wall_clock)
    yield until(body, wall_clock)
    if is_limit:
        yield _spoken(message)
        yield _windows(headers, wall_clock)


def until(value: str, wall_clock: float) -> float | None:
    """Seconds from now, negative for what is past: `value` is seconds, a moment since 1970 in seconds or milliseconds,
    a Go duration, an HTTP date or one of RFC 3339. None for anything else; never infinite, never NaN."""
    value = value.strip()
    number = _number(value)
    if number is not None:
        if number <= _LARGEST_DURATION:
            return number
        return (number / 1000 if number >= _SMALLEST_MILLISECONDS else number) - wall_clock
    if _DURATION.fullmatch(value):
        return _finite(sum(float(amount) * _SECONDS[unit] for amount, unit in _PIECE.findall(value)))
    return _date(value, wall_clock)


def _windows(headers: Mapping[str, str], wall_clock: float) -> float | None:
    """When the allowance is back: `x-ratelimit-reset-requests` and its like, each a window with what remains of it
    beside it. An exhausted window must be waited out, of several the longest; where none says it is, the shortest."""
    exhausted: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        words = name.split("-")
        if "reset" not in words or not any("ratelimit" in word for word in words):
            continue
        wait = until(value, wall_clock)
        if wait is None or wait <= 0:
            continue
        remaining = _number(headers.get(name.replace("reset", "remaining"), ""))
        (exhausted if remaining is not None and remaining <= 0 else others).append(wait)
    if exhausted:
        return max(exhausted)
    return min(others) if others else None


def _spoken(message: str) -> float | None:
    found = _SPOKEN_WAIT.search(message[:_SEARCHED])
    if found is None:
        return None
    pieces = _SPOKEN_UNIT.findall(found[1])
    return _finite(sum(float(amount) * _SECONDS["ms" if unit == "milli" else unit] for amount, unit in pieces))


def _date(value: str, wall_clock: float) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment: datetime = read(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - wall_clock
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _number(value: str) -> float | None:
    try:
        return _finite(float(value))
    except ValueError:
        return None


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
