"""A tenant's quota in the store: what is admitted, held, settled. Each operation is one script; what they keep, and
where, is told in `scripts/parts/leases.lua`. All of it raises StoreDown where the store cannot say."""

from collections.abc import Sequence
from typing import NamedTuple

from proxy.quotas.charges import Method
from proxy.quotas.limits import Limit
from proxy.store.client import Store
from proxy.store.names import of_tenant
from proxy.store.scripts import Script

LEASE_SECONDS = 30.0
"""How long a lease lasts that nobody renews; the sweep gives it 30 seconds more."""

_ADMIT = Script("admit")
_SETTLE = Script("settle")
_RENEW = Script("renew_leases")
_SWEEP = Script("sweep_leases")
_ABANDON = Script("abandon")
_BETWEEN_SCOPES = "\x1e"
# Where a period's figures stand in `scripts/parts/leases.lua`.
_FIGURES = {
    ("", ""): "0",
    ("total", "tokens"): "1",
    ("total", "credits"): "2",
    ("premium", "tokens"): "3",
    ("premium", "credits"): "4",
}


class Option(NamedTuple):
    """One way to serve a request, of several in order of preference. Amounts: tokens, and micro-credits; `rate`:
    micro-credits per million tokens of output. `output` may shrink to `fewest`. `swept`: what is charged should nobody
    live to settle it. `scopes`: where it counts."""

    scopes: tuple[str, ...]
    is_premium: bool
    prompt: int
    prompt_credits: int
    output: int
    fewest: int
    rate: int
    swept_tokens: int
    swept_credits: int


class Granted(NamedTuple):
    """`option`: its index. `output`: tokens. `now`: milliseconds of the store's clock; `day`, `month`: the periods it
    counts in. `used`: of each limit, this request included."""

    option: int
    output: int
    now: int
    day: str
    month: str
    used: tuple[int, ...]


class Refused(NamedTuple):
    """`limit`: the index of the one in the way; `wait`: milliseconds until it may fit; `now`: as above."""

    limit: int
    used: int
    wait: int
    now: int


class TooLate(NamedTuple):
    """Nothing was taken: the call came after its time, or its id was given up. `now` as above."""

    now: int


class Charge(NamedTuple):
    """What becomes of a lease, or of an attempt that failed. `row`: the ledger's, as JSON."""

    method: Method
    tokens: int
    credits: int
    row: bytes


class Quota:
    """Of all tenants in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def admit(
        self,
        tenant: str,
        call_id: str,
        not_after: int,
        row: str,
        limits: Sequence[Limit],
        options: Sequence[Option],
        *,
        within: float | None = None,
    ) -> Granted | Refused | TooLate:
        """All that one of `options` may come to, held in every limit at once; or nothing. `call_id`: minted here, never
        a client's; the same again is answered as before. `not_after`: milliseconds of the store's clock."""
        said = await self._store.run(
            _ADMIT,
            [of_tenant(tenant, "quota")],
            [
                call_id,
                str(not_after),
                str(int(LEASE_SECONDS * 1000)),
                row,
                str(len(limits)),
                *(word for limit in limits for word in _limit_words(limit)),
                str(len(options)),
                *(word for option in options for word in _option_words(option)),
            ],
            within=within,
        )
        return _decision([word.decode() for word in said])

    async def settle(
        self,
        tenant: str,
        call_id: str,
        charge: Charge,
        granted: Granted,
        scopes: Sequence[str],
        failed: Sequence[Charge] = (),
        *,
        is_premium: bool,
        is_repeat: bool = False,
    ) -> str:
        """Once, however often it is called: settled, corrected (it had been swept), again, lost (the store had lost the
        lease; it is charged all the same), unclear (nothing is charged). `is_repeat`: an earlier call may have been
        carried out."""
        said = await self._store.run(
            _SETTLE,
            [of_tenant(tenant, "quota")],
            [
                call_id,
                charge.method,
                str(int(is_premium)),
                str(charge.tokens),
                str(charge.credits),
                str(int(is_repeat)),
                granted.day,
                granted.month,
                _BETWEEN_SCOPES.join(scopes),
                charge.row.decode(),
                *(
                    word
                    for each in failed
                    for word in (each.method, str(each.tokens), str(each.credits), each.row.decode())
                ),
            ],
        )
        outcome: str = said[0].decode()
        return outcome

    async def renew(self, tenant: str, call_ids: Sequence[str]) -> set[str]:
        """These requests still run. Returns those whose leases are held no longer."""
        gone = await self._store.run(_RENEW, [of_tenant(tenant, "quota")], [str(int(LEASE_SECONDS * 1000)), *call_ids])
        return {call_id.decode() for call_id in gone}

    async def sweep(self, tenant: str, most: int) -> int:
        """Settles the leases of workers that died; returns how many there were to look at."""
        count: int = await self._store.run(_SWEEP, [of_tenant(tenant, "quota")], [str(most)])
        return count

    async def abandon(self, tenant: str, call_id: str) -> str:
        """What an admission without an answer may have taken is free again, and it cannot come later: released, kept
        away, over."""
        said: bytes = await self._store.run(_ABANDON, [of_tenant(tenant, "quota")], [call_id])
        return said.decode()


def _limit_words(limit: Limit) -> tuple[str, ...]:
    return (limit.scope, limit.kind, _FIGURES[limit.bucket, limit.unit], str(limit.most))


def _option_words(option: Option) -> tuple[str, ...]:
    scopes, is_premium, *amounts = option
    return (_BETWEEN_SCOPES.join(scopes), str(int(is_premium)), *map(str, amounts))


def _decision(said: list[str]) -> Granted | Refused | TooLate:
    match said:
        case ["granted", option, output, now, day, month, *used]:
            return Granted(int(option) - 1, int(output), int(now), day, month, tuple(map(int, used)))
        case ["refused", limit, used, wait, now]:
            return Refused(int(limit) - 1, int(used), int(wait), int(now))
    return TooLate(int(said[1]))
