"""Routes, their ordered candidates, and who is eligible for one request: eligibility before order (contract §7)."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import msgspec

from proxy.canonical.origin import Seal
from proxy.canonical.request import Image, Request
from proxy.errors import NoCapableCandidate
from proxy.providers.provider import Provider
from proxy.routing.breaker import BreakerSettings
from proxy.routing.settings import Affinity, Choice, Concurrency, Hedging, Retries, Timeouts
from proxy.wire.codec import Objection, Peer, Upstream
from proxy.wire.fields import shown
from proxy.wire.quirks import Quirks


class Operation(Enum):
    """What is asked of a candidate; the scope a key needs for it is the operation's own name."""

    GENERATE = "generate"
    EMBEDDINGS = "embeddings"

    def __init__(self, scope: str) -> None:
        self.scope = scope


class Target(msgspec.Struct, frozen=True, gc=False):
    """Provider x model x credential: what a breaker guards. `name` is what clients and dashboards see."""

    name: str
    provider: Provider
    model: str
    base_url: str
    operations: Mapping[Operation, tuple[Upstream, str]]  # the vocabulary and path each is asked in
    quirks: Quirks
    credential: str  # a short public label, never the key
    headers: tuple[tuple[str, str], ...]  # authentication and the provider's static headers
    seal: Seal
    timeouts: Timeouts = Timeouts()
    breaker: BreakerSettings = BreakerSettings()
    concurrency: Concurrency | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    takes_images: bool | None = None  # None = unknown, so allowed
    counts: Mapping[str, str] = {}  # vocabulary name -> the path that counts a prompt's tokens in it

    def asked_for(self, operation: Operation) -> tuple[Upstream, str] | None:
        """The vocabulary and path (relative to `base_url`) for `operation`; None if the provider does not offer it."""
        return self.operations.get(operation)

    def peer(self, *, first: bool) -> Peer:
        """The upstream side of an attempt; only the route's first candidate is given untagged opaque material."""
        return Peer(self.model, self.quirks, self.seal._replace(takes_untagged=first))


class Place(NamedTuple):
    """Where one of a route's candidates stands: the number of its step, counted from 0, and its share of that step (0 =
    only when the others are gone). Steps are gone through in order; within one, the route's choice decides."""

    step: int
    weight: float = 1.0


class Candidate(NamedTuple):
    """A target that may serve this request: the vocabulary and address it is asked in, its side of the attempt, and its
    place in the route."""

    target: Target
    vocabulary: Upstream
    url: str
    peer: Peer
    place: Place = Place(0)


class Refusal(NamedTuple):
    """A target left out, and the first reason why."""

    target: Target
    objection: Objection


class Route(msgspec.Struct, frozen=True):
    """The model name clients use and who answers for it, in order. `places`: of the candidates, one each; empty = every
    candidate is a step of its own. `offers`: see `offered`."""

    name: str
    candidates: tuple[Target, ...]
    places: tuple[Place, ...] = ()
    choices: tuple[Choice, ...] = ()  # of the steps; a missing one is weighted
    affinity: Affinity = Affinity()
    retries: Retries = Retries()
    hedging: Hedging | None = None
    midstream: str = "fail"  # see `settings.MIDSTREAM`
    announce: str = "held"  # held | eager
    timeouts: Timeouts = Timeouts()
    next_on_content_filter: bool = False
    accepts_empty_answer: bool = True  # False: one that ends by itself without a word is a failed attempt
    dimensions: int | None = None
    offers: dict[Operation, list[Candidate | Refusal]] = {}

    def placed(self) -> tuple[Place, ...]:
        """The places of its candidates, also where each has a step of its own."""
        return self.places or tuple(map(Place, range(len(self.candidates))))

    def offered(self, operation: Operation) -> list[Candidate | Refusal]:
        """What its targets come to for `operation`, in order; the same for every request, so worked out only once."""
        found = self.offers.get(operation)
        if found is None:
            found = [
                _offer(target, operation, place, first=at == 0)
                for at, (target, place) in enumerate(zip(self.candidates, self.placed(), strict=True))
            ]
            self.offers[operation] = found
        return found


def _offer(target: Target, operation: Operation, place: Place, *, first: bool) -> Candidate | Refusal:
    asked = target.asked_for(operation)
    if asked is None:
        return Refusal(target, Objection("model", f"its provider offers no {operation.value}"))
    vocabulary, path = asked
    return Candidate(target, vocabulary, target.base_url + path, target.peer(first=first), place)


def eligible(route: Route, request: Request, operation: Operation) -> tuple[list[Candidate], list[Refusal]]:
    """The route's candidates in order, split into those that can serve the request and those that cannot."""
    chosen, refused = [], []
    for offer in route.offered(operation):
        if isinstance(offer, Refusal):
            refused.append(offer)
            continue
        objection = _objection(offer, request)
        if objection is None:
            chosen.append(offer)
        else:
            refused.append(Refusal(offer.target, objection))
    return chosen, refused


def _objection(candidate: Candidate, request: Request) -> Objection | None:
    target = candidate.target
    if target.takes_images is False and any(isinstance(part, Image) for part in request.parts()):
        return Objection("image", f"{target.name} takes no images")
    found = candidate.vocabulary.objections(request, candidate.peer)
    return found[0] if found else None


def no_capable_candidate(request: Request, refused: list[Refusal]) -> NoCapableCandidate:
    """What the caller is told when every candidate was left out: the first candidate's reason names the field."""
    first = refused[0].objection
    reasons = "; ".join(f"{refusal.target.name}: {shown(refusal.objection.message, 200)}" for refusal in refused)
    return NoCapableCandidate(
        f"No candidate of model '{request.model}' can serve this request ({reasons}). "
        f"Remove or change '{first.param}', or use another model.",
        param=first.param,
    )


def larger_windows(candidates: list[Candidate], than: Target) -> list[Candidate]:
    """Those whose context window is known to exceed `than`'s; where `than`'s is unknown, any other model's."""
    return [candidate for candidate in candidates if _is_larger(candidate.target, than)]


def _is_larger(target: Target, than: Target) -> bool:
    if than.context_window is not None:
        return target.context_window is not None and target.context_window > than.context_window
    return target.model != than.model
