"""What stands under a route's `candidates`, with other routes inlined: steps of candidates."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from proxy.runtime.problems import Path, Problems, suggestion
from proxy.runtime.spec_routes import CandidateSpec, NestedSpec, RouteSpec, StepSpec

_DEEPEST = 200  # routes in one another; each is a call in a call


class Written(NamedTuple):
    """A candidate, and where it is written."""

    spec: CandidateSpec
    path: Path

    @property
    def route(self) -> str:
        """Where it was written: another route's name if that is inlined."""
        return str(self.path[1])


class WrittenStep(NamedTuple):
    """Candidates of equal rank, often only one."""

    candidates: tuple[Written, ...]
    choose: str = "weighted"


class Steps:
    """Of all routes of a specification."""

    def __init__(self, routes: Mapping[str, RouteSpec], problems: Problems) -> None:
        self._routes = routes
        self._places = {name: place for place, name in enumerate(routes)}
        self._problems = problems
        self._is_too_deep = False

    def of(self, route: str) -> list[WrittenStep]:
        """In order. A route that is met again is not inlined again: nothing in it would be new."""
        return list(self._inlined(route, (), {route}))

    def _inlined(self, route: str, above: tuple[str, ...], met: set[str]) -> Iterator[WrittenStep]:
        named: set[str] = set()
        for index, step in enumerate(self._routes[route].candidates):
            path: Path = ("routes", route, "candidates", index)
            match step:
                case CandidateSpec():
                    self._check_alone(step, path)
                    yield WrittenStep((Written(step, path),))
                case StepSpec():
                    yield self._step(step, path)
                case NestedSpec(route=inner):
                    if inner in named:
                        self._problems.add(path, f"the route '{inner}' stands here twice", "remove one")
                    named.add(inner)
                    self._check_nested(inner, (*above, route), (*path, "route"))
                    if inner in self._routes and inner not in met and not self._ends_here(above, (*path, "route")):
                        met.add(inner)
                        yield from self._inlined(inner, (*above, route), met)

    def _ends_here(self, above: tuple[str, ...], path: Path) -> bool:
        """Whether this is as deep as routes may stand in one another; told once, however many lead here."""
        if len(above) < _DEEPEST:
            return False
        if not self._is_too_deep:
            message = f"more than {_DEEPEST} routes stand in one another, the outermost is '{above[0]}'"
            self._problems.add(path, message, "name the candidates themselves")
        self._is_too_deep = True
        return True

    def _check_alone(self, candidate: CandidateSpec, path: Path) -> None:
        if candidate.weight is not None:
            self._problems.add(
                (*path, "weight"),
                "a weight compares candidates of equal rank, and this one has a step of its own",
                "put those that share the requests under 'any:'",
            )

    def _step(self, step: StepSpec, path: Path) -> WrittenStep:
        if not step.any:
            self._problems.add((*path, "any"), "the step has no candidates", "name at least two, as 'provider/model'")
        elif all(candidate.weight == 0 for candidate in step.any):
            self._problems.add((*path, "any"), "every weight in this step is 0", "give at least one of them another")
        written = tuple(Written(candidate, (*path, "any", index)) for index, candidate in enumerate(step.any))
        return WrittenStep(written, step.choose or "weighted")

    def _check_nested(self, inner: str, above: tuple[str, ...], path: Path) -> None:
        """`above`: the routes around it, the outermost first. A circle is told once: to the first of its routes."""
        if inner == above[0]:
            if min(above, key=self._places.__getitem__) == inner:
                self._problems.add(
                    path, f"routes go round in a circle: {' → '.join((*above, inner))}", "take one of them out"
                )
        elif inner not in self._routes and not self._problems.doubts(("routes", inner)):
            self._problems.add(
                path,
                f"there is no route '{inner}'",
                suggestion(inner, self._routes, "name one of 'routes', or write a candidate as 'provider/model'"),
            )
