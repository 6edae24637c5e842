"""What is no mistake in a configuration, yet probably not meant."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from proxy.routing.candidates import Route, Target
from proxy.routing.settings import Timeouts
from proxy.runtime.build import Configuration
from proxy.runtime.snapshot import Snapshot
from proxy.runtime.spec_routes import RouteSpec, StepSpec

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def advice(configuration: Configuration, now: float) -> list[str]:
    """One sentence each. `now`: unix seconds."""
    snapshot = configuration.snapshot
    return [
        *_keys(snapshot, now),
        *(
            f"route {name}: {line}"
            for name, route in snapshot.routes.items()
            for line in _route(route, configuration.spec.routes[name], snapshot)
        ),
        *_exposure(snapshot),
    ]


def _keys(snapshot: Snapshot, now: float) -> Iterator[str]:
    for key in snapshot.keys.values():
        if key.expires is not None and key.expires <= now:
            yield f"key {key.id} of tenant {key.tenant} has expired"
        if set(key.digest) <= {"0", "1"}:
            yield f"key {key.id} of tenant {key.tenant} has a placeholder for a hash: make a key with 'segue keys new'"


def _route(route: Route, written: RouteSpec, snapshot: Snapshot) -> Iterator[str]:
    """Beside what concerns its key: whatever is said of the route and can never come to pass. A setting that is only
    among the defaults is said of no route in particular, except for `midstream`, which promises something."""
    if not any(key.may_use(route.name) for key in snapshot.keys.values()):
        yield "no key may use it"
    if len(route.candidates) == 1:
        yield from _alone(route, written)
    yield from _choices(route, written)
    if route.dimensions is not None:
        yield from _unstreamed(written)
    else:
        yield from _midstream(route)
    yield from _waiting(route)


def _alone(route: Route, written: RouteSpec) -> Iterator[str]:
    if route.retries.again == 0:
        yield (
            "it has one candidate, which is asked once, so every failure of it reaches the client: add a candidate, or "
            "raise 'retries: same_target'"
        )
    else:
        yield "it has one candidate, so nothing to fall back to"
    if written.hedging.after_seconds is not None and route.hedging is not None:
        yield "hedging never happens: there is no second candidate"
    if written.on_content_filter == "next":
        yield "'on_content_filter: next' never happens: there is no next candidate"


def _unstreamed(written: RouteSpec) -> Iterator[str]:
    if written.hedging.after_seconds not in (None, "never"):
        yield "hedging never happens: embeddings are no streams"
    if written.midstream not in (None, "fail"):
        yield f"'midstream: {written.midstream}' never happens: embeddings are no streams"


def _choices(route: Route, written: RouteSpec) -> Iterator[str]:
    for number, step in enumerate(written.candidates, 1):
        if isinstance(step, StepSpec) and len(step.any) == 1:
            yield f"'any' in step {number} chooses nothing: it has one candidate"
    if written.affinity not in (None, "none") and not route.places:
        yield "affinity never happens: no step has several candidates (put those that share the requests under 'any:')"


def _midstream(route: Route) -> Iterator[str]:
    if route.midstream == "continue" and not successors(route):
        yield (
            "'midstream: continue' never happens: none of the candidates that can come after another goes on with an "
            "answer that was begun (docs/midstream.md)"
        )
    elif route.midstream == "restart" and len(route.candidates) == 1:
        yield "'midstream: restart' never happens: there is no second candidate"


def successors(route: Route) -> list[Target]:
    """Who could go on with an answer that another began: it accepts a prefill, and another may come before it."""
    is_first_for_ever = len(route.places) < 2 or route.places[1].step > 0
    later = route.candidates[1:] if is_first_for_ever else route.candidates
    return [target for target in later if target.quirks.prefill]


def _waiting(route: Route) -> Iterator[str]:
    if any(
        not target.timeouts.least_rate and target.timeouts.rate_window != Timeouts().rate_window
        for target in route.candidates
    ):
        yield "'rate_window_seconds' says nothing while least_characters_per_second is 0"
    hedging, preceding = route.hedging, route.candidates[:-1]
    if hedging is None or hedging.after is None or not preceding:
        return
    patience = min(max(target.timeouts.first_token for target in preceding), route.timeouts.total)
    if hedging.after >= patience:
        yield f"hedging after {hedging.after:g} s never happens: no candidate has more than {patience:g} s to begin"


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
