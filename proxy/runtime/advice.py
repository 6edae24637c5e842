"""What is no mistake in a configuration, yet probably not meant."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.runtime.snapshot import Snapshot

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def advice(snapshot: Snapshot, now: float) -> list[str]:
    """One sentence each. `now`: unix seconds."""
    return [*_keys(snapshot, now), *_routes(snapshot), *_exposure(snapshot)]


def _keys(snapshot: Snapshot, now: float) -> Iterator[str]:
    for key in snapshot.keys.values():
        if key.expires is not None and key.expires <= now:
            yield f"key {key.id} of tenant {key.tenant} has expired"
        if set(key.digest) <= {"0", "1"}:
            yield f"key {key.id} of tenant {key.tenant} has a placeholder for a hash: make a key with 'segue keys new'"


def _routes(snapshot: Snapshot) -> Iterator[str]:
    for route in snapshot.routes.values():
        if not any(key.may_use(route.name) for key in snapshot.keys.values()):
            yield f"route {route.name}: no key may use it"
        if len(route.candidates) == 1:
            yield f"route {route.name}: it has one candidate, so nothing to fall back to"


def _exposure(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.server.operations_host not in _LOOPBACK:
        yield f"operations: metrics are open to whoever reaches {snapshot.server.operations_host}"
    plain = {
        target.credential: target.base_url
        for route in snapshot.routes.values()
        for target in route.candidates
        if target.provider.auth.headers("key").keys() & dict(target.headers).keys()
        and target.base_url.startswith("http://")
        and urlsplit(target.base_url).hostname not in _LOOPBACK
    }
    for name, address in plain.items():
        yield f"provider {name}: its key travels unencrypted to {address}"
