"""From what the file says of routes: who answers for each, and what is done about failing and waiting."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from proxy.providers.models import model_facts, quirks_of
from proxy.providers.provider import Provider
from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Operation, Place, Route, Target
from proxy.routing.settings import Affinity, Choice, Concurrency, Hedging, Retries, Timeouts
from proxy.routing.standing import CREDENTIAL
from proxy.runtime.problems import Path, Problems, listed, suggestion
from proxy.runtime.spec import Spec
from proxy.runtime.spec_routes import HEADER, NEVER, P95, CandidateSpec, HedgingSpec, RouteSpec
from proxy.runtime.spec_values import Section
from proxy.runtime.steps import Steps, Written
from proxy.runtime.upstreams import Connection, blame_vocabulary
from proxy.vocabularies.catalog import UPSTREAM

# What the file calls the settings of each kind.
TIMEOUTS = {
    "total_seconds": "total",
    "connect_seconds": "connect",
    "headers_seconds": "headers",
    "first_token_seconds": "first_token",
    "idle_seconds": "idle",
    "least_characters_per_second": "least_rate",
    "rate_window_seconds": "rate_window",
}
BREAKER = {
    "consecutive_failures": "consecutive_failures",
    "window_seconds": "window",
    "minimum_volume": "minimum_volume",
    "failure_rate": "failure_rate",
    "open_seconds": "open_time",
    "longest_open_seconds": "longest_open_time",
    "success_threshold": "success_threshold",
    "slow_start_seconds": "slow_start",
}
RETRIES = {"same_target": "again", "first_wait_seconds": "first_wait", "longest_wait_seconds": "longest_wait"}
CONCURRENCY = {"limit": "limit", "queue": "queue"}
# What a candidate may say that makes another target of it, as the file calls it.
_OWN = {
    "operations": "vocabulary",
    "quirks": "quirks",
    "breaker": "breaker",
    "concurrency": "concurrency",
    "context_window": "context_window",
    "max_output_tokens": "max_output_tokens",
    "takes_images": "images",
}
Settings = TypeVar("Settings", bound=msgspec.Struct)


class Routes:
    """Resolves the routes of one specification; remembers targets by name, because breakers are kept by it."""

    def __init__(self, spec: Spec, connections: Mapping[str, Connection], problems: Problems) -> None:
        self._spec = spec
        self._connections = connections
        self._problems = problems
        self._steps = Steps(spec.routes, problems)
        self._known: dict[str, tuple[Target, Path]] = {}

    def build(self) -> dict[str, Route]:
        defaults: Path = ("defaults",)
        self._check_breaker(self._breaker(), (*defaults, "breaker"))
        self._hedging((*defaults, "hedging"))
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
        targets, places, choices = self._chain(name, route)
        if route.dimensions is not None:
            self._check_embeddings(targets, path)
        defaults = self._spec.defaults
        return Route(
            name=name,
            candidates=tuple(targets),
            places=tuple(places) if len(choices) < len(targets) else (),
            choices=tuple(choices) if len(choices) < len(targets) else (),
            affinity=_affinity(route.affinity or defaults.affinity),
            retries=overridden(Retries(), RETRIES, defaults.retries, route.retries),
            hedging=self._hedging((*path, "hedging"), route.hedging),
            midstream=route.midstream or defaults.midstream,
            announce=route.announce or defaults.announce,
            timeouts=overridden(Timeouts(), TIMEOUTS, defaults.timeouts, route.timeouts),
            next_on_content_filter=route.on_content_filter == "next",
            accepts_empty_answer=route.on_empty_answer == "accept",
            dimensions=route.dimensions,
        )

    def _chain(self, name: str, route: RouteSpec) -> tuple[list[Target], list[Place], list[Choice]]:
        """Targets with their places, and a choice for each step. A target that comes again by another route stays where
        it is."""
        targets: list[Target] = []
        places: list[Place] = []
        choices: list[Choice] = []
        seen: dict[str, str] = {}
        for step in self._steps.of(name):
            before = len(targets)
            for written in step.candidates:
                target = self._target(written.spec, route, written.path)
                if target is None or self._is_again(target.name, written, seen):
                    continue
                weight = written.spec.weight
                targets.append(target)
                places.append(Place(len(choices), 1.0 if weight is None else weight))
            if len(targets) > before:
                choices.append(Choice(step.choose))
        return targets, places, choices

    def _is_again(self, name: str, written: Written, seen: dict[str, str]) -> bool:
        """`seen`: target -> the route it was written in."""
        again = name in seen
        if again and seen[name] == written.route:
            self._problems.add(
                written.path, f"'{name}' is in this route twice", "remove one, or give it another 'name'"
            )
        seen.setdefault(name, written.route)
        return again

    def _target(self, candidate: CandidateSpec, route: RouteSpec, path: Path) -> Target | None:
        connection = self._connection(candidate, path)
        if connection is None:
            return None
        target = self._described(candidate, connection, route, path)
        earlier, place = self._known.setdefault(target.name, (target, path))
        if _identity(earlier) != _identity(target):
            self._problems.add(
                path,
                f"'{target.name}' has {_difference(earlier, target)} elsewhere (in '{place[1]}')",
                "write the same in both places, or give one of the two another 'name'",
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
        name = candidate.name or f"{connection.name}/{candidate.model}"
        if name.startswith(CREDENTIAL):
            self._problems.add(
                path,
                f"'{name}' begins with '{CREDENTIAL}', as only the breakers of credentials do",
                "give it another 'name'",
            )
        defaults = self._spec.defaults
        return Target(
            name=name,
            provider=provider,
            model=candidate.model,
            base_url=connection.base_url,
            operations=operations,
            quirks=connection.adjusted(quirks_of(candidate.model, endpoint.quirks), candidate.max_output_tokens),
            credential=connection.name,
            headers=connection.headers,
            seal=connection.seal,
            timeouts=overridden(Timeouts(), TIMEOUTS, defaults.timeouts, route.timeouts, candidate.timeouts),
            breaker=breaker,
            concurrency=self._concurrency(candidate, (*path, "concurrency")),
            context_window=candidate.context_window or (facts.context_window if facts else None),
            max_output_tokens=candidate.max_output_tokens or (facts.max_output if facts else None),
            takes_images=candidate.images if candidate.images is not None else (facts.image_input if facts else None),
            counts=_counting(provider),
        )

    def _breaker(self, *sections: Section) -> BreakerSettings:
        return overridden(BreakerSettings(), BREAKER, self._spec.defaults.breaker, *sections)

    def _check_breaker(self, breaker: BreakerSettings, path: Path) -> None:
        if breaker.longest_open_time < breaker.open_time:
            self._problems.add(
                path,
                f"open_seconds is {breaker.open_time:g}, more than longest_open_seconds: {breaker.longest_open_time:g}",
                "lower the one or raise the other",
            )

    def _concurrency(self, candidate: CandidateSpec, path: Path) -> Concurrency | None:
        if candidate.concurrency is None:
            return None
        if not candidate.concurrency.limit:
            self._problems.add(path, "'limit' is missing", "say how many attempts may run there at once")
        return overridden(Concurrency(limit=1), CONCURRENCY, candidate.concurrency)

    def _hedging(self, path: Path, *sections: HedgingSpec) -> Hedging | None:
        """What the sections come to on top of the defaults; None = the next candidate is never asked too."""
        after, share = None, Hedging().share
        for section in (self._spec.defaults.hedging, *sections):
            after = section.after_seconds if section.after_seconds is not None else after
            share = section.share if section.share is not None else share
        if after is None and any(section.share is not None for section in sections or (self._spec.defaults.hedging,)):
            self._problems.add(
                (*path, "share"), "a share, but nothing is ever hedged", "say when: 'after_seconds: p95', or a number"
            )
        if after is None or after == NEVER:
            return None
        return Hedging(None if after == P95 else float(after), share)

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


def _affinity(word: str) -> Affinity:
    if word.startswith(HEADER):
        return Affinity("header", word.removeprefix(HEADER).lower())
    return Affinity(word)


def _identity(target: Target) -> Target:
    """What must agree between targets of one name. Timeouts may differ by route."""
    return msgspec.structs.replace(target, timeouts=Timeouts())


def _difference(one: Target, other: Target) -> str:
    if (one.credential, one.model) != (other.credential, other.model):
        return "another provider or model"
    words = [word for field, word in _OWN.items() if getattr(one, field) != getattr(other, field)]
    return f"another {' and '.join(words)}" if words else "other settings"


def _counting(provider: Provider) -> dict[str, str]:
    """Vocabulary -> path that counts tokens: a counting path lies below the endpoint whose requests it counts."""
    paths = filter(None, (provider.count_tokens_path, provider.input_tokens_path))
    return {
        endpoint.vocabulary: path
        for path in paths
        for endpoint in provider.endpoints
        if path.startswith(f"{endpoint.path}/")
    }
