"""A specification becomes a snapshot: every name resolved to what it stands for, every reference checked, all mistakes
told at once."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from proxy.canonical.origin import Origins
from proxy.runtime.access import admin_keys, granted_keys
from proxy.runtime.document import Document, ReadFile, read_document
from proxy.runtime.problems import ConfigurationError, Problems
from proxy.runtime.routes import Routes
from proxy.runtime.snapshot import ServerSettings, Snapshot, StoreSettings
from proxy.runtime.spec import AUTO, EMBEDDED, Spec, StoreSpec
from proxy.runtime.store_address import parse_store_url
from proxy.runtime.upstreams import connections
from proxy.runtime.validation import validate

SHORTEST_SECRET = 16


class Configuration(NamedTuple):
    """What a file says, twice: `spec` can be handed to another process, which builds the same snapshot from it."""

    spec: Spec
    snapshot: Snapshot


def load(text: str, environment: Mapping[str, str], read_file: ReadFile) -> Configuration:
    """What a YAML file describes. Raises ConfigurationError with every mistake and its line.

    `read_file`: the content of a file a secret points to; raises OSError or UnicodeDecodeError.
    """
    document = read_document(text, environment, read_file)
    spec, mistakes = validate(document)
    problems = Problems(mistake.path for mistake in mistakes)
    snapshot = _build(spec, problems) if spec is not None else None
    mistakes += [problem._replace(line=document.line(problem.path)) for problem in problems.found]
    if mistakes or snapshot is None or spec is None:
        raise ConfigurationError(mistakes)
    return Configuration(spec, msgspec.structs.replace(snapshot, places=_places(spec, document)))


def build_snapshot(spec: Spec) -> Snapshot:
    """Raises ConfigurationError."""
    problems = Problems()
    snapshot = _build(spec, problems)
    if problems.found:
        raise ConfigurationError(problems.found)
    return snapshot


def _build(spec: Spec, problems: Problems) -> Snapshot:
    """Worth nothing if `problems` were found."""
    secret = spec.secret.get_secret_value()
    if len(secret) < SHORTEST_SECRET:
        missing = "is missing" if not secret else f"is shorter than {SHORTEST_SECRET} characters"
        problems.add(
            ("secret",), f"'secret' {missing}", "write 'secret: ${SEGUE_SECRET}' and set it: openssl rand -hex 32"
        )
    if not spec.providers:
        problems.add(("providers",), "there are no providers", "name at least one under 'providers:'")
    if not spec.routes:
        problems.add(("routes",), "there are no routes", "name at least one under 'routes:'")
    origins = Origins(secret.encode())
    routes = Routes(spec, connections(spec.providers, origins, problems), problems).build()
    return Snapshot(
        server=_server(spec),
        routes=routes,
        keys=granted_keys(spec, problems),
        pepper=secret.encode(),
        origins=origins,
        store=_store(spec.store),
        admin_keys=admin_keys(spec.operations, problems),
        tenants={name: tenant.fallback_events for name, tenant in spec.tenants.items()},
    )


def _places(spec: Spec, document: Document) -> dict[str, int]:
    places = {f"tenant:{name}": document.line(("tenants", name)) for name in spec.tenants}
    for name, tenant in spec.tenants.items():
        for index, key in enumerate(tenant.keys):
            places[f"key:{key.id}"] = document.line(("tenants", name, "keys", index))
    return places


def _store(spec: StoreSpec) -> StoreSettings:
    url = spec.url.get_secret_value()
    return StoreSettings(
        address=None if url == EMBEDDED else parse_store_url(url),
        directory=spec.directory,
        maximum_memory=spec.maximum_memory,
        timeout=spec.timeout_seconds,
        key_staleness=spec.key_staleness_seconds,
    )


def _server(spec: Spec) -> ServerSettings:
    return ServerSettings(
        host=spec.server.host,
        port=spec.server.port,
        operations_host=spec.operations.host,
        operations_port=spec.operations.port,
        body_limit=spec.server.body_limit,
        body_timeout=spec.server.body_timeout_seconds,
        ping_interval=spec.server.ping_interval_seconds,
        silence_before_headers=spec.server.silence_before_headers_seconds,
        send_timeout=spec.server.send_timeout_seconds,
        drain_accepting=spec.server.drain_accepting_seconds,
        shutdown_grace=spec.server.shutdown_grace_seconds,
        workers=None if spec.server.workers == AUTO else spec.server.workers,
        in_flight_limit=spec.server.in_flight_limit,
        shed_at_lag=spec.server.shed_at_lag_seconds,
    )
