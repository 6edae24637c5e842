"""What would become of a request: who would be asked in which order, who is left out and why, and what is done about
failing and waiting. The same code decides as for real requests; nothing is asked of anybody."""

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import msgspec

from proxy.canonical.events import BlockKind, Delta, Opened
from proxy.canonical.request import Continuation, Request
from proxy.clock import Deadline
from proxy.errors import Cause, ProxyError, RequestFault, UpstreamFault
from proxy.routing.candidates import Candidate, Operation, Refusal, Route, Target, eligible
from proxy.routing.midstream import Policy, Sent, decide, successors
from proxy.routing.selection import Load, order, owner_rank, owners_first
from proxy.routing.settings import Hedging
from proxy.runtime.routes import BREAKER, CONCURRENCY, RETRIES, TIMEOUTS
from proxy.vocabularies.catalog import DOWNSTREAM
from proxy.wire.codec import Downstream

_REQUEST_ONLY = "total_seconds"  # the one timeout that is not of an attempt
_BEGUN = "Once upon a time"


class Kept(msgspec.Struct, frozen=True):
    """A candidate that would be asked. `rank` counts from 1; those of equal rank are drawn anew for each request, and
    then `share` is how often this one comes first, None where that depends on what the targets are doing. `drops`: what
    of the request it would not be told, or otherwise. `breaker`, `credential`: as the running instance tells of its
    target's and its credential's, None where none does. `chosen_by`: what decides in its step, "" if it is alone."""

    rank: int
    share: float | None
    chosen_by: str
    target: str
    provider: str
    model: str
    vocabulary: str
    context_window: int | None
    thought_before: bool
    drops: list[dict[str, str]]
    timeouts: dict[str, float]
    concurrency: dict[str, int] | None
    breaker_settings: dict[str, float]
    goes_on: bool
    breaker: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None


class LeftOut(msgspec.Struct, frozen=True):
    """`param`: the field of the request, or what else it was that this candidate cannot."""

    target: str
    param: str
    message: str


class RouteSettings(msgspec.Struct, frozen=True):
    """Times in seconds. `first_slice`: what the first candidate would get of the deadline to begin its answer.
    `text_broken`: what would become of a text of this request that breaks (fail | continue | restart)."""

    deadline: float
    first_slice: float
    retries: dict[str, float]
    hedging: dict[str, float | str] | None
    midstream: str
    text_broken: str
    affinity: str
    announce: str
    on_content_filter: str
    on_empty_answer: str


class Refused(msgspec.Struct, frozen=True):
    """What the API would answer instead."""

    status: int
    message: str
    param: str | None = None


class Explanation(msgspec.Struct, frozen=True):
    """`key` and `tenant`: who asks, None = anybody; `read_as`: the vocabulary of the body, None without one;
    `instance`: who told of breakers; `notes`: what else is worth knowing."""

    model: str
    operation: str
    key: str | None = None
    tenant: str | None = None
    read_as: str | None = None
    candidates: list[Kept] = []
    left_out: list[LeftOut] = []
    route: RouteSettings | None = None
    refused: Refused | None = None
    instance: str | None = None
    notes: list[str] = []


def read_body(
    body: Mapping[str, Any], model: str, named: str | None, operation: Operation
) -> tuple[Downstream, Request]:
    """The vocabulary of a body, and what it asks for. Without a name, of those that understand it, the one that knows
    most of its members. Raises RequestFault if none does."""
    whole = {**body, "model": model}
    if named is not None:
        return DOWNSTREAM[named], DOWNSTREAM[named].read_request(whole)
    faults: list[RequestFault] = []
    read: list[tuple[int, Downstream, Request]] = []
    for name, vocabulary in DOWNSTREAM.items():
        is_embedding = name == Operation.EMBEDDINGS.value
        if vocabulary.read_like != name or is_embedding != (operation is Operation.EMBEDDINGS):
            continue
        try:
            request = vocabulary.read_request(whole)
        except RequestFault as fault:
            faults.append(fault)
        else:
            read.append((len(request.unknown), vocabulary, request))
    if not read:
        raise next((fault for fault in faults if _member(fault) in body), faults[0])
    _, vocabulary, request = min(read, key=lambda found: found[0])
    return vocabulary, request


def _member(fault: RequestFault) -> str:
    """The member of the body that is at fault: `messages` of `messages[2].content`."""
    return re.split(r"[.\[]", fault.param or "")[0]


