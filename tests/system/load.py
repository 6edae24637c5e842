"""A load with every outcome in it, and what it must have left in the metrics: both out of one table."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.e2e.configuration import Pair
from tests.system.serving import PULSE, Serving, until

SAID = [{"role": "user", "content": "Hi there"}]
ENDLESS = "endless"
_INVENTED_AT_ONCE = 20


class Play(NamedTuple):
    """A route, and what becomes of each of its requests. `hops`: why its first candidate was left and how often,
    over all of them."""

    route: str
    candidates: tuple[Pair, ...]
    outcome: str
    times: int = 1
    hops: tuple[tuple[str, int], ...] = ()
    path: str = "chat/completions"
    stream: bool = True

    @property
    def targets(self) -> list[str]:
        return ["/".join(pair) for pair in self.candidates]

    @property
    def vocabulary(self) -> str:
        return self.path.partition("/")[0]

    def body(self) -> dict[str, Any]:
        said = {"input": "Hi there"} if self.path == "responses" else {"messages": SAID}
        limit = {"max_tokens": 1000} if self.path == "messages" else {}
        return {"model": self.route, "stream": self.stream, **said, **limit}


PLAYS = (
    Play("answers", (("chat", "plain"),), "ok", times=3),
    Play("whole", (("messages", "whole"),), "ok", times=2, stream=False),
    Play("thinks", (("responses", "thoughtful+reasoning"),), "ok", times=2, path="responses"),
    # Each request asks it twice. Five failures in a row open a breaker; after that it is not even asked.
    Play(
        "hops",
        (("messages", "ill+503"), ("chat", "spare")),
        "ok",
        times=7,
        hops=(("server_error", 3), ("circuit_breaker", 4)),
        path="messages",
    ),
    Play("waits", (("chat", "busy+429-retry-after-60"), ("messages", "patient")), "ok", hops=(("rate_limit", 1),)),
    Play("exhausted", (("chat", "down+500"), ("responses", "gone+404")), "failed", hops=(("server_error", 1),)),
    Play("breaks", (("chat", "broken+cut-2"),), "broken", times=2),
    Play("stops", (("messages", "short+length"),), "incomplete", path="messages"),
)
LEFT = Play(ENDLESS, (("chat", "endless+long-100000+delay-10"),), "cancelled")
ROUTES = {play.route: list(play.candidates) for play in (*PLAYS, LEFT)}
TARGETS = {target for play in (*PLAYS, LEFT) for target in play.targets}
CREDENTIALS = {f"credential:{target.partition('/')[0]}" for target in TARGETS}


async def play_all(serving: Serving) -> None:
    """Everything but the stream that has no end, one after the other."""
    for play in PLAYS:
        for _ in range(play.times):
            async with serving.post(play.path, **play.body()) as answer:
                content = (await answer.read()).decode()
                assert answer.status == (502 if play.outcome == "failed" else 200), content
                assert ('"message":"' in content) == (play.outcome in ("failed", "broken")), content


async def invent(serving: Serving, count: int) -> None:
    """Requests with models, keys, paths and headers nobody has configured."""

    async def one(number: int) -> None:
        invented = f"invented-{number}"
        play = PLAYS[number % len(PLAYS)]._replace(route=invented)
        path = f"{invented}/things" if number % 5 == 4 else play.path
        headers = {"segue-vocabulary": invented, "user-agent": invented, "anthropic-version": invented}
        if number % 5 == 3:
            headers["authorization"] = f"Bearer sg-{invented}"
        async with serving.session.post(f"{serving.base}/{path}", json=play.body(), headers=headers) as answer:
            assert answer.status in (401, 404), await answer.text()

    for start in range(0, count, _INVENTED_AT_ONCE):
        await asyncio.gather(*(one(number) for number in range(start, min(count, start + _INVENTED_AT_ONCE))))


def requests(plays: Iterable[Play]) -> Counter[tuple[str, str, str]]:
    """(route, vocabulary, outcome) -> how many."""
    return Counter({(play.route, play.vocabulary, play.outcome): play.times for play in plays})


def fallbacks(plays: Iterable[Play]) -> Counter[tuple[str, ...]]:
    """(route, from_target, to_target, reason) -> how many."""
    return Counter({(play.route, *play.targets, why): count for play in plays for why, count in play.hops})


async def settled(serving: Serving) -> None:
    """Waits until no request is being served, and all workers have told so."""

    async def is_so() -> bool:
        return await serving.metric("segue_requests_in_flight") == 0

    await asyncio.sleep(PULSE)
    await until(is_so)


def figures(tally: Any) -> Iterator[tuple[str, int]]:
    """What the upstream has told for a model, by the metric's kinds; like there, without zeros."""
    told = {
        "input": tally.input_tokens,
        "output": tally.output_tokens,
        "cache_read": tally.cached_tokens,
        "reasoning": tally.reasoning_tokens,
    }
    return ((kind, count) for kind, count in told.items() if count)
