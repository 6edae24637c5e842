"""Breakers shared through a Redis Cluster of six nodes, whose targets lie on different nodes, one of which dies."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Verdict
from proxy.runtime.store_address import StoreAddress
from proxy.store.names import of_target
from tests.dispatch.fleet import fleet, member, permit, target, until
from tests.store.clusters import Cluster, six_nodes

pytestmark = pytest.mark.timeout(120)

FAILED_OVER = 30.0  # seconds
TARGETS = [target(f"provider/model-{number}", open_time=60.0) for number in range(6)]


class Whole:
    """The cluster as if it were one server."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @property
    def address(self) -> StoreAddress:
        return self.cluster.address

    def ask(self, *command: str) -> list[Any]:
        """How many listen at any of its nodes."""
        answers = [node.say(*command) for node in self.cluster.nodes]
        return [answers[0][0], sum(int(answer[1]) for answer in answers)]


@pytest.fixture
def whole(binary: Path) -> Iterator[Whole]:
    with six_nodes(binary) as cluster:
        yield Whole(cluster)


async def test_a_cluster_shares_breakers(whole: Whole):
    nodes = {whole.cluster.owner(of_target(each.name, "breaker")).port for each in TARGETS}
    assert len(nodes) > 1
    brief = target("brief")
    async with fleet(whole, 2, *TARGETS, brief, read_every=0.5) as (first, second):
        for each in TARGETS:
            first.trip(each.name)
        for each in TARGETS:
            await until(lambda each=each: second.state(each.name) == "open")
        first.trip("brief")
        await until(lambda: second.state("brief") == "open")
        probe = await permit(second, "brief")
        assert first.acquire("brief") is None
        probe.report(Verdict.SUCCESS, time.monotonic())
        await until(lambda: first.state("brief") == "closed")
        async with member(whole, *TARGETS) as late:
            await until(lambda: all(late.state(each.name) == "open" for each in TARGETS))
        gone = whole.cluster.owner(of_target(TARGETS[0].name, "breaker"))
        gone.kill()
        # Nobody is kept from finding out, and once another node has taken over they tell each other again.
        (await permit(first, "brief", FAILED_OVER)).report(Verdict.FAILURE, time.monotonic())
        first.breakers.reset(TARGETS[0].name)
        await until(lambda: second.state(TARGETS[0].name) == "closed", FAILED_OVER)
