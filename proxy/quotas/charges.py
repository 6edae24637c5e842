"""What a request is charged, by how it ended (contract §9): what was reported where that is final, else an estimate;
and nothing where no provider began to answer."""

from typing import Literal, NamedTuple

from proxy.canonical.usage import Usage
from proxy.quotas.credits import Parts, parts

FLOOR_TOKENS = 50

Method = Literal["actual", "estimated", "released"]


class Ending(NamedTuple):
    """`began`: whether a provider answered with a 2xx. `usage`: the last it reported, `is_final` once it came with the
    end of the answer. `relayed`: tokens of what the client was sent, by their bytes. `was_whole`: the answer had its
    end."""

    began: bool
    was_whole: bool
    usage: Usage
    is_final: bool
    relayed: int


class Reserve(NamedTuple):
    """Tokens that were held for the request."""

    prompt: int
    output: int


class Charged(NamedTuple):
    method: Method
    parts: Parts


def charged(ending: Ending, reserve: Reserve, floor: int = FLOOR_TOKENS) -> Charged:
    """`floor`: tokens that an answer which began comes to at least, where nobody told how many it had."""
    if not ending.began:
        return Charged("released", Parts())
    usage = ending.usage
    has_both = usage.input_tokens is not None and usage.output_tokens is not None
    if has_both and (ending.is_final or ending.was_whole) and usage.total > 0:
        return Charged("actual", parts(usage))
    output = min(max(floor, ending.relayed, usage.output_tokens or 0), reserve.output)
    if usage.input_tokens:  # reported early, as Anthropic does; how much of it was cached is known too
        return Charged("estimated", parts(usage)._replace(output=output, reasoning=0))
    return Charged("estimated", Parts(input=reserve.prompt, output=output))
