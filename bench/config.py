"""The configuration file Segue gets for a run: one chat provider, one route per model the scenarios name."""

import json
from collections.abc import Sequence
from typing import NamedTuple

from proxy.runtime import keys

TENANT_KEY = keys.compose("benchkey", "0" * 32)
_SECRET = "bench secret, sixteen and more"


class Setup(NamedTuple):
    """The file's text and what must stand in the environment beside it."""

    text: str
    environment: dict[str, str]


def configuration(
    port: int, metrics_port: int, upstream_port: int, models: Sequence[str], workers: int | None
) -> Setup:
    """Everything about Segue's configuration format that the bench knows. `workers` None: of a time before workers."""
    # Nobody looks away from a port before it is closed here.
    processes = {} if workers is None else {"workers": workers, "drain_accepting_seconds": 0}
    document = {
        "server": {"host": "127.0.0.1", "port": port, **processes},
        "operations": {"host": "127.0.0.1", "port": metrics_port},
        "secret": _SECRET,
        "providers": {
            "bench": {
                "type": "compatible",
                "base_url": f"http://127.0.0.1:{upstream_port}/v1",
                "api_key": "sk-bench",
                "vocabulary": "chat",
            }
        },
        "routes": {model: {"candidates": [{"provider": "bench", "model": model}]} for model in models},
        "tenants": {"bench": {"keys": [{"id": "benchkey", "hash": keys.digest(_SECRET.encode(), TENANT_KEY)}]}},
    }
    return Setup(json.dumps(document, indent=2), {})  # JSON is YAML, and needs no library
