"""The ways in which a refusal says when to come back, a function each.

Sources: RFC 9110 §10.2.3 (seconds, or a date); retry-after-ms beside Retry-After: Azure OpenAI, as told in
github.com/openai/openai-python/issues/957; x-ratelimit-reset-requests and -tokens as Go durations: OpenAI and Groq,
parsed by github.com/sashabaranov/go-openai (ratelimit.go); anthropic-ratelimit-*-reset in RFC 3339:
docs.claude.com/en/api/rate-limits; a bare x-ratelimit-reset is seconds at one provider and unix seconds at the next.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import NamedTuple

Headers = dict[str, str]
_MILLISECONDS = 1000


class Way(NamedTuple):
    """`headers`: of an amount, in `unit`, and the time of day in unix seconds."""

    unit: str
    meaning: str
    headers: Callable[[int, int], Headers]


def _seconds(amount: int, now: int) -> Headers:
    return {"retry-after": str(amount)}


def _date(amount: int, now: int) -> Headers:
    return {"retry-after": formatdate(now + amount, usegmt=True)}


def _milliseconds(amount: int, now: int) -> Headers:
    return {"retry-after-ms": str(amount), "retry-after": str(-(-amount // _MILLISECONDS))}


def _reset(amount: int, now: int) -> Headers:
    return {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(amount)}


def _reset_epoch(amount: int, now: int) -> Headers:
    return _reset(now + amount, now)


def _reset_duration(amount: int, now: int) -> Headers:
    """Requests are used up, tokens are not."""
    return {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": _go_duration(amount),
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6ms",
    }


def _reset_date(amount: int, now: int) -> Headers:
    moment = datetime.fromtimestamp(now + amount, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    left = {"limit": "50", "remaining": "0", "reset": moment}
    return {f"anthropic-ratelimit-requests-{name}": value for name, value in left.items()}


def _go_duration(milliseconds: int) -> str:
    """As Go's time.Duration prints itself: 250ms, 1.5s, 6m0s, 1h0m5s."""
    if milliseconds < _MILLISECONDS:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60 * _MILLISECONDS)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / _MILLISECONDS:g}s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + seconds


# What stands between a refusal's name and the amount.
WAYS = {
    "retry-after": Way("s", "a Retry-After header in seconds", _seconds),
    "retry-after-date": Way("s", "a Retry-After header with a date", _date),
    "retry-after-ms": Way("ms", "retry-after-ms, and Retry-After rounded up to seconds", _milliseconds),
    "reset": Way("s", "x-ratelimit-reset in seconds", _reset),
    "reset-epoch": Way("s", "x-ratelimit-reset in unix seconds", _reset_epoch),
    "reset-duration": Way("ms", "x-ratelimit-reset-requests and -tokens as Go durations", _reset_duration),
    "reset-date": Way("s", "anthropic-ratelimit-requests-reset in RFC 3339", _reset_date),
}


class Wait(NamedTuple):
    """How long to stay away, and how that is told: a name of `WAYS`."""

    way: str
    amount: int

    def headers(self, now: int) -> Headers:
        """`now`: unix seconds."""
        return WAYS[self.way].headers(self.amount, now)
