"""What is measured: each scenario as one value, with the aim it is held to."""

from dataclasses import dataclass, replace
from typing import Literal

from bench.load import Job

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load and how to count it.

    The upstream always speaks chat. Segue's client speaks `client`; the bare proxy and the upstream alone cannot
    translate, so theirs speaks chat, and the upstream's bytes are the same for all.
    """

    name: str
    title: str
    model: str
    connections: int
    requests: int
    deltas: int = 1
    stream: bool = False
    client: str = "chat"
    body_bytes: int = 0
    spread: float = 0.0  # seconds over which the first requests start
    warmup: int = 4
    turns: int = 3  # runs per round and system, taken in turn; the round's figure is their median
    counts: Literal["CPU µs/request", "CPU µs/event", "added ms"] = "CPU µs/request"
    aim: float | None = None  # the largest ratio to the bare proxy that will do

    @property
    def units(self) -> int:
        """How many requests or events one run has."""
        return self.requests * (self.deltas if self.counts == "CPU µs/event" else 1)

    def job(self, port: int, key: str, translating: bool) -> Job:
        """The load generator's order for one run against one system."""
        return Job(
            port=port,
            vocabulary=self.client if translating else "chat",
            model=self.model,
            stream=self.stream,
            deltas=self.deltas,
            connections=self.connections,
            requests=self.requests,
            warmup=self.warmup,
            body_bytes=self.body_bytes,
            spread=self.spread,
            key=key,
        )


_REQUEST = Scenario("request", "request, not streamed", "fixed", connections=16, requests=2000, aim=1.4)
_ONE_DELTA = Scenario(
    "one-delta", "stream of one delta", "stream-1", connections=16, requests=2000, stream=True, aim=1.4
)
_SLOW = Scenario(
    "slow",
    "slow streamed event, same vocabulary",
    "slow-200-20ms",
    connections=200,
    requests=200,
    deltas=200,
    stream=True,
    spread=0.1,
    turns=1,
    counts="CPU µs/event",
    aim=1.15,
)
_FAST = Scenario(
    "fast",
    "fast event, same vocabulary",
    "fast-500",
    connections=8,
    requests=64,
    deltas=500,
    stream=True,
    spread=0.004,
    counts="CPU µs/event",
    aim=1.4,
)
_TRANSLATED = "chat upstream, responses client"

FULL = (
    _REQUEST,
    _ONE_DELTA,
    _SLOW,
    replace(_SLOW, name="slow-translated", title=f"slow streamed event, {_TRANSLATED}", client="responses", aim=1.35),
    _FAST,
    replace(_FAST, name="fast-translated", title=f"fast event, {_TRANSLATED}", client="responses", aim=None),
    replace(
        _REQUEST,
        name="body",
        title="request with a body of 1 MB",
        connections=4,
        requests=120,
        body_bytes=MEGABYTE,
        aim=1.8,
    ),
    replace(
        _REQUEST,
        name="latency",
        title="added latency, idle connection",
        connections=1,
        requests=400,
        warmup=30,
        counts="added ms",
    ),
)

NAMES = tuple(scenario.name for scenario in FULL)


def quick() -> tuple[Scenario, ...]:
    """The same scenarios, small enough to prove the harness in seconds; the figures mean nothing."""
    return tuple(
        replace(
            scenario,
            connections=min(scenario.connections, 8),
            requests=max(8, scenario.requests // 60),
            model=scenario.model.replace("slow-200", "slow-5"),
            deltas=5 if scenario.name.startswith("slow") else scenario.deltas,
            warmup=1,
            turns=1,
        )
        for scenario in FULL
    )


def steady_load(requests: int) -> tuple[Scenario, ...]:
    """The mixture after which memory is looked at again: two fifths plain, two fifths streamed, the rest translated."""
    translated = replace(_ONE_DELTA, client="responses")
    return (
        replace(_REQUEST, requests=requests * 2 // 5),
        replace(_ONE_DELTA, requests=requests * 2 // 5),
        replace(translated, requests=requests - 2 * (requests * 2 // 5)),
    )
