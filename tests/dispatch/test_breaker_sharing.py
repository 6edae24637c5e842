"""What several processes' breakers make of each other's experience, over a real store."""

import asyncio
import time

import pytest

from proxy.errors import Verdict
from proxy.routing.breaker import Permit
from proxy.routing.standing import Standing
from proxy.store.breaker_records import BreakerRecords, Word
from proxy.store.names import BREAKERS, of_target
from proxy.store.scripts import Script
from tests.dispatch.fleet import OPEN_TIME, SOON, Member, fleet, listening, member, permit, target, until
from tests.store.servers import Server

SUCCESS, FAILURE, NONE, COOL = Verdict.SUCCESS, Verdict.FAILURE, Verdict.NONE, Verdict.COOL_DOWN
LONG = target("a", open_time=30.0)


def report(given: Permit, verdict: Verdict) -> None:
    given.report(verdict, time.monotonic())


async def test_others_follow(server: Server):
    async with fleet(server, 3, LONG) as (first, *others):
        first.trip()
        for other in others:
            await until(lambda other=other: other.state() == "open")
            assert other.acquire() is None
            assert other.retry_in() == pytest.approx(first.retry_in(), abs=0.5)
            refusal = other.breakers.refusal(LONG)
            assert (refusal.detail, refusal.retry_after) == ("breaker_open", pytest.approx(30, abs=2))
        assert [each.moved for each in (first, *others)] == [[("a", "open")], [], []], "it happened once"


async def test_a_late_one_reads_how_things_stand(server: Server):
    async with fleet(server, 1, LONG, target("b", open_time=30.0)) as [first]:
        first.trip("a")
        first.tell(COOL, 60.0, "b")
        await until(lambda: len(server.ask("KEYS", "*")) == 2)
        async with member(server, *first.targets.values()) as late:
            await until(lambda: late.detail("a") == "breaker_open")
            await until(lambda: late.detail("b") == "cooling_down")
            assert late.retry_in("a") == pytest.approx(first.retry_in("a"), abs=0.5)
            assert late.retry_in("b") == pytest.approx(60, abs=5)


async def test_others_follow_when_it_closes_and_start_slowly(server: Server):
    slowly = target("a", slow_start=60.0)
    async with fleet(server, 2, slowly) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        report(await permit(first), SUCCESS)
        assert first.state() == "closed"
        await until(lambda: second.state() == "closed")
        assert second.acquire() is not None
        assert second.acquire() is None
        assert second.detail() == "slow_start"
        assert second.acquire(is_last=True) is not None


async def test_the_open_time_doubles_whoever_probed(server: Server):
    async with fleet(server, 2, target("a", open_time=0.2)) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        report(await permit(second), FAILURE)
        assert second.retry_in() == pytest.approx(0.4, abs=0.1)
        await until(lambda: first.retry_in() > 0.2)
        report(await permit(first), FAILURE)
        assert first.retry_in() == pytest.approx(0.8, abs=0.1)


async def test_one_probe_in_the_fleet(server: Server):
    async with fleet(server, 6) as members:
        members[0].trip()
        await until(lambda: all(each.state() == "open" for each in members))
        probes: list[tuple[Member, Permit]] = []

        async def ask(each: Member) -> None:
            """A request every few milliseconds, twenty at a time."""
            for _ in range(100):
                probes.extend((each, given) for _ in range(20) if (given := each.acquire()) is not None)
                await asyncio.sleep(0.01)

        for verdict in (FAILURE, SUCCESS):
            await asyncio.sleep(2 * OPEN_TIME)
            probes.clear()
            await asyncio.gather(*(ask(each) for each in members))
            [(holder, probe)] = probes
            assert [each.state() for each in members if each is not holder] == ["open"] * 5
            report(probe, verdict)
            await until(lambda: all(each.state() == holder.state() != "half-open" for each in members))  # noqa: B023
        assert members[0].state() == "closed"
        assert all(each.acquire() for each in members for _ in range(10))


async def test_who_probes_goes_on_until_it_is_closed(server: Server):
    async with fleet(server, 3, target("a", success_threshold=3)) as members:
        members[0].trip()
        await until(lambda: all(each.state() == "open" for each in members))
        await asyncio.sleep(OPEN_TIME)
        holders = []
        for _ in range(3):
            given = None
            while given is None:
                await asyncio.sleep(0.01)
                for each in members:
                    given = each.acquire()
                    if given is not None:
                        holders.append(each)
                        break
            report(given, SUCCESS)
        assert holders == [holders[0]] * 3
        await until(lambda: all(each.state() == "closed" for each in members))


