"""The same tests of tenants, keys, replicas and breakers, where the store is a Sentinel set or a six-node cluster."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from proxy.store.client import Store
from proxy.store.key_records import KeyRecords
from tests.store.clusters import Cluster, SentinelSet, sentinel_set, six_nodes
from tests.store.recording import PATIENCE, recorded

# Collected here too, these run with this module's fixtures. Not what looks at published messages: those of an earlier
# test still come along a cluster's bus.
from tests.store.test_breaker_records import (  # noqa: F401
    another,
    one,
    test_an_answer_that_was_lost_is_no_bar,
    test_an_order_counts_whatever_came_before,
    test_c01_a_pause_is_the_longer_one,
    test_leave_ends_by_itself,
    test_one_has_leave_to_probe,
    test_one_of_many_has_leave_to_probe,
    test_telling_gives_leave_back,
    test_what_one_tells_another_reads,
    test_what_was_told_first_stands,
    test_who_knows_too_little_may_not_probe,
)
from tests.store.test_key_records import (  # noqa: F401
    test_a_key,
    test_a_key_of_a_tenant_in_the_file,
    test_a_tenant,
    test_many_at_once,
    test_nothing_left_to_rotate,
    test_revocation,
    test_rights_change_one_by_one,
    test_rotation,
    test_rotation_never_prolongs,
    test_the_end_of_a_tenant,
    test_what_is_taken,
    test_what_there_is_not,
)
from tests.store.test_replicas import (  # noqa: F401
    other,
    own,
    test_replicas_know_each_other,
    test_who_does_not_obey_yet_is_missing,
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def servers(request: pytest.FixtureRequest, binary: Path) -> Iterator[SentinelSet | Cluster]:
    begun = sentinel_set(binary) if request.param == "sentinel" else six_nodes(binary)
    with begun as servers:
        yield servers


@pytest.fixture
async def store(servers: SentinelSet | Cluster) -> AsyncIterator[Store]:
    """Emptied."""
    for node in servers.masters:
        node.ask("FLUSHALL")
    async with recorded(servers.address) as client:
        yield client.store


@pytest.fixture
def records(store: Store) -> KeyRecords:
    return KeyRecords(store, PATIENCE)
