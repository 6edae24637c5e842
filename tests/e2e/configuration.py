"""The configuration of a stage, written as an operator would write it and read by the real runtime.

Providers `responses`, `chat` and `messages` are the upstream in that vocabulary; `openai` and `anthropic` are the
catalogue's, sent to the upstream; `other-<vocabulary>` is the same server with another credential.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.runtime import keys
from proxy.runtime.build import load
from proxy.runtime.snapshot import Snapshot

VOCABULARIES = ("responses", "chat", "messages")
SECRET = "a secret of the tests, long enough"
KEY = keys.compose("testkey1", "0123456789abcdefghijABCDEFGHIJ99")
TENANT = "tests"

Pair = tuple[str, str]  # provider, upstream model


class Written(NamedTuple):
    """A configuration's text, what must stand in the environment beside it, and the key it lets in."""

    text: str
    environment: dict[str, str]
    key: str


def configuration(upstream_url: str, routes: Mapping[str, Any], more: Mapping[str, Any]) -> Written:
    """`routes`: name -> pairs, or a route's settings with its pairs as `candidates`. `more` is laid over the rest."""
    document: dict[str, Any] = {
        "server": {"port": 0, "workers": 2, "drain_accepting_seconds": 0, "shutdown_grace_seconds": 1},
        "operations": {"port": 0},
        "secret": "${SEGUE_SECRET}",
        "defaults": {"retries": {"first_wait_seconds": 0.02}},  # most tests have no use for waiting longer
        "providers": _providers(upstream_url),
        "routes": {name: _route(route) for name, route in routes.items()},
        "tenants": {TENANT: {"keys": [{"id": "testkey1", "hash": keys.digest(SECRET.encode(), KEY)}]}},
    }
    # JSON is YAML, and needs no indentation.
    return Written(json.dumps(_laid_over(document, more)), {"SEGUE_SECRET": SECRET}, KEY)


def snapshot_of(written: Written) -> Snapshot:
    """What Segue makes of it. Raises ConfigurationError."""
    return load(written.text, written.environment, _no_file).snapshot


def _no_file(path: str) -> str:
    raise FileNotFoundError(path)


def _providers(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for vocabulary in VOCABULARIES:
        shared = {"type": "compatible", "base_url": f"{url}/v1", "vocabulary": vocabulary}
        found[vocabulary] = shared | {"api_key": f"sk-fake-{vocabulary}"}
        found[f"other-{vocabulary}"] = shared | {"api_key": f"sk-fake-other-{vocabulary}"}
    found["openai"] = {"base_url": f"{url}/v1", "api_key": "sk-fake-openai"}
    found["anthropic"] = {"base_url": f"{url}/v1", "api_key": "sk-fake-anthropic"}
    return found


def _route(route: Any) -> dict[str, Any]:
    settings = dict(route) if isinstance(route, Mapping) else {"candidates": route}
    return settings | {"candidates": [_candidate(each) for each in settings["candidates"]]}


def _candidate(candidate: Any) -> Any:
    if isinstance(candidate, Mapping):
        return candidate
    provider, model = candidate
    return {"provider": provider, "model": model}


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        is_deep = isinstance(value, Mapping) and isinstance(below.get(name), Mapping)
        merged[name] = _laid_over(below[name], value) if is_deep else value
    return merged
