"""The second port: /metrics, /healthz, /readyz and /admin. Loopback unless told otherwise; the same is served on the
control socket, where the permission of its file stands for a key."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from proxy.master.admin import Admin
from proxy.master.control import Control
from proxy.master.listening import bind
from proxy.master.readiness import judge
from proxy.telemetry import log
from proxy.telemetry.clocks import Clocks

_TEXT = "text/plain"
_TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text"
_OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PATHS = ("/metrics", "/healthz", "/readyz")
_SERVER = {"server": "segue"}
_STOP = 1.0  # seconds for answers under way
_SETTINGS: dict[str, Any] = {"access_log": None, "lingering_time": 1.0, "keepalive_timeout": 15.0}
_encode = msgspec.json.Encoder().encode


class OperationsServer:
    """`control_socket`: in a directory that is ours alone; whatever is in that place goes."""

    def __init__(self, control: Control, control_socket: Path, clocks: Clocks | None = None) -> None:
        self._control = control
        self._control_socket = control_socket
        self._admin = Admin(control, (clocks or Clocks()).wall)
        self._webs = (_Web(self._answer_by_key), _Web(self._answer_locally))
        self._listening: list[asyncio.Server] = []
        self._place: tuple[int, int] | None = None  # of our socket in the file system

    async def start(self, host: str, port: int) -> int:
        """Serve; returns the port. Raises OSError."""
        by_key, locally = self._webs
        sockets = bind(host, port)
        bound = int(sockets[0].getsockname()[1])
        loop = asyncio.get_running_loop()
        for listening in sockets:
            self._listening.append(await loop.create_server(by_key, sock=listening))
        self._listening.append(await loop.create_unix_server(locally, sock=_bind_privately(self._control_socket)))
        self._place = _place(self._control_socket)
        return bound

    async def stop(self) -> None:
        for server in self._listening:
            server.close()
        for web_server in self._webs:
            web_server.pre_shutdown()
            await web_server.shutdown(_STOP)
        if self._place is not None and _place(self._control_socket) == self._place:
            self._control_socket.unlink()  # not if somebody else's is there by now

    async def _answer_by_key(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._answer(request, is_local=False)

    async def _answer_locally(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._answer(request, is_local=True)

    async def _answer(self, request: web.BaseRequest, is_local: bool) -> web.StreamResponse:
        path = request.rel_url.raw_path.rstrip("/")
        if path == "/admin" or path.startswith("/admin/"):
            return await self._admin.answer(request, is_local)
        if path not in _PATHS:
            return _mistake(404, f"Unknown path. What exists: {', '.join(_PATHS)}, /admin.")
        if request.method not in ("GET", "HEAD"):
            answer = _mistake(405, "This method is not allowed here. Use GET.")
            answer.headers["allow"] = "GET, HEAD"
            return answer
        match path:
            case "/metrics":
                return self._metrics(request)
            case "/readyz":
                return self._readiness()
            case _:
                return _json({"status": "ok"}, 200)

    def _metrics(self, request: web.BaseRequest) -> web.Response:
        is_openmetrics = prefers_openmetrics(",".join(request.headers.getall("accept", [])))
        headers = {"content-type": _OPENMETRICS_TYPE if is_openmetrics else _TEXT_TYPE, "vary": "accept"}
        return web.Response(body=self._control.exposition(is_openmetrics), headers=headers | _SERVER)

    def _readiness(self) -> web.Response:
        readiness = judge(self._control.status(), self._control.snapshot)
        if readiness.refusal:
            return _json({"status": readiness.refusal, "degraded": readiness.degraded}, 503)
        return _json({"status": "degraded" if readiness.degraded else "ok", "degraded": readiness.degraded}, 200)


def prefers_openmetrics(accept: str) -> bool:
    """Whether it is asked for, and at least as much as the older text. That has no exemplars."""
    wanted = {"text/*": 0.0, _TEXT: 0.0, _OPENMETRICS: 0.0}
    for part in accept.split(","):
        kind, *parameters = (step.strip().lower() for step in part.split(";"))
        if kind in wanted:
            wanted[kind] = max(wanted[kind], _quality(parameters))
    return wanted[_OPENMETRICS] > 0 and wanted[_OPENMETRICS] >= max(wanted[_TEXT], wanted["text/*"])


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


class _Web(web.Server):
    """Requests go on when their client leaves: what was asked for is done, and written down."""

    def __init__(self, answering: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        super().__init__(answering)

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **_SETTINGS)


class _Connection(web.RequestHandler):
    """aiohttp's own errors in our form. Nothing of what was sent is repeated: it may be a key."""

    __slots__ = ()

    def _own_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            raise exc  # the client is gone
        if status < 500:
            answer = _mistake(400, "The request is not valid HTTP.")
        else:
            log.failure("internal error", kind=type(exc).__name__)
            answer = _mistake(500, "An internal error occurred; the log has more.")
        answer.force_close()
        return answer

    handle_error = _own_error  # aiohttp's name for it


def _bind_privately(path: Path) -> socket.socket:
    """Raises OSError."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.setblocking(False)
    listening.bind(str(path))
    os.chmod(path, 0o600)  # nobody could connect until now: it does not listen yet
    return listening


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _mistake(status: int, message: str) -> web.Response:
    return _json({"error": {"message": message, "field": None}}, status)


def _json(body: dict[str, object], status: int) -> web.Response:
    return web.Response(body=_encode(body), status=status, content_type="application/json", headers=_SERVER)