async def test_a_long_probe_keeps_its_lease(server: Server):
    async with fleet(server, 2, lease=0.6) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        probe = await permit(first)
        for _ in range(40):
            assert second.acquire() is None
            assert second.detail() == "probe_pending"
            await asyncio.sleep(0.05)
        report(probe, NONE)
        await permit(second)


async def test_leave_that_nobody_uses_goes_to_another(server: Server):
    async with fleet(server, 2) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        await asyncio.sleep(OPEN_TIME)
        assert first.acquire() is None, "it asks, and moves on"
        await until(lambda: server.ask("EXISTS", of_target("a", "probe")))
        begun = time.monotonic()
        await permit(second)
        assert 1.5 < time.monotonic() - begun < SOON
        assert first.acquire() is None


async def test_a_target_that_is_seldom_asked_for_is_probed_too(server: Server):
    async with fleet(server, 2) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        given = [first.acquire()]
        for _ in range(3):
            await asyncio.sleep(2.5)
            given.append(first.acquire())
        assert [each is not None for each in given][:2] == [False, False]
        assert given[3] is not None


async def test_who_lost_his_lease_asks_again(server: Server):
    async with fleet(server, 2, lease=0.6) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        await asyncio.sleep(OPEN_TIME)
        assert first.acquire() is None
        await until(lambda: server.ask("EXISTS", of_target("a", "probe")))
        server.ask("SET", of_target("a", "probe"), "somebody else", "PX", 5000)
        await asyncio.sleep(0.5)
        assert first.acquire() is None, "leave was taken from it"
        server.ask("DEL", of_target("a", "probe"))
        await permit(first)


async def test_what_was_told_first_stands(server: Server):
    async with fleet(server, 1, LONG) as [first]:
        elsewhere = BreakerRecords(first.client.store)
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")  # so that it cannot have heard
        _, told = await elsewhere.tell("a", Word.MOVED, 0, Standing(True, 77.0, 5))
        first.trip()
        await until(lambda: first.retry_in() > 70)
        assert (await elsewhere.read("a")).version == told.version


async def test_a_lost_message_is_made_good(server: Server):
    async with fleet(server, 1, LONG, read_every=0.3) as [first]:
        keys = (of_target("a", "breaker"), of_target("a", "probe"))
        unheard = ("somebody", "moved", "0", "open", "30000000", "1", "0", "60000", "another channel", "a")
        await first.client.store.run(Script("tell_breaker"), keys, unheard)
        await until(lambda: first.state() == "open")


async def test_whoever_could_not_listen_for_a_while_reads(server: Server):
    async with fleet(server, 2, LONG) as (first, second):
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        first.trip()
        await until(lambda: second.state() == "open")
        await until(lambda: listening(server) == 2)


async def test_a_probe_without_knowledge_is_not_allowed(server: Server):
    """It missed that another has probed and failed: it learns of that instead of probing."""
    async with fleet(server, 1) as [first]:
        first.trip()
        await until(lambda: server.ask("EXISTS", of_target("a", "breaker")))
        version = (await first.records.read("a")).version
        keys = (of_target("a", "breaker"), of_target("a", "probe"))
        unheard = ("somebody", "moved", str(version), "open", "30000000", "2", "0", "60000", "another channel", "a")
        await first.client.store.run(Script("tell_breaker"), keys, unheard)
        await asyncio.sleep(OPEN_TIME)
        assert first.acquire() is None
        await until(lambda: first.retry_in() > 20)


async def test_c01_a_longer_pause_extends_a_shorter_one_everywhere(server: Server):
    async with fleet(server, 2, LONG) as (first, second):
        late = second.acquire()
        assert late is not None
        first.tell(COOL, 1.0)
        await until(lambda: second.detail() == "cooling_down")
        late.report(COOL, time.monotonic(), 40.0)
        await until(lambda: first.retry_in() > 30)
        assert first.retry_in() == pytest.approx(second.retry_in(), abs=0.5)
        refusal = first.breakers.refusal(LONG)
        assert (refusal.detail, refusal.policy.reason) == ("cooling_down", "rate_limit")
        assert refusal.retry_after == pytest.approx(40, abs=5)


async def test_c06_what_the_caller_did_is_nobodys_business(server: Server):
    async with fleet(server, 2) as (first, second):
        for _ in range(20):
            first.tell(NONE)
        await asyncio.sleep(0.2)
        assert server.ask("KEYS", "*") == []
        assert second.acquire() is not None


