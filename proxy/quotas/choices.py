"""In which ways a request may be served within its limits, best first, and what has to be held for each (contract §9).

At first everybody may answer. Where that does not fit, candidates are left out from the dearest down; where premium
targets are used up, all of those. Only when nothing fits whole is the output made smaller, by the store's script."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from proxy.quotas.credits import Ceiling, Rates, ceiling, cost

RESERVED_OUTPUT = 32_768
FEWEST_OUTPUT = 256


class Priced(msgspec.Struct, frozen=True):
    """What matters of a candidate here. `max_output`: tokens, None = unknown."""

    rates: Rates
    is_premium: bool = False
    max_output: int | None = None


class Demand(NamedTuple):
    """What a request asks for: estimated tokens of its prompt, the output it wants per choice (None: it does not say),
    how many choices, and how much of the output it may spend on thinking before it says anything."""

    prompt: int
    output: int | None = None
    choices: int = 1
    thinking: int = 0


class Room(msgspec.Struct, frozen=True):
    """How much output is held where a request does not say, and below which none is worth asking for. Tokens."""

    reserved_output: int = RESERVED_OUTPUT
    fewest_output: int = FEWEST_OUTPUT


class Choice(NamedTuple):
    """`kept`: who may answer, by place in the chain. The rest is what is held: `output` and `fewest` are those of all
    choices together, `rate` is in micro-credits per million tokens of output."""

    kept: tuple[int, ...]
    is_premium: bool
    prompt: int
    prompt_credits: int
    output: int
    fewest: int
    rate: int

    @property
    def credits(self) -> int:
        return self.prompt_credits + cost(self.output, self.rate)


def choices(candidates: Sequence[Priced], demand: Demand, room: Room) -> list[Choice]:
    """At least one; `candidates` are not empty."""
    everybody = tuple(range(len(candidates)))
    standard = tuple(place for place in everybody if not candidates[place].is_premium)
    found: dict[tuple[int, ...], Choice] = {}
    for begin in (everybody, standard):
        kept = begin
        while kept:
            if kept not in found:
                found[kept] = _choice(candidates, kept, demand, room)
            kept = _without_the_dearest(candidates, kept, demand, room)
    return sorted(found.values(), key=_worth)


def _worth(choice: Choice) -> tuple[bool, int]:
    """Premium first: without one, a request is downgraded."""
    return not choice.is_premium, -len(choice.kept)


def _choice(candidates: Sequence[Priced], kept: tuple[int, ...], demand: Demand, room: Room) -> Choice:
    asked = [candidates[place] for place in kept]
    most: Ceiling = ceiling([each.rates for each in asked], demand.prompt)
    output = max(_output(each, demand, room) for each in asked)
    fewest = min(output, demand.thinking + room.fewest_output)
    return Choice(
        kept,
        any(each.is_premium for each in asked),
        demand.prompt,
        most.of_prompt(demand.prompt),
        output * demand.choices,
        fewest * demand.choices,
        most.output,
    )


def _output(candidate: Priced, demand: Demand, room: Room) -> int:
    """Tokens per choice."""
    if demand.output is not None:
        return demand.output
    return min(candidate.max_output or room.reserved_output, room.reserved_output)


def _without_the_dearest(
    candidates: Sequence[Priced], kept: tuple[int, ...], demand: Demand, room: Room
) -> tuple[int, ...]:
    """All that cost as much as the dearest go at once: without one of them nothing would be won."""
    costs = {place: _choice(candidates, (place,), demand, room).credits for place in kept}
    dearest = max(costs.values())
    return tuple(place for place in kept if costs[place] < dearest)
