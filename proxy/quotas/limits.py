"""Which limits a request must fit, and where they are counted."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

TENANT = "tenant"


def key_scope(key_id: str) -> str:
    return f"key:{key_id}"


def route_scope(route: str) -> str:
    return f"route:{route}"


class Amounts(msgspec.Struct, frozen=True):
    """Of a period and a bucket. None = no limit. Credits in micro-credits."""

    tokens: int | None = None
    credits: int | None = None


class Period(msgspec.Struct, frozen=True):
    """`total` holds all there is, `premium` what premium targets answered of it."""

    total: Amounts = Amounts()
    premium: Amounts = Amounts()


class Limits(msgspec.Struct, frozen=True):
    """Of one scope. None = no limit. Requests and tokens a minute in a sliding window; `running`: at the same time."""

    requests: int | None = None
    window_tokens: int | None = None
    running: int | None = None
    day: Period = Period()
    month: Period = Period()

    def of(self, scope: str) -> "Iterator[Limit]":
        """Those there are. First those that pass soonest: a request that several refuse is told of the first."""
        for kind, most in (
            ("running", self.running),
            ("requests", self.requests),
            ("window_tokens", self.window_tokens),
        ):
            if most is not None:
                yield Limit(scope, kind, most)
        for kind, period in (("day", self.day), ("month", self.month)):
            for bucket, amounts in (("total", period.total), ("premium", period.premium)):
                for unit, most in (("tokens", amounts.tokens), ("credits", amounts.credits)):
                    if most is not None:
                        yield Limit(scope, kind, most, bucket, unit)


NO_LIMITS = Limits()


class Limit(NamedTuple):
    """One limit of one scope, as the store's scripts take it."""

    scope: str
    kind: str  # running | requests | window_tokens | day | month
    most: int
    bucket: str = ""  # of a period: total | premium
    unit: str = ""  # of a period: tokens | credits

    @property
    def takes_output(self) -> bool:
        """Whether it matters for it how much is answered."""
        return self.kind not in ("running", "requests")
