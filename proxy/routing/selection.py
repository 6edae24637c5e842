"""In which order the candidates of one request are asked (contract §7): who can read its opaque reasoning, then the
route's steps; within a step, whom the request's mark belongs to, or else the step's own choice."""

import hashlib
import math
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import NamedTuple

from proxy.canonical.origin import origin_claimed
from proxy.canonical.request import OpaquePart, Request, Thinking
from proxy.routing.candidates import Candidate, Route, Target

_MAY_BE_OPAQUE = (Thinking, OpaquePart)
_UNMEASURED = 1e9  # seconds; what a target is taken for while the first answer that could be measured is awaited
_DIGEST_SIZE = 8


class Load(NamedTuple):
    """What a target is doing, as this process knows: attempts that run there, and the peak EWMA of the seconds it
    lately took to its first content (0 = never measured)."""

    in_flight: int
    seconds: float


def order(
    route: Route,
    candidates: list[Candidate],
    load: Callable[[Target], Load],
    pick: Callable[[], float],
    mark: str | None,
) -> list[Candidate]:
    """`candidates`, given in the route's order, as they are to be asked. `pick` draws a number from [0, 1); `mark` is
    what the route's affinity goes by, None = nothing."""
    if not route.places or len(candidates) < 2:
        return candidates
    ordered: list[Candidate] = []
    for step, found in groupby(candidates, key=_step):
        members = list(found)
        if len(members) == 1:
            ordered += members
        elif mark is not None:
            ordered += _raced(members, lambda candidate: _hash(mark, candidate))
        else:
            ordered += _chosen(route.choices[step].by if step < len(route.choices) else "", members, load, pick)
    return ordered


def owners_first(request: Request, candidates: list[Candidate]) -> list[Candidate]:
    """Who can read the opaque reasoning in the request comes before all others, and of several who read the newest:
    nobody else is given it (contract §3), and without it a model has to think anew what it knew already."""
    if len(candidates) < 2:
        return candidates
    ranks = _ranks(request)
    return sorted(candidates, key=lambda candidate: _rank(candidate, ranks)) if ranks else candidates


def owner_rank(request: Request, candidate: Candidate) -> int | None:
    """How many others own newer reasoning of the request than this one does; None if none of it is this one's."""
    ranks = _ranks(request)
    rank = _rank(candidate, ranks)
    return rank if rank < len(ranks) else None


def _ranks(request: Request) -> dict[str | None, int]:
    """Origin -> rank, the newest first; None is what nobody tagged, which only the route's first candidate is given."""
    oldest_first = [origin_claimed(material) for material in _materials(request)]
    return {origin: rank for rank, origin in enumerate(dict.fromkeys(reversed(oldest_first)))} if oldest_first else {}


def _materials(request: Request) -> Iterable[str]:
    for turn in request.turns:
        for part in turn.parts:
            if isinstance(part, _MAY_BE_OPAQUE) and part.material:
                yield part.material


def _rank(candidate: Candidate, ranks: dict[str | None, int]) -> int:
    seal, last = candidate.peer.seal, len(ranks)
    rank = ranks.get(seal.origin, last)
    return min(rank, ranks.get(None, last)) if seal.takes_untagged else rank


def _step(candidate: Candidate) -> int:
    return candidate.place.step


def _chosen(
    by: str, members: list[Candidate], load: Callable[[Target], Load], pick: Callable[[], float]
) -> list[Candidate]:
    """Drawn by weight; then, if the choice is by effort, those with the least of it first and the draw decides ties."""
    drawn = _raced(members, lambda _: 1.0 - pick())
    match by:
        case "least_loaded":
            return sorted(drawn, key=lambda candidate: _per_weight(load(candidate.target).in_flight, candidate))
        case "lowest_latency":
            return sorted(drawn, key=lambda candidate: _per_weight(_latency(load(candidate.target)), candidate))
    return drawn


def _raced(members: list[Candidate], draw: Callable[[Candidate], float]) -> list[Candidate]:
    """In the order of an exponential race: each comes first with the probability of its share of the weights, and of
    the rest again each with its share. `draw`: a number in (0, 1]. With one number per candidate for ever (a hash),
    taking a candidate out moves nobody who was not there: that is rendezvous hashing."""
    return sorted(members, key=lambda candidate: _per_weight(-math.log(draw(candidate)), candidate))


def _per_weight(effort: float, candidate: Candidate) -> float:
    """Weight 0 comes when the others are gone."""
    weight = candidate.place.weight
    return effort / weight if weight else math.inf


def _latency(load: Load) -> float:
    """What one more request may expect. An unmeasured target is tried by one request at a time."""
    if load.seconds > 0.0:
        return load.seconds * (load.in_flight + 1)
    return _UNMEASURED + load.in_flight if load.in_flight else 0.0


def _hash(mark: str, candidate: Candidate) -> float:
    """The same in every process and after every start."""
    both = f"{mark}\x00{candidate.target.name}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(both, digest_size=_DIGEST_SIZE).digest()
    return (int.from_bytes(digest, "big") + 1) / (1 << 8 * _DIGEST_SIZE)
