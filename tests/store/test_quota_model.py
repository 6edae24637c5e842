"""Any sequence of admissions, settlements, deaths and repeats, against a real store and a small model. At every grant,
spent and held together are within every limit; at the end the store's accounts and its ledger are the model's, exactly.
"""

import asyncio
import re
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.quotas.limits import Limit
from proxy.store.names import of_tenant
from proxy.store.quota import Charge, Granted, Option, Quota, Refused
from tests.store.recording import PATIENCE, recorded
from tests.store.servers import Server

ROOT = of_tenant("t", "quota")
NEVER = 2**52
SCOPES = [
    ("tenant", "key:aaaaaaaa", "route:a"),
    ("tenant", "key:bbbbbbbb", "route:a"),
    ("tenant", "key:aaaaaaaa", "route:b"),
]
Operation = tuple[str, tuple[Any, ...]]

some_limit = st.builds(
    Limit,
    st.sampled_from(["tenant", "key:aaaaaaaa", "route:a", "route:b"]),
    st.sampled_from(["day", "month"]),
    st.integers(0, 600),
    st.sampled_from(["total", "premium"]),
    st.sampled_from(["tokens", "credits"]),
)
some_count = st.builds(
    Limit, st.sampled_from(["tenant", "key:aaaaaaaa"]), st.just("running"), st.integers(0, 4), st.just(""), st.just("")
)
some_option = st.builds(
    Option,
    scopes=st.sampled_from(SCOPES),
    is_premium=st.booleans(),
    prompt=st.integers(0, 60),
    prompt_credits=st.integers(0, 60),
    output=st.integers(1, 200),
    fewest=st.integers(1, 50),
    rate=st.sampled_from([0, 1, 333_333, 1_000_000, 2_500_001]),
    swept_tokens=st.integers(0, 40),
    swept_credits=st.integers(0, 40),
)
some_id = st.integers(0, 12).map(str)
some_amount = st.integers(0, 300)
some_change = {
    "admit": st.tuples(some_id, st.lists(some_option, min_size=1, max_size=3)),
    "settle": st.tuples(some_id, some_amount, some_amount, st.booleans()),
    "abandon": st.tuples(some_id),
    "die": st.tuples(some_id),
    "renew": st.tuples(some_id),
}
operation = st.sampled_from(["admit", "admit", "admit", "settle", "settle", "abandon", "die", "renew"]).flatmap(
    lambda name: st.tuples(st.just(name), some_change[name])
)


@dataclass
class Lease:
    option: Option
    tokens: int
    credits: int
    granted: Granted
    state: str = "held"
    swept: tuple[int, int] = (0, 0)


@dataclass
class Model:
    limits: list[Limit]
    leases: dict[str, Lease] = field(default_factory=dict)
    kept_away: set[str] = field(default_factory=set)
    spent: dict[tuple[str, str, str], int] = field(default_factory=dict)  # scope, bucket, unit -> amount
    rows: list[tuple[str, str, int, int]] = field(default_factory=list)

    def book(self, scopes: tuple[str, ...], is_premium: bool, tokens: int, credits: int) -> None:
        for scope in scopes:
            for bucket in ("total", "premium") if is_premium else ("total",):
                for unit, amount in (("tokens", tokens), ("credits", credits)):
                    self.spent[scope, bucket, unit] = self.spent.get((scope, bucket, unit), 0) + amount

    def held(self, scope: str, bucket: str, unit: str) -> int:
        return sum(
            lease.tokens if unit == "tokens" else lease.credits
            for lease in self.leases.values()
            if lease.state == "held" and scope in lease.option.scopes and (bucket == "total" or lease.option.is_premium)
        )

    def running(self, scope: str) -> int:
        return sum(lease.state == "held" and scope in lease.option.scopes for lease in self.leases.values())

    def used(self, limit: Limit) -> int:
        if limit.kind == "running":
            return self.running(limit.scope)
        place = limit.scope, limit.bucket, limit.unit
        return self.spent.get(place, 0) + self.held(*place)

    def concerns(self, limit: Limit, option: Option) -> bool:
        return limit.scope in option.scopes and (option.is_premium or limit.bucket != "premium")

    def fits(self, option: Option, output: int) -> bool:
        for limit in self.limits:
            if not self.concerns(limit, option):
                continue
            takes = 1 if limit.kind == "running" else option.prompt + output
            if limit.unit == "credits":
                takes = option.prompt_credits + ceil(output * option.rate / 1_000_000)
            if self.used(limit) + takes > limit.most:
                return False
        return True

    def chosen(self, options: list[Option]) -> tuple[int, int] | None:
        """The option and the output; what fits whole comes before what shrinks."""
        for number, option in enumerate(options):
            if self.fits(option, option.output):
                return number, option.output
        for number, option in enumerate(options):
            for output in range(option.output - 1, option.fewest - 1, -1):
                if self.fits(option, output):
                    return number, output
        return None


