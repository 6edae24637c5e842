"""What a process knows of its targets: kept over a reload, forgotten with the target, measured only where wanted."""

import asyncio

from proxy.dispatch.targets import Targets
from proxy.routing.latency import PeakEwma
from proxy.routing.selection import Load
from proxy.routing.settings import Concurrency
from proxy.telemetry.clocks import Clocks
from tests.dispatch.toy import target

CLOCKS = Clocks(monotonic=lambda: 100.0, wall=lambda: 0.0)


def test_it_survives_a_reload_by_name():
    targets = Targets(CLOCKS)
    before = targets.of(target("a", concurrency=Concurrency(1)))
    before.in_flight = 3
    targets.keep([target("a", concurrency=Concurrency(2)), target("b")])
    after = targets.of(target("a", concurrency=Concurrency(2)))
    assert after is before
    assert after.capacity is not None
    assert [after.capacity.take() for _ in range(3)] == [True, True, False]


def test_what_was_taken_out_of_the_configuration_is_forgotten():
    targets = Targets(CLOCKS)
    gone = targets.of(target("a"))
    targets.of(target("b"))
    targets.keep([target("b")])
    assert targets.of(target("a")) is not gone
    assert targets.in_flight() == {"b": 0}, "a request of an earlier configuration may still ask for it"


async def test_limits_come_and_go():
    targets = Targets(CLOCKS)
    traffic = targets.of(target("a"))
    assert traffic.capacity is None
    targets.keep([target("a", concurrency=Concurrency(1))])
    places = traffic.capacity
    assert places is not None
    assert targets.queued() == {"a": 0}
    assert places.take()
    waiting = asyncio.ensure_future(places.wait(5))
    await asyncio.sleep(0)
    assert targets.queued() == {"a": 1}
    targets.keep([target("a")])
    assert await waiting, "whoever waits need not any more"
    assert traffic.capacity is None
    assert targets.queued() == {}


def test_a_request_of_an_earlier_configuration_changes_no_limit():
    targets = Targets(CLOCKS)
    before, now = target("a", concurrency=Concurrency(1)), target("a", concurrency=Concurrency(7))
    targets.of(before)
    targets.keep([now])
    capacity = targets.of(before).capacity
    assert capacity is not None
    assert capacity.settings == Concurrency(7)


def test_latency_is_measured_from_when_it_is_asked_for():
    targets = Targets(CLOCKS)
    traffic = targets.of(target("a"))
    traffic.took(5.0, 100.0, is_stream=True)
    assert targets.load(target("a")) == Load(0, 0.0)
    traffic.took(2.0, 100.0, is_stream=False)
    traffic.in_flight = 4
    expected = PeakEwma()
    expected.observe(2.0, 100.0)
    assert targets.load(target("a")) == Load(4, expected.value(100.0))


def test_the_slowest_twentieth_is_of_streams_only():
    traffic = Targets(CLOCKS).of(target("a"))
    assert traffic.p95() is None
    for _ in range(200):
        traffic.took(60.0, 100.0, is_stream=False)
    assert traffic.p95() is None
    for _ in range(200):
        traffic.took(0.5, 100.0, is_stream=True)
    assert traffic.p95() == 0.5
