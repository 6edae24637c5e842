"""A tenant's quota, on real servers: what is admitted fits every limit, and what is settled is settled once."""

import asyncio
import datetime
from collections.abc import Sequence

import pytest

from proxy.quotas.limits import Limit
from proxy.store.names import of_tenant
from proxy.store.quota import Charge, Granted, Option, Quota, Refused, TooLate
from tests.store.recording import Recorded
from tests.store.servers import Server

TENANT = "t"
ROOT = of_tenant(TENANT, "quota")
SCOPES = ("tenant", "key:abcdefgh", "route:fast")
NEVER = 2**52


def option(
    prompt: int = 10,
    output: int = 90,
    fewest: int = 90,
    rate: int = 0,
    prompt_credits: int = 0,
    scopes: Sequence[str] = SCOPES,
    swept: int = 10,
    *,
    is_premium: bool = False,
) -> Option:
    return Option(tuple(scopes), is_premium, prompt, prompt_credits, output, fewest, rate, swept, 0)


@pytest.fixture
def quota(client: Recorded) -> Quota:
    return Quota(client.store)


async def admit(
    quota: Quota, call_id: str, limits: Sequence[Limit], *options: Option, not_after: int = NEVER
) -> Granted | Refused | TooLate:
    return await quota.admit(TENANT, call_id, not_after, '{"row":1}', limits, options or (option(),))


async def settle(quota: Quota, call_id: str, granted: Granted, tokens: int, **more: bool) -> str:
    charge = Charge("actual", tokens, tokens * 2, b'{"row":2}')
    return await quota.settle(TENANT, call_id, charge, granted, SCOPES, **{"is_premium": False, **more})


def account(server: Server, scope: str = "tenant") -> dict[str, str]:
    return server.ask("HGETALL", f"{ROOT}:of:{scope}")


def spent(server: Server, period: str, scope: str = "tenant") -> list[int]:
    """Tokens and micro-credits, then those of premium targets."""
    return [int(figure) for figure in account(server, scope)[period].split()[:4]]


def held(server: Server, period: str, scope: str = "tenant") -> list[int]:
    return [int(figure) for figure in account(server, scope)[period].split()[4:]]


def rows(server: Server) -> list[dict[str, str]]:
    return [row for _, row in server.ask("XRANGE", f"{ROOT}:ledger", "-", "+")]


def today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("d%Y%m%d")


async def test_what_is_granted_is_held_everywhere_and_settled_once(server: Server, quota: Quota):
    limits = [Limit("tenant", "day", 150, "total", "tokens")]
    before = today()
    granted = await admit(quota, "a", limits)
    assert isinstance(granted, Granted)
    assert (granted.option, granted.output, granted.used) == (0, 90, (100,))
    assert granted.day in (before, today())
    for scope in SCOPES:
        assert held(server, granted.day, scope) == held(server, granted.month, scope) == [100, 0, 0, 0]
        assert account(server, scope)["running"] == "1"
    assert await settle(quota, "a", granted, 40) == "settled"
    assert await settle(quota, "a", granted, 40) == "again"
    for scope in SCOPES:
        assert held(server, granted.day, scope) == held(server, granted.month, scope) == [0, 0, 0, 0]
        assert spent(server, granted.day, scope) == spent(server, granted.month, scope) == [40, 80, 0, 0]
        assert account(server, scope)["running"] == "0"
    assert [(row["id"], row["method"], row["tokens"], row["credits"]) for row in rows(server)] == [
        ("a", "actual", "40", "80")
    ]


async def test_q01_five_at_once_do_not_pass_a_limit(quota: Quota):
    limits = [Limit("tenant", "window_tokens", 100)]
    wanted = [58, 80, 175, 175, 175]
    answers = await asyncio.gather(
        *(admit(quota, str(n), limits, option(0, size, size)) for n, size in enumerate(wanted))
    )
    granted = [size for size, answer in zip(wanted, answers, strict=True) if isinstance(answer, Granted)]
    assert 0 < sum(granted) <= 100
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 4
    assert all(0 < answer.wait <= 65_000 and answer.limit == 0 for answer in refused)


async def test_the_same_call_is_answered_as_before(server: Server, quota: Quota):
    limits = [Limit("tenant", "requests", 1)]
    first = await admit(quota, "a", limits)
    assert await admit(quota, "a", limits) == first
    assert isinstance(await admit(quota, "b", limits), Refused)
    assert account(server)["running"] == "1"


async def test_a_late_call_takes_nothing(server: Server, quota: Quota):
    assert isinstance(await admit(quota, "a", [], not_after=1), TooLate)
    assert server.ask("KEYS", "*") == []