class Play:
    """One sequence, on the store and on the model."""

    def __init__(self, quota: Quota, server: Server, model: Model) -> None:
        self.quota = quota
        self.server = server
        self.model = model

    async def admit(self, call_id: str, options: list[Option]) -> None:
        model = self.model
        known = model.leases.get(call_id)
        said = await self.quota.admit("t", call_id, NEVER, "{}", model.limits, options)
        if known is not None or call_id in model.kept_away:
            assert (
                (said == known.granted)
                if known is not None and known.state == "held"
                else type(said).__name__ == "TooLate"
            )
            return
        wanted = model.chosen(options)
        if wanted is None:
            assert isinstance(said, Refused)
            assert said.used == model.used(model.limits[said.limit])
            return
        assert isinstance(said, Granted)
        assert (said.option, said.output) == wanted
        option = options[said.option]
        credits = option.prompt_credits + ceil(said.output * option.rate / 1_000_000)
        model.leases[call_id] = Lease(option, option.prompt + said.output, credits, said)
        for limit, used in zip(model.limits, said.used, strict=True):
            assert used == model.used(limit)
        for limit in model.limits:
            assert not model.concerns(limit, option) or model.used(limit) <= limit.most  # invariant A

    async def settle(self, call_id: str, tokens: int, credits: int, is_premium: bool) -> None:
        lease = self.model.leases.get(call_id)
        if lease is None:
            return
        said = await self.quota.settle(
            "t",
            call_id,
            Charge("actual", tokens, credits, b"{}"),
            lease.granted,
            lease.option.scopes,
            is_premium=is_premium,
        )
        match lease.state:
            case "held":
                assert said == "settled"
                self.model.book(lease.option.scopes, is_premium, tokens, credits)
                self.model.rows.append((call_id, "actual", tokens, credits))
            case "swept":
                assert said == "corrected"
                swept_tokens, swept_credits = lease.swept
                self.model.book(lease.option.scopes, lease.option.is_premium, -swept_tokens, -swept_credits)
                self.model.book(lease.option.scopes, is_premium, tokens, credits)
                self.model.rows.append((call_id, "corrected", tokens - swept_tokens, credits - swept_credits))
            case _:
                assert said == "again"
                return
        lease.state = "settled"

    async def abandon(self, call_id: str) -> None:
        lease = self.model.leases.get(call_id)
        said = await self.quota.abandon("t", call_id)
        if lease is None:
            assert said == "kept away"
            self.model.kept_away.add(call_id)
        elif lease.state == "held":
            assert said == "released"
            lease.state = "gone"
        else:
            assert said == ("kept away" if lease.state == "gone" else "over")

    async def die(self, call_id: str) -> None:
        """Nobody renews it, and its time is long over."""
        lease = self.model.leases.get(call_id)
        if lease is None or lease.state != "held":
            return
        self.server.ask("ZADD", f"{ROOT}:due", "1", call_id)
        assert await self.quota.sweep("t", 8) == 1
        option = lease.option
        lease.swept = (min(option.swept_tokens, lease.tokens), min(option.swept_credits, lease.credits))
        lease.state = "swept"
        self.model.book(option.scopes, option.is_premium, *lease.swept)
        self.model.rows.append((call_id, "swept", *lease.swept))

    async def renew(self, call_id: str) -> None:
        lease = self.model.leases.get(call_id)
        is_held = lease is not None and lease.state == "held"
        assert await self.quota.renew("t", [call_id]) == (set() if is_held else {call_id})

    def compare(self) -> None:
        """The store's accounts and ledger are the model's."""
        for scope in {scope for lease in self.model.leases.values() for scope in lease.option.scopes}:
            kept = self.server.ask("HGETALL", f"{ROOT}:of:{scope}")
            assert int(kept["running"]) == self.model.running(scope)
            places = [(scope, bucket, unit) for bucket in ("total", "premium") for unit in ("tokens", "credits")]
            wanted = [self.model.spent.get(place, 0) for place in places] + [
                self.model.held(*place) for place in places
            ]
            for letter in "dm":  # of either there may be two, at midnight
                periods = [value.split() for name, value in kept.items() if re.fullmatch(letter + r"\d+", name)]
                assert [sum(map(int, figures)) for figures in zip(*periods, strict=True)] == wanted
        rows = [row for _, row in self.server.ask("XRANGE", f"{ROOT}:ledger", "-", "+")]
        found = [(row["id"], row["method"], int(row["tokens"]), int(row["credits"])) for row in rows]
        assert found == self.model.rows


async def play_all(server: Server, limits: list[Limit], operations: list[Operation]) -> None:
    server.ask("FLUSHALL")
    async with recorded(server.address, PATIENCE) as client:
        play = Play(Quota(client.store), server, Model(limits))
        for name, arguments in operations:
            await getattr(play, name)(*arguments)
        play.compare()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(limits=st.lists(some_limit | some_count, max_size=5), operations=st.lists(operation, min_size=5, max_size=40))
def test_q02_q05_accounts_are_exact(server: Server, limits: list[Limit], operations: list[Operation]):
    asyncio.run(play_all(server, limits, operations))
