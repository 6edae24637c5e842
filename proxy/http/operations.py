"""The second port: /metrics, /healthz, /readyz. Loopback unless told otherwise; no key is ever accepted here."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from proxy.dispatch.breakers import Breakers
from proxy.telemetry.metrics import Metrics

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SERVER = {"server": "segue"}
_encode = msgspec.json.Encoder().encode


class Operations:
    """`is_draining` says whether the process is on its way out; `targets` names those with an open breaker."""

    def __init__(self, metrics: Metrics, breakers: Breakers, is_draining: Callable[[], bool]) -> None:
        self._metrics = metrics
        self._breakers = breakers
        self._is_draining = is_draining

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return _json({"error": f"{request.method} is not allowed. Use GET."}, 405)
        match request.path.rstrip("/"):
            case "/metrics":
                self._metrics.breaker_states(self._breakers.states())
                return web.Response(body=self._metrics.exposition(), headers={"content-type": _METRICS_TYPE} | _SERVER)
            case "/healthz":
                return _json({"status": "ok"}, 200)
            case "/readyz":
                return self._ready()
        return _json({"error": "Unknown path. What exists: /metrics, /healthz, /readyz."}, 404)

    def _ready(self) -> web.Response:
        if self._is_draining():
            return _json({"status": "draining"}, 503)
        degraded = [
            f"breaker of {name} is {state}" for name, state in self._breakers.states().items() if state != "closed"
        ]
        return _json({"status": "degraded" if degraded else "ok", "degraded": degraded}, 200)


def _json(body: dict[str, object], status: int) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json", headers=_SERVER)