async def test_what_was_given_up_can_not_come_later(server: Server, quota: Quota):
    assert await quota.abandon(TENANT, "a") == "kept away"
    assert isinstance(await admit(quota, "a", []), TooLate)
    granted = await admit(quota, "b", [])
    assert isinstance(granted, Granted)
    assert await quota.abandon(TENANT, "b") == "released"
    assert held(server, granted.day) == spent(server, granted.day) == [0, 0, 0, 0]
    assert account(server)["running"] == "0"
    assert rows(server) == []


async def test_output_shrinks_to_what_is_left_of_the_day(quota: Quota):
    limits = [Limit("tenant", "day", 130, "total", "tokens")]
    assert isinstance(await admit(quota, "a", limits), Granted)
    shrunk = await admit(quota, "b", limits, option(fewest=20))
    assert isinstance(shrunk, Granted)
    assert (shrunk.output, shrunk.used) == (20, (130,))
    refused = await admit(quota, "c", limits, option(fewest=20))
    assert isinstance(refused, Refused)
    assert (refused.limit, refused.used) == (0, 130)
    assert 0 < refused.wait <= 86_400_000


async def test_credits_shrink_it_to_the_micro_credit(quota: Quota):
    rate = 3_333_333
    limits = [Limit("tenant", "month", 100, "total", "credits")]
    shrunk = await admit(quota, "a", limits, option(output=90, fewest=1, rate=rate, prompt_credits=10))
    assert isinstance(shrunk, Granted)
    assert shrunk.output == 27  # 27 * 3.333333 = 89.99…, rounded up 90
    assert shrunk.used == (100,)


async def test_a_minute_shrinks_nothing(quota: Quota):
    limits = [Limit("tenant", "window_tokens", 99)]
    assert isinstance(await admit(quota, "a", limits, option(fewest=1)), Refused)


async def test_an_option_that_fits_comes_before_one_that_shrinks(quota: Quota):
    limits = [Limit("tenant", "day", 60, "premium", "tokens")]
    answer = await admit(quota, "a", limits, option(fewest=1, is_premium=True), option())
    assert isinstance(answer, Granted)
    assert (answer.option, answer.output) == (1, 90)


async def test_premium_is_charged_where_a_premium_target_answered(server: Server, quota: Quota):
    granted = await admit(quota, "a", [], option(is_premium=True))
    assert isinstance(granted, Granted)
    assert held(server, granted.day) == [100, 0, 100, 0]
    await settle(quota, "a", granted, 30)
    assert (held(server, granted.day), spent(server, granted.day)) == ([0, 0, 0, 0], [30, 60, 0, 0])
    again = await admit(quota, "b", [], option(is_premium=True))
    assert isinstance(again, Granted)
    await settle(quota, "b", again, 30, is_premium=True)
    assert (held(server, granted.day), spent(server, granted.day)) == ([0, 0, 0, 0], [60, 120, 30, 60])


async def test_what_died_is_swept_and_corrected_by_the_truth(server: Server, quota: Quota):
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    assert await quota.sweep(TENANT, 8) == 0
    server.ask("ZADD", f"{ROOT}:due", "1", "a")
    assert await quota.sweep(TENANT, 8) == 1
    assert (spent(server, granted.day)[0], account(server)["running"]) == (10, "0")
    assert await settle(quota, "a", granted, 70) == "corrected"
    assert await settle(quota, "a", granted, 70) == "again"
    assert spent(server, granted.day)[0] == 70
    assert [(row["method"], row["tokens"]) for row in rows(server)] == [("swept", "10"), ("corrected", "60")]


async def test_what_the_store_lost_is_charged_all_the_same(server: Server, quota: Quota):
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    server.ask("FLUSHALL")
    assert await settle(quota, "a", granted, 70) == "lost"
    assert spent(server, granted.day, "key:abcdefgh")[0] == 70
    server.ask("FLUSHALL")
    assert await settle(quota, "a", granted, 70, is_repeat=True) == "unclear"


async def test_who_still_runs_is_not_swept(server: Server, quota: Quota):
    await admit(quota, "a", [])
    server.ask("ZADD", f"{ROOT}:due", "1", "a")
    assert await quota.renew(TENANT, ["a", "b"]) == {"b"}
    assert await quota.sweep(TENANT, 8) == 0


async def test_periods_long_over_go_unless_something_is_held_in_them(server: Server, quota: Quota):
    server.ask("HSET", f"{ROOT}:of:tenant", "d20200101", "5 5 0 0 0 0 0 0", "m202001", "5 5 0 0 0 0 0 0")
    server.ask("HSET", f"{ROOT}:of:tenant", "d20200102", "5 5 0 0 7 0 0 0")
    assert isinstance(await admit(quota, "a", []), Granted)
    kept = account(server)
    assert "d20200101" not in kept
    assert "m202001" not in kept
    assert kept["d20200102"] == "5 5 0 0 7 0 0 0"


