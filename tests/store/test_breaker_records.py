"""What processes tell each other of a breaker, and who of them may probe, on a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from proxy.routing.standing import Standing
from proxy.store.breaker_records import BreakerRecords, Told, Word
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.names import BREAKERS, of_target
from tests.store.servers import Server

NAME = "openai/gpt-6"
OPEN = Standing(True, 30.0, trips=2)
CLOSED = Standing(False, 0.0)
MOVED = Word.MOVED


@pytest.fixture
def one(store: Store) -> BreakerRecords:
    return BreakerRecords(store)


@pytest.fixture
def another(store: Store) -> BreakerRecords:
    """As another process has it."""
    return BreakerRecords(store)


def standing(told: Told) -> Standing:
    """As it was when it was told, without the digits that do not matter."""
    found = told.standing(told.at)
    return found._replace(seconds=round(found.seconds, 3), cooling=round(found.cooling, 3))


async def told_by(records: BreakerRecords, word: Word, seen: int, stands: Standing) -> Told:
    was_taken, told = await records.tell(NAME, word, seen, stands)
    assert was_taken
    return told


async def test_nothing_is_known_at_first(one: BreakerRecords):
    told = await one.read(NAME)
    assert told.version == 0
    assert standing(told) == Standing(False, pytest.approx(told.at, abs=1))
    assert abs(told.at - time.time()) < 5


@pytest.mark.parametrize(
    "stands",
    [
        OPEN,
        Standing(True, 0.0),
        Standing(False, 3.0),
        Standing(True, 0.25, 1, True),
        Standing(True, 86400.0, 7, True, 9.0),
    ],
)
async def test_what_one_tells_another_reads(one: BreakerRecords, another: BreakerRecords, stands: Standing):
    word = Word.FORCED if stands.is_forced else MOVED
    told = await told_by(one, word, 0, stands)
    assert standing(told) == stands
    read = await another.read(NAME)
    assert read._replace(at=told.at) == told
    assert read.author == one.own != another.own
    assert read.at >= told.at


async def test_time_goes_on(one: BreakerRecords):
    await told_by(one, MOVED, 0, Standing(True, 30.0, cooling=40.0))
    await asyncio.sleep(0.2)
    later = await one.read(NAME)
    assert later.standing(later.at).seconds == pytest.approx(29.8, abs=0.15)
    assert later.standing(later.at).cooling == pytest.approx(39.8, abs=0.15)


async def test_what_was_told_first_stands(one: BreakerRecords, another: BreakerRecords):
    first = await told_by(one, MOVED, 0, OPEN)
    was_taken, told = await another.tell(NAME, MOVED, 0, CLOSED)
    assert not was_taken
    assert told._replace(at=first.at) == first
    second = await told_by(another, MOVED, told.version, CLOSED)
    assert second.version > first.version
    assert (await one.tell(NAME, MOVED, first.version, OPEN))[0] is False


async def test_an_answer_that_was_lost_is_no_bar(one: BreakerRecords):
    """Whoever does not know whether he told it tells it again."""
    await told_by(one, MOVED, 0, OPEN)
    again = await told_by(one, MOVED, 0, CLOSED)
    assert not again.is_open


async def test_who_has_seen_more_than_the_store_remembers_counts(server: Server, one: BreakerRecords):
    told = await told_by(one, MOVED, 0, OPEN)
    server.ask("FLUSHALL")
    assert (await told_by(one, MOVED, told.version, CLOSED)).version > told.version
    far = 2 * told.version
    assert (await told_by(one, MOVED, far, OPEN)).version == far + 1, "also when the store's clock went back"


@pytest.mark.parametrize(("word", "stands"), [(Word.FORCED, Standing(True, 600.0, 0, True)), (Word.RESET, CLOSED)])
async def test_an_order_counts_whatever_came_before(
    one: BreakerRecords, another: BreakerRecords, word: Word, stands: Standing
):
    first = await told_by(one, MOVED, 0, OPEN._replace(cooling=50.0))
    ordered = await told_by(another, word, 0, stands)
    assert ordered.version > first.version
    assert ordered.is_forced is (word is Word.FORCED)
    assert ordered.reset == (ordered.version if word is Word.RESET else 0)
    assert standing(ordered).cooling == pytest.approx(0.0 if word is Word.RESET else 50.0, abs=1.0)
    after = await told_by(one, MOVED, ordered.version, OPEN)
    assert after.reset == ordered.reset, "who missed the reset learns of it"


async def test_c01_a_pause_is_the_longer_one(one: BreakerRecords, another: BreakerRecords):
    for records, seconds, left in ((one, 1.0, 1.0), (another, 30.0, 30.0), (one, 2.0, 30.0)):
        told = await records.pause(NAME, seconds)
        assert told.standing(told.at).cooling == pytest.approx(left, abs=0.5)
    assert told.version == 0, "a pause is no transition"
    assert not told.is_open


async def test_a_pause_leaves_the_rest_alone(one: BreakerRecords, another: BreakerRecords):
    first = await told_by(one, MOVED, 0, OPEN)
    paused = await another.pause(NAME, 5.0)
    assert paused._replace(at=first.at, pause_ends=first.pause_ends) == first
    second = await told_by(one, MOVED, first.version, CLOSED)
    assert second.standing(second.at).cooling == pytest.approx(5.0, abs=0.5)


async def test_one_has_leave_to_probe(one: BreakerRecords, another: BreakerRecords):
    assert await one.lease(NAME, 0, 3.0) == (True, 0.0, None)
    refused = await another.lease(NAME, 0, 3.0)
    assert not refused.is_granted
    assert refused.wait == pytest.approx(3.0, abs=0.5)
    assert (await one.lease(NAME, 0, 15.0)).is_granted, "renewed"
    assert (await another.lease(NAME, 0, 3.0)).wait == pytest.approx(15.0, abs=0.5)
    await another.release(NAME)
    assert not (await another.lease(NAME, 0, 3.0)).is_granted, "it was not his"
    await one.release(NAME)
    assert (await another.lease(NAME, 0, 3.0)).is_granted
    assert not (await one.lease(NAME, 0, 3.0)).is_granted


async def test_one_of_many_has_leave_to_probe(store: Store):
    fleet = [BreakerRecords(store) for _ in range(12)]
    leaves = await asyncio.gather(*(records.lease(NAME, 0, 5.0) for records in fleet for _ in range(10)))
    granted = {at // 10 for at, leave in enumerate(leaves) if leave.is_granted}
    assert len(granted) == 1


async def test_leave_ends_by_itself(one: BreakerRecords, another: BreakerRecords):
    assert (await one.lease(NAME, 0, 0.2)).is_granted
    await asyncio.sleep(0.3)
    assert (await another.lease(NAME, 0, 3.0)).is_granted


async def test_who_knows_too_little_may_not_probe(one: BreakerRecords, another: BreakerRecords):
    told = await told_by(one, MOVED, 0, OPEN)
    refused = await another.lease(NAME, 0, 3.0)
    assert not refused.is_granted
    assert refused.told is not None
    assert refused.told._replace(at=told.at) == told
    assert (await another.lease(NAME, told.version, 3.0)).is_granted


async def test_telling_gives_leave_back(one: BreakerRecords, another: BreakerRecords):
    first = await told_by(one, MOVED, 0, OPEN)
    assert (await one.lease(NAME, first.version, 15.0)).is_granted
    await another.pause(NAME, 1.0)
    await told_by(another, Word.FORCED, 0, OPEN)
    second = await another.read(NAME)
    assert not (await another.lease(NAME, second.version, 1.0)).is_granted, "others' words are not the holder's"
    assert not (await one.tell(NAME, MOVED, first.version, CLOSED))[0]
    assert (await another.lease(NAME, second.version, 1.0)).is_granted, "his probe is over, whatever it proved"


async def test_everything_goes_by_itself(server: Server, one: BreakerRecords):
    await told_by(one, MOVED, 0, Standing(True, 30.0, cooling=100.0))
    await one.lease(NAME, (await one.read(NAME)).version, 15.0)
    lives = {key: server.ask("PTTL", key) for key in server.ask("KEYS", "*")}
    assert set(lives) == {of_target(NAME, "breaker"), of_target(NAME, "probe")}
    assert 690_000 < lives[of_target(NAME, "breaker")] <= 700_000
    assert 14_000 < lives[of_target(NAME, "probe")] <= 15_000
    await told_by(one, Word.RESET, 0, CLOSED)
    assert 590_000 < server.ask("PTTL", of_target(NAME, "breaker")) <= 600_000


@pytest.mark.parametrize(
    "junk", ["", "nonsense", "1 2 3", "x x open x x x x", "1 a open 1 1 1 1 1", "-1 a open 1 1 1 1"]
)
async def test_what_nobody_of_us_wrote_says_nothing(server: Server, one: BreakerRecords, junk: str):
    server.ask("SET", of_target(NAME, "breaker"), junk)
    told = await one.read(NAME)
    assert (told.version, told.is_open, told.pause_ends) == (0, False, 0)
    assert (await one.lease(NAME, 1, 1.0)).is_granted
    assert standing(await told_by(one, MOVED, 0, OPEN)) == OPEN


async def test_a_full_store_shares_breakers(server: Server, one: BreakerRecords):
    server.ask("CONFIG", "SET", "maxmemory", "1")
    told = await told_by(one, MOVED, 0, OPEN)
    await one.pause(NAME, 1.0)
    assert (await one.lease(NAME, told.version, 1.0)).is_granted


async def test_no_store_no_answer(server: Server, one: BreakerRecords):
    assert one.is_reachable
    server.kill()
    asked: list[Coroutine[Any, Any, object]] = [
        one.read(NAME),
        one.tell(NAME, MOVED, 0, OPEN),
        one.pause(NAME, 1.0),
        one.lease(NAME, 0, 1.0),
        one.release(NAME),
    ]
    for each in asked:
        with pytest.raises(StoreDown):
            await each
    assert not one.is_reachable


@asynccontextmanager
async def listening(records: BreakerRecords, server: Server) -> AsyncIterator[Callable[[], Coroutine[Any, Any, Told]]]:
    """Gives what is told, one after the another."""
    messages = records.messages()
    assert await anext(messages) is None
    assert server.ask("PUBSUB", "NUMSUB", BREAKERS)[1] == 1

    async def heard() -> Told:
        async with asyncio.timeout(5):
            told = await anext(messages)
        assert told is not None
        return told

    try:
        yield heard
    finally:
        await messages.aclose()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [NAME, "a name with spaces", "{}% {x}", "caf\xe9", "credential:openai"])
async def test_who_listens_hears_everything(server: Server, one: BreakerRecords, another: BreakerRecords, name: str):
    async with listening(another, server) as heard:
        _, opened = await one.tell(name, MOVED, 0, OPEN)
        assert await heard() == opened
        assert opened.name == name
        paused = await one.pause(name, 9.0)
        assert await heard() == paused
        _, refused = await another.tell(name, MOVED, 0, CLOSED)
        _, reset = await one.tell(name, Word.RESET, 0, CLOSED)
        assert await heard() == reset, "what was refused is not told"
        assert refused.version == opened.version


async def test_junk_on_the_channel_is_passed_over(server: Server, one: BreakerRecords, another: BreakerRecords):
    async with listening(another, server) as heard:
        for junk in ("", "1", "x y z", "1 2 3 4 5 6 7 8 9 10", "1764000000000000 1 a open 1 1 1 1 "):
            server.ask("PUBLISH", BREAKERS, junk)
        told = await told_by(one, MOVED, 0, OPEN)
        while (heard_of := await heard()).name != NAME:
            assert heard_of.version == 0
        assert heard_of == told
