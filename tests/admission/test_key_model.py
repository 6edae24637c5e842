"""Any sequence of changes, against a real store and a small model: what the store says of each, what it holds at the
end, and that a worker which has caught up lets in exactly the keys that the model would."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.admission.shared_keys import SharedKeys
from proxy.canonical.origin import Origins
from proxy.runtime import keys
from proxy.runtime.keys import Minted
from proxy.runtime.snapshot import SCOPES, ServerSettings, Snapshot
from proxy.store.key_records import KeyRecords
from proxy.store.records import AlreadyThere, Ended, NotFound, RecordConflict
from tests.store.recording import PATIENCE, recorded
from tests.store.servers import Server

PEPPER = b"obviously fake pepper"
PAST, FUTURE = 1.0, 4102444800.0
FILED = "filed"
Operation = tuple[str, tuple[Any, ...]]
IN_FILE = "zzzz0000"  # an id the file holds


def minted(key_id: str, secret: str = "s") -> Minted:
    key = keys.compose(key_id, secret * 32)
    return Minted(key_id, key, keys.digest(PEPPER, key))


POOL = [minted(f"abcd000{number}") for number in range(4)] + [minted("abcd0000", "t"), minted(IN_FILE)]
SNAPSHOT = Snapshot(
    ServerSettings(), {}, {}, PEPPER, Origins(PEPPER), tenants={FILED: "none"}, places={f"key:{IN_FILE}": 7}
)

some_id = st.sampled_from(sorted({each.id for each in POOL}))
some_key = st.sampled_from(POOL)
some_tenant = st.sampled_from(["acme", "zeta", FILED])
some_events = st.sampled_from([None, "events", "comments"])
some_rights = st.fixed_dictionaries(
    {},
    optional={
        "models": st.sampled_from([(), ("gpt*",)]),
        "scopes": st.sampled_from([SCOPES, ("models",)]),
        "expires": st.sampled_from([None, PAST, FUTURE]),
        "fallback_events": some_events,
    },
)
some_change = {
    "create_tenant": st.tuples(some_tenant, some_events),
    "change_tenant": st.tuples(some_tenant, some_events),
    "delete_tenant": st.tuples(some_tenant),
    "create_key": st.tuples(some_key, some_tenant, some_rights),
    "change_key": st.tuples(some_id, some_rights),
    "rotate_key": st.tuples(some_id, some_key),
    "revoke": st.tuples(st.lists(some_id, max_size=2)),
    "use_all": st.just(()),
    "catch_up": st.just(()),
    "flush": st.just(()),
}
RARE = {"delete_tenant": 1, "revoke": 2, "flush": 1}
operation = st.sampled_from([name for name in some_change for _ in range(RARE.get(name, 4))]).flatmap(
    lambda name: st.tuples(st.just(name), some_change[name])
)
BEGIN = [
    ("create_tenant", ("acme", None)),
    ("create_key", (POOL[0], "acme", {})),
    ("create_key", (POOL[1], FILED, {})),
    ("use_all", ()),
]


class Model:
    """What the store and one worker should know. Keys by id, as the fields of their records."""

    def __init__(self) -> None:
        self.tenants: dict[str, str | None] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.revoked: set[str] = set()
        self.obeyed: set[str] = set()
        self.version = 0

    def create_tenant(self, name: str, events: str | None) -> None:
        if name in self.tenants:
            raise AlreadyThere
        self.tenants[name] = events
        self.version += 1

    def change_tenant(self, name: str, events: str | None) -> None:
        if name not in self.tenants:
            raise NotFound
        self.tenants[name] = events
        self.version += 1

    def delete_tenant(self, name: str) -> None:
        if name not in self.tenants:
            raise NotFound
        del self.tenants[name]
        ended = {key_id for key_id, key in self.keys.items() if key["tenant"] == name}
        self.keys = {key_id: key for key_id, key in self.keys.items() if key_id not in ended}
        self.revoked |= ended
        self.version += 1

    def create_key(self, made: Minted, tenant: str, rights: dict[str, Any]) -> None:
        if tenant != FILED and tenant not in self.tenants:
            raise NotFound
        self._add(made, {"models": (), "scopes": SCOPES, "expires": None, "fallback_events": None} | rights, tenant)
        self.version += 1

    def _add(self, made: Minted, rights: dict[str, Any], tenant: str) -> None:
        digests = {key["digest"] for key in self.keys.values()}
        if made.id in self.keys or made.id in self.revoked or made.digest in digests:
            raise AlreadyThere
        self.keys[made.id] = {**rights, "id": made.id, "digest": made.digest, "tenant": tenant, "rotated_to": None}

    def change_key(self, key_id: str, rights: dict[str, Any]) -> None:
        if key_id not in self.keys:
            raise NotFound
        if key_id in self.revoked:
            raise Ended
        self.keys[key_id].update(rights)
        self.version += 1

    def rotate_key(self, key_id: str, successor: Minted) -> None:
        if key_id not in self.keys:
            raise NotFound
        key = self.keys[key_id]
        if key["rotated_to"] is not None or key["expires"] == PAST or key_id in self.revoked:
            raise Ended
        self._add(successor, dict(key), key["tenant"])
        key.update(rotated_to=successor.id, expires="soon")
        self.version += 1

    def revoke(self, key_ids: list[str]) -> None:
        if not self.revoked.issuperset(key_ids):
            self.version += 1
        self.revoked |= set(key_ids)

    def flush(self) -> None:
        self.tenants, self.keys, self.revoked, self.version = {}, {}, set(), 0

    def usable(self) -> dict[str, str | None]:
        """The digest of each key that opens something, with how it is told of fallbacks."""
        tenants = self.tenants | dict(SNAPSHOT.tenants)
        return {
            key["digest"]: key["fallback_events"] or tenants[key["tenant"]]
            for key_id, key in self.keys.items()
            if key_id not in self.revoked | self.obeyed and key["tenant"] in tenants and key_id != IN_FILE
        }


class Real:
    """The same operations on the store, and a worker beside it."""

    def __init__(self, server: Server, records: KeyRecords) -> None:
        self._server = server
        self._records = records
        self._shared = SharedKeys(records, time.monotonic, 60.0)
        self.create_tenant = records.create_tenant
        self.change_tenant = records.change_tenant
        self.delete_tenant = records.delete_tenant
        self.change_key = records.change_key
        self.revoke = records.revoke

    async def create_key(self, made: Minted, tenant: str, rights: Any) -> None:
        await self._records.create_key(made, tenant, rights, is_tenant_in_file=tenant == FILED)

    async def rotate_key(self, key_id: str, successor: Minted) -> None:
        await self._records.rotate_key(key_id, successor, 3600.0)

    async def flush(self) -> None:
        self._server.ask("FLUSHALL")

    async def usable(self) -> dict[str, str | None]:
        deadline = time.monotonic() + PATIENCE
        found = await asyncio.gather(*(self._shared.find(SNAPSHOT, each.digest, deadline) for each in POOL))
        return {key.digest: key.fallback_events for key in found if key is not None}

    async def catch_up(self) -> None:
        assert await self._shared.refresh((await self._records.state()).version)


async def compare(server: Server, operations: list[Operation]) -> None:
    server.ask("FLUSHALL")
    async with recorded(server.address) as found:
        records = KeyRecords(found.store, PATIENCE)
        model, real = Model(), Real(server, records)
        for name, arguments in [*BEGIN, *operations, ("catch_up", ())]:
            if name == "use_all":
                await real.usable()
            elif name == "catch_up":
                await real.catch_up()
                model.obeyed |= model.revoked
                assert await real.usable() == model.usable()
            else:
                expected = refusal(getattr(model, name), *arguments)
                assert await told(getattr(real, name)(*arguments)) == expected
            assert (await records.state()).version == model.version
        assert {each.name: each.fallback_events for each in await records.list_tenants()} == model.tenants
        assert await records.revoked() == model.revoked
        held = await records.list_keys()
        assert {each.key.id for each in held if each.is_revoked} == model.revoked & model.keys.keys()
        assert {each.key.id: fields(each.key, model.keys[each.key.id]) for each in held} == model.keys


def refusal(change: Callable[..., None], *arguments: Any) -> type[RecordConflict] | None:
    try:
        change(*arguments)
    except RecordConflict as conflict:
        return type(conflict)
    return None


async def told(change: Awaitable[object]) -> type[RecordConflict] | None:
    try:
        await change
    except RecordConflict as conflict:
        return type(conflict)
    return None


def fields(key: Any, expected: dict[str, Any]) -> dict[str, Any]:
    found = {name: getattr(key, name) for name in expected}
    if expected["expires"] == "soon" and 3500 < key.expires - time.time() < 3700:
        found["expires"] = "soon"
    return found


@pytest.mark.timeout(600)  # two minutes with HYPOTHESIS_PROFILE=wide
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(operation, min_size=10, max_size=40))
def test_any_sequence_of_changes(server: Server, operations: list[Operation]):
    asyncio.run(compare(server, operations))