async def test_a_rejected_credential_is_known_everywhere(server: Server):
    both = (target("a", "key"), target("b", "key"), target("c", "another"))
    async with fleet(server, 2, *both) as (first, second):
        for _ in range(3):
            first.tell(Verdict.CREDENTIAL)
        await until(lambda: second.detail("credential:key") == "credential_rejected")
        for name in ("a", "b"):
            assert second.acquire(name) is None
            refusal = second.breakers.refusal(second.targets[name])
            assert (refusal.detail, refusal.policy.reason) == ("credential_rejected", "auth_error")
            assert refusal.retry_after == pytest.approx(30, abs=5)
        assert second.acquire("c") is not None
        second.breakers.reset("b")
        await until(lambda: first.acquire("a") is not None)


async def test_orders_count_everywhere(server: Server):
    async with fleet(server, 3, LONG) as (first, second, third):
        assert first.breakers.force_open("a", 600.0)
        await until(lambda: second.detail() == third.detail() == "forced_open")
        row = second.breakers.table()[0]
        assert row.forced_until == pytest.approx(time.time() + 600, abs=5)
        assert second.breakers.reset("a")
        await until(lambda: first.acquire() is not None and third.acquire() is not None)
        first.trip()
        await until(lambda: third.state() == "open")
        third.breakers.reset("a")
        await until(lambda: first.acquire() is not None)
        await asyncio.sleep(0.2)  # its credential's is told, too
        assert first.breakers.force_open("credential:key", 600.0)
        await until(lambda: second.acquire() is None)


async def test_orders_given_to_all_at_once_agree(server: Server):
    """As an administrator's are, who has every worker carry them out."""
    async with fleet(server, 4, LONG) as members:
        for _ in range(5):
            for each in members:
                each.breakers.force_open("a", 600.0)
            for each in members:
                each.breakers.reset("a")
        await asyncio.sleep(1.0)
        assert [each.detail() for each in members] == [""] * 4
        assert not (await members[0].records.read("a")).is_open


async def test_whoever_came_late_obeys_orders_too(server: Server):
    async with fleet(server, 1, LONG) as [first]:
        first.breakers.force_open("a", 600.0)
        await until(lambda: server.ask("EXISTS", of_target("a", "breaker")))
    async with member(server, LONG) as late:
        await until(lambda: late.detail() == "forced_open")


async def test_targets_come_and_go(server: Server):
    async with fleet(server, 2, LONG) as (first, second):
        other = target("b", open_time=30.0)
        first.breakers.keep([LONG, other])
        first.targets["b"] = other
        first.trip("b")
        await until(lambda: server.ask("EXISTS", of_target("b", "breaker")))
        second.breakers.keep([other])
        second.targets["b"] = other
        await until(lambda: second.state("b") == "open")
        assert "a" not in second.breakers.names()
        first.trip("a")
        await asyncio.sleep(0.1)
        assert "a" not in second.breakers.names()


async def test_changed_settings_begin_with_what_others_know(server: Server):
    async with fleet(server, 1, LONG) as [first]:
        first.trip()
        await until(lambda: server.ask("EXISTS", of_target("a", "breaker")))
        first.breakers.keep([target("a", open_time=40.0)])
        assert first.state() == "closed"
        await until(lambda: first.state() == "open")


async def test_nothing_stays_in_the_store(server: Server):
    async with fleet(server, 2) as (first, second):
        first.trip()
        await until(lambda: second.state() == "open")
        await permit(second)
        for _ in range(3):
            first.breakers.force_open("credential:key", 10.0)
        await until(lambda: len(server.ask("KEYS", "*")) == 3)
        assert all(0 < server.ask("PTTL", key) < 700_000 for key in server.ask("KEYS", "*"))


async def test_who_stops_leaves_the_rest_alone(server: Server):
    async with fleet(server, 1) as [first]:
        async with member(server, *first.targets.values()) as second:
            second.trip()
            await until(lambda: first.state() == "open")
        await until(lambda: listening(server) == 1)
        probe = await permit(second)  # by itself now
        report(probe, NONE)
        await permit(first)


async def test_junk_disturbs_nobody(server: Server):
    async with fleet(server, 2, LONG, read_every=0.2) as (first, second):
        for junk in ("", "x", "1 2 3 4 5 6 7 8 a", "1 2 open 3 4 5 6 a"):
            server.ask("PUBLISH", BREAKERS, junk)
            server.ask("SET", of_target("a", "breaker"), junk)
            await asyncio.sleep(0.1)
        assert (first.state(), second.state()) == ("closed", "closed")
        first.trip()
        await until(lambda: second.state() == "open")
