"""The routes of the demo: what each one shows, and the configuration file that makes Segue serve them."""

from dataclasses import dataclass, field
from typing import Any

import yaml

# One provider per vocabulary, all of them the scripted upstream. What a model does there, its name says.
_PROVIDERS: dict[str, dict[str, Any]] = {
    "first": {"vocabulary": "responses"},
    "second": {"vocabulary": "messages"},
    "third": {"vocabulary": "chat", "quirks": {"prefill": "plain"}},
}


@dataclass(frozen=True, slots=True)
class Route:
    """`candidates` as a configuration file has them; `shows` is for people; `settings`: further fields of the route."""

    name: str
    shows: str
    candidates: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


ROUTES = (
    Route("demo", "an ordinary stream", ("first/demo+delay-60",)),
    Route(
        "demo-fallback",
        "the first provider answers 200, then dies; the second answers",
        ("first/demo+error-200", "second/demo+delay-60"),
    ),
    Route("demo-overloaded", "503; the second answers", ("first/demo+503", "third/demo+delay-60")),
    Route(
        "demo-late",
        "no first token within a second; the second answers",
        ("first/demo+hang-body", "second/demo+delay-60"),
        {"timeouts": {"first_token_seconds": 1}},
    ),
    Route(
        "demo-unlucky",
        "rate limit, an HTML page, broken frames, an empty stream; the fifth answers",
        (
            "first/demo+429-retry-after-20",
            "second/demo+html-502",
            "third/demo+malformed2-0",
            "first/demo+empty",
            "second/demo+delay-60",
        ),
    ),
    Route(
        "demo-exhausted",
        "everybody is rate-limited: a real 429 with the shortest Retry-After",
        ("first/demo+429-retry-after-30", "second/demo+429-retry-after-12"),
    ),
    Route(
        "demo-eager",
        "nobody answers after the stream was opened (announce: eager)",
        ("first/demo+500", "third/demo+cut-0"),
        {"announce": "eager"},
    ),
    Route(
        "demo-retried",
        "503 the first time you say something; asked again, the same provider answers",
        ("first/demo+first-1-503+delay-60", "second/demo+delay-60"),
    ),
    Route("demo-cut", "the connection breaks after three words", ("first/demo+delay-60+cut-3",)),
    Route(
        "demo-continued",
        "the connection breaks after three words; another model goes on there (midstream: continue)",
        ("first/demo+delay-60+cut-3", "third/demo+prefill+delay-60"),
        {"midstream": "continue"},
    ),
    Route(
        "demo-stall",
        "silence after two words, given up after three seconds",
        ("second/demo+delay-60+stall-2",),
        {"timeouts": {"idle_seconds": 3}},
    ),
    Route("demo-reasoning", "reasoning before the answer", ("first/demo+reasoning+delay-60",)),
    Route("demo-tools", "two parallel tool calls (send tools)", ("third/demo+tools+overlap-tools",)),
    Route("demo-embedding", "POST /v1/embeddings, 256 dimensions", ("third/demo-embedding",)),
)


@dataclass(frozen=True, slots=True)
class Key:
    """The demo's tenant key, what is stored of it, and the secret that was hashed with it."""

    key: str
    id: str
    hash: str
    secret: str


def configuration(upstream: str, port: int, key: Key) -> str:
    """The configuration file; `port` 0 takes any free one. One worker, so that a breaker that opened is open for every
    request that is shown; no load balancer to wait for at the end; a short grace, because some routes never end."""
    whole = {
        "server": {"port": port, "workers": 1, "drain_accepting_seconds": 0, "shutdown_grace_seconds": 1},
        "operations": {"port": 0},
        "secret": key.secret,
        "providers": {
            name: {"type": "compatible", "base_url": f"{upstream}/v1", **settings}
            for name, settings in _PROVIDERS.items()
        },
        "routes": {route.name: {"candidates": list(route.candidates), **route.settings} for route in ROUTES},
        "tenants": {"demo": {"keys": [{"id": key.id, "hash": key.hash}]}},
    }
    return yaml.safe_dump(whole, sort_keys=False, width=120)