def chain(route: Route, request: Request, operation: Operation, mark: str | None) -> tuple[list[Kept], list[Refusal]]:
    """Who would be asked, in order, and who would not. `mark`: what the affinity goes by, None = unknown."""
    chosen, refused = eligible(route, request, operation)
    ordered = owners_first(request, order(route, chosen, _idle, _always_half, mark))
    kept: list[Kept] = []
    for (owner, step), found in groupby(ordered, key=lambda each: (owner_rank(request, each), each.place.step)):
        members = list(found)
        is_chosen = len(members) > 1 and bool(route.places)
        chosen_by = ("affinity" if mark is not None else route.choices[step].by) if is_chosen else ""
        shares = _shares(members) if chosen_by not in ("", "affinity") else [None] * len(members)
        first = len(kept) + 1
        for candidate, share in zip(members, shares, strict=True):
            rank = first if share else len(kept) + 1
            told = share if chosen_by == "weighted" or share == 0 else None
            kept.append(_kept(candidate, request, rank, told, chosen_by, thought_before=owner is not None))
    return kept, refused


def settings(route: Route, request: Request, kept: list[Kept]) -> RouteSettings:
    affinity = route.affinity
    return RouteSettings(
        deadline=route.timeouts.total,
        first_slice=Deadline(route.timeouts.total).slice(0.0, len(kept)),
        retries=written(route.retries, RETRIES),
        hedging=_hedging(route.hedging),
        midstream=route.midstream,
        text_broken=_text_broken(route, request, kept),
        affinity=f"header:{affinity.header}" if affinity.by == "header" else affinity.by,
        announce=route.announce,
        on_content_filter="next" if route.next_on_content_filter else "stop",
        on_empty_answer="accept" if route.accepts_empty_answer else "retry",
    )


def can_follow(kept: list[Kept]) -> list[str]:
    """Who could go on with what another began."""
    return [each.target for at, each in enumerate(kept) if each.goes_on and (at > 0 or _is_shared(each, kept))]


def _is_shared(one: Kept, kept: list[Kept]) -> bool:
    return sum(each.rank == one.rank for each in kept) > 1


def _text_broken(route: Route, request: Request, kept: list[Kept]) -> str:
    """Outside the domain vocabulary, whose clients all bear a restart."""
    sent = Sent()
    sent.add([Opened(0, BlockKind.TEXT), Delta(0, _BEGUN)])
    policy = Policy(route.midstream, tells_discards=False, asked=False)
    decision = decide(policy, request, sent, UpstreamFault(Cause.TRUNCATED, ""))
    if decision == "continue" and not can_follow(kept):
        return "fail"
    return decision.value


def _goes_on(candidate: Candidate, request: Request) -> bool:
    return bool(successors([candidate], msgspec.structs.replace(request, continuation=Continuation(_BEGUN))))


def refusal(error: ProxyError, reading: Downstream) -> Refused:
    return Refused(reading.error_status(error), error.message, error.param)


def written(values: msgspec.Struct, names: Mapping[str, str]) -> dict[str, Any]:
    """Settings in the words of the configuration file."""
    return {word: getattr(values, field) for word, field in names.items()}


def _idle(target: Target) -> Load:
    return Load(0, 0.0)


def _always_half() -> float:
    """With the same number for everybody, the draw puts the heavier one first."""
    return 0.5


def _shares(members: list[Candidate]) -> list[float | None]:
    """Of the weights; None if all of them are for when others are gone."""
    total = sum(member.place.weight for member in members)
    return [member.place.weight / total if total else None for member in members]


def _kept(
    candidate: Candidate, request: Request, rank: int, share: float | None, chosen_by: str, *, thought_before: bool
) -> Kept:
    target = candidate.target
    timeouts = {word: field for word, field in TIMEOUTS.items() if word != _REQUEST_ONLY}
    warnings = candidate.vocabulary.write_request(request, candidate.peer).warnings if request.body else []
    return Kept(
        rank=rank,
        share=share,
        chosen_by=chosen_by,
        target=target.name,
        provider=target.credential,
        model=target.model,
        vocabulary=candidate.vocabulary.name,
        context_window=target.context_window,
        thought_before=thought_before,
        drops=[{"param": warning.param, "action": warning.action} for warning in warnings],
        timeouts=written(target.timeouts, timeouts),
        concurrency=written(target.concurrency, CONCURRENCY) if target.concurrency is not None else None,
        breaker_settings=written(target.breaker, BREAKER),
        goes_on=_goes_on(candidate, request),
    )


def left_out(refusal: Refusal) -> LeftOut:
    return LeftOut(refusal.target.name, refusal.objection.param, refusal.objection.message)


def _hedging(hedging: Hedging | None) -> dict[str, float | str] | None:
    if hedging is None:
        return None
    return {"after_seconds": hedging.after if hedging.after is not None else "p95", "share": hedging.share}
