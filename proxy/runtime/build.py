"""A specification becomes a snapshot: every name resolved to what it stands for, every reference checked, all mistakes
told at once."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec

from proxy.canonical.origin import Origins
from proxy.providers.models import model_facts, quirks_of
from proxy.providers.provider import Provider
from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Operation, Route, Target, Timeouts
from proxy.runtime.access import admin_keys, granted_keys
from proxy.runtime.document import Document, ReadFile, read_document
from proxy.runtime.problems import ConfigurationError, Path, Problems, listed, suggestion
from proxy.runtime.snapshot import ServerSettings, Snapshot, StoreSettings
from proxy.runtime.spec import EMBEDDED, CandidateSpec, RouteSpec, Section, Spec, StoreSpec
from proxy.runtime.store_address import parse_store_url
from proxy.runtime.upstreams import Connection, blame_vocabulary, connections
from proxy.runtime.validation import validate
from proxy.vocabularies.catalog import UPSTREAM

SHORTEST_SECRET = 16

_TIMEOUTS = {f"{name}_seconds": name for name in Timeouts.__struct_fields__}
_BREAKER = {
    "consecutive_failures": "consecutive_failures",
    "window_seconds": "window",
    "minimum_volume": "minimum_volume",
    "failure_rate": "failure_rate",
    "open_seconds": "open_time",
    "longest_open_seconds": "longest_open_time",
    "success_threshold": "success_threshold",
}
Settings = TypeVar("Settings", bound=msgspec.Struct)


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
    routes = _Routes(spec, connections(spec.providers, origins, problems), problems).build()
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
        workers=None if spec.server.workers == "auto" else spec.server.workers,
    )


class _Routes:
    """Resolves the routes of one specification; remembers targets by name, because breakers are kept by it."""

    def __init__(self, spec: Spec, connections: Mapping[str, Connection], problems: Problems) -> None:
        self._spec = spec
        self._connections = connections
        self._problems = problems
        self._known: dict[str, tuple[Target, Path]] = {}

    def build(self) -> dict[str, Route]:
        self._check_breaker(self._breaker(), ("defaults", "breaker"))
        return {name: self._route(name, route) for name, route in self._spec.routes.items()}

    def _route(self, name: str, route: RouteSpec) -> Route:
        path: Path = ("routes", name)
        if not name.strip() or name != name.strip():
            self._problems.add(
                path, "a route needs a name without spaces around it", "give it the name clients ask for"
            )
        if not route.candidates:
            self._problems.add(
                path, "the route has no candidates", "add 'candidates:' with at least one 'provider/model'"
            )
        targets: list[Target] = []
        for index, candidate in enumerate(route.candidates):
            place = (*path, "candidates", index)
            target = self._target(candidate, route, place)
            if target is None:
                continue
            if any(target.name == earlier.name for earlier in targets):
                self._problems.add(
                    place, f"'{target.name}' is in this route twice", "remove one, or give it another 'name'"
                )
            targets.append(target)
        if route.dimensions is not None:
            self._check_embeddings(targets, path)
        return Route(
            name=name,
            candidates=tuple(targets),
            announce=route.announce or self._spec.defaults.announce,
            timeouts=overridden(Timeouts(), _TIMEOUTS, self._spec.defaults.timeouts, route.timeouts),
            next_on_content_filter=route.on_content_filter == "next",
            dimensions=route.dimensions,
        )

    def _target(self, candidate: CandidateSpec, route: RouteSpec, path: Path) -> Target | None:
        connection = self._connection(candidate, path)
        if connection is None:
            return None
        target = self._described(candidate, connection, route, path)
        earlier = self._known.setdefault(target.name, (target, path))
        if _identity(earlier[0]) != _identity(target):
            self._problems.add(
                path,
                f"'{target.name}' has other settings elsewhere (a target of that name is in '{earlier[1][1]}')",
                "give one of the two another 'name'",
            )
        return target

    def _connection(self, candidate: CandidateSpec, path: Path) -> Connection | None:
        if candidate.provider not in self._spec.providers and not self._problems.doubts(
            ("providers", candidate.provider)
        ):
            known = listed(self._spec.providers)
            remedy = suggestion(
                candidate.provider, self._spec.providers, f"add it under 'providers', or use one of: {known}"
            )
            self._problems.add((*path, "provider"), f"there is no provider '{candidate.provider}'", remedy)
        if not candidate.model.strip():
            self._problems.add((*path, "model"), "'model' is empty", "give the provider's name of the model")
        return self._connections.get(candidate.provider)

    def _described(self, candidate: CandidateSpec, connection: Connection, route: RouteSpec, path: Path) -> Target:
        provider = connection.provider
        endpoint = provider.endpoint(candidate.vocabulary or connection.vocabulary)
        if endpoint is None:
            blame_vocabulary(candidate.vocabulary or "", provider, (*path, "vocabulary"), self._problems)
            endpoint = provider.endpoints[0]
        operations = {Operation.GENERATE: (UPSTREAM[endpoint.vocabulary], endpoint.path)}
        if provider.embeddings_path is not None:
            operations[Operation.EMBEDDINGS] = (UPSTREAM[Operation.EMBEDDINGS.value], provider.embeddings_path)
        facts = model_facts(candidate.model)
        breaker = self._breaker(candidate.breaker)
        if candidate.breaker.model_fields_set:
            self._check_breaker(breaker, (*path, "breaker"))
        defaults = self._spec.defaults
        return Target(
            name=candidate.name or f"{connection.name}/{candidate.model}",
            provider=provider,
            model=candidate.model,
            base_url=connection.base_url,
            operations=operations,
            quirks=connection.adjusted(quirks_of(candidate.model, endpoint.quirks), candidate.max_output_tokens),
            credential=connection.name,
            headers=connection.headers,
            seal=connection.seal,
            timeouts=overridden(Timeouts(), _TIMEOUTS, defaults.timeouts, route.timeouts, candidate.timeouts),
            breaker=breaker,
            context_window=candidate.context_window or (facts.context_window if facts else None),
            max_output_tokens=candidate.max_output_tokens or (facts.max_output if facts else None),
            takes_images=candidate.images if candidate.images is not None else (facts.image_input if facts else None),
            counts=_counting(provider),
        )

    def _breaker(self, *sections: Section) -> BreakerSettings:
        return overridden(BreakerSettings(), _BREAKER, self._spec.defaults.breaker, *sections)

    def _check_breaker(self, breaker: BreakerSettings, path: Path) -> None:
        if breaker.longest_open_time < breaker.open_time:
            self._problems.add(
                path,
                f"open_seconds is {breaker.open_time:g}, more than longest_open_seconds: {breaker.longest_open_time:g}",
                "lower the one or raise the other",
            )

    def _check_embeddings(self, targets: list[Target], path: Path) -> None:
        """Vectors of different models cannot be compared, so a chain of them would give wrong answers."""
        models = sorted({target.model.rpartition("/")[2] for target in targets})
        if len(models) > 1:
            self._problems.add(
                (*path, "dimensions"),
                f"candidates of an embedding route must be one model, not {listed(models)}",
                "make a route for each model",
            )
        for target in targets:
            if Operation.EMBEDDINGS not in target.operations:
                self._problems.add(
                    (*path, "candidates"),
                    f"the provider of '{target.name}' offers no embeddings",
                    "remove the candidate",
                )


def overridden(defaults: Settings, names: Mapping[str, str], *sections: Section) -> Settings:
    """`defaults` with what the sections say, the last one winning. `names`: a section's field -> the settings'."""
    given = {
        field: value
        for section in sections
        for written, field in names.items()
        if (value := getattr(section, written, None)) is not None
    }
    return msgspec.structs.replace(defaults, **given)


def _identity(target: Target) -> Target:
    """What must agree between targets of one name. Timeouts may differ by route."""
    return msgspec.structs.replace(target, timeouts=Timeouts())


def _counting(provider: Provider) -> dict[str, str]:
    """Vocabulary -> path that counts tokens: a counting path lies below the endpoint whose requests it counts."""
    paths = filter(None, (provider.count_tokens_path, provider.input_tokens_path))
    return {
        endpoint.vocabulary: path
        for path in paths
        for endpoint in provider.endpoints
        if path.startswith(f"{endpoint.path}/")
    }