async def test_time_never_goes_back(server: Server, quota: Quota):
    """The server's clock is five seconds behind what was seen already, and midnight lies between."""
    midnight = (int(datetime.datetime.now(datetime.UTC).timestamp()) // 86_400 + 1) * 86_400
    server.ask("SET", ROOT, str(midnight * 1000 + 2000))
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    tomorrow = datetime.datetime.fromtimestamp(midnight, datetime.UTC)
    assert (granted.day, granted.now) == (tomorrow.strftime("d%Y%m%d"), midnight * 1000 + 2000)


async def test_a_settlement_a_day_late_counts_in_the_period_it_was_admitted_in(server: Server, quota: Quota):
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    server.ask("SET", ROOT, str(granted.now + 26 * 3_600_000))
    assert isinstance(await admit(quota, "b", []), Granted)  # the first of the next day; it sweeps what died
    assert await settle(quota, "a", granted, 70) == "corrected"
    assert spent(server, granted.day)[0] == 70


@pytest.mark.parametrize("seconds", [60, 64])
async def test_a_minute_is_never_shorter_than_a_minute(server: Server, quota: Quota, seconds: int):
    limits = [Limit("tenant", "requests", 1)]
    granted = await admit(quota, "a", limits)
    assert isinstance(granted, Granted)
    begin = granted.now // 5000 * 5000  # of its sub-bucket
    server.ask("SET", ROOT, str(begin + seconds * 1000))
    refused = await admit(quota, "b", limits)
    assert isinstance(refused, Refused)
    assert refused.wait == 65_000 - seconds * 1000
    server.ask("SET", ROOT, str(begin + 65_000))
    assert isinstance(await admit(quota, "b", limits), Granted)


@pytest.mark.parametrize("moment", ["2096-02-29", "2097-02-28", "2097-12-31", "2100-03-01", "2101-01-01"])
async def test_the_calendar_is_everybodys(server: Server, quota: Quota, moment: str):
    day = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.UTC, hour=23, minute=59)
    server.ask("SET", ROOT, str(int(day.timestamp() * 1000)))
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    assert (granted.day, granted.month) == (day.strftime("d%Y%m%d"), day.strftime("m%Y%m"))


async def test_what_fits_nowhere_is_told_when_it_may(quota: Quota):
    limits = [Limit("tenant", "month", 10, "total", "tokens")]
    refused = await admit(quota, "a", limits)
    assert isinstance(refused, Refused)
    now = datetime.datetime.fromtimestamp(refused.now / 1000, datetime.UTC)
    ends = datetime.datetime.fromtimestamp((refused.now + refused.wait) / 1000, datetime.UTC)
    assert (ends.day, ends.hour, ends.minute, ends.second) == (1, 0, 0, 0)
    assert 0 < (ends - now).days + 1 <= 31


async def test_only_so_many_at_once(server: Server, quota: Quota):
    limits = [Limit("key:abcdefgh", "running", 2)]
    granted = [await admit(quota, call_id, limits) for call_id in "ab"]
    refused = await admit(quota, "c", limits)
    assert isinstance(refused, Refused)
    assert (refused.used, refused.wait) == (2, 1000)
    assert isinstance(granted[0], Granted)
    await settle(quota, "a", granted[0], 1)
    assert isinstance(await admit(quota, "d", limits), Granted)
    assert account(server, "key:abcdefgh")["running"] == "2"


async def test_attempts_that_failed_have_rows_of_their_own(server: Server, quota: Quota):
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    charge = Charge("actual", 40, 80, b"{}")
    failed = [Charge("released", 0, 0, b"{}"), Charge("estimated", 5, 7, b"{}")]
    await quota.settle(TENANT, "a", charge, granted, SCOPES, failed, is_premium=False)
    assert [(row["method"], row["tokens"]) for row in rows(server)] == [
        ("actual", "40"),
        ("released", "0"),
        ("estimated", "5"),
    ]
    assert spent(server, granted.day)[:2] == [45, 87]


async def test_settling_and_giving_up_go_on_when_memory_is_full(server: Server, quota: Quota):
    granted = await admit(quota, "a", [])
    assert isinstance(granted, Granted)
    server.ask("CONFIG", "SET", "maxmemory", "1")
    assert await settle(quota, "a", granted, 40) == "settled"
    assert await quota.abandon(TENANT, "b") == "kept away"
