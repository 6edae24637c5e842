"""The admin API under /_admin: the controls of the upstream for a test or a person in another process."""

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from proxy.demo.frames import Json, decode_json, encode_json
from proxy.demo.misbehaviour import table
from proxy.demo.recorder import Recorder


class Controls(Protocol):
    recorder: Recorder

    @property
    def open_connections(self) -> int: ...

    def script(self, model: str, steps: list[Json], times: int | None = None) -> None: ...

    def behave(self, model: str, *modifiers: str, times: int | None = None) -> None: ...

    def forget_orders(self) -> None: ...


def admin_application(controls: Controls) -> web.Application:
    """POST and DELETE scripts and behaviour, GET and DELETE requests, GET tally, GET modifiers. Deleting behaviour
    begins the count of `first-<n>-…` anew."""

    async def script(request: web.Request) -> web.Response:
        asked = decode_json(await request.read())
        return _done(lambda: controls.script(asked["model"], asked["steps"], asked.get("times")))

    async def behave(request: web.Request) -> web.Response:
        asked = decode_json(await request.read())
        return _done(lambda: controls.behave(asked["model"], *asked["modifiers"], times=asked.get("times")))

    async def forget_orders(request: web.Request) -> web.Response:
        return _done(controls.forget_orders)

    async def requests(request: web.Request) -> web.Response:
        return _json({"requests": [exchange.shown() for exchange in controls.recorder.requests]})

    async def forget_requests(request: web.Request) -> web.Response:
        return _done(controls.recorder.forget)

    async def tally(request: web.Request) -> web.Response:
        recorder = controls.recorder
        told = {"models": recorder.tally, "in_flight": recorder.in_flight, "unread": recorder.unread}
        return _json(told | {"open_connections": controls.open_connections})

    async def modifiers(request: web.Request) -> web.Response:
        return _json(table())

    application = web.Application()
    application.add_routes(
        [
            web.post("/scripts", script),
            web.delete("/scripts", forget_orders),
            web.post("/behaviour", behave),
            web.delete("/behaviour", forget_orders),
            web.get("/requests", requests),
            web.delete("/requests", forget_requests),
            web.get("/tally", tally),
            web.get("/modifiers", modifiers),
        ]
    )
    return application


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=encode_json(body), status=status, content_type="application/json")


def _done(action: Callable[[], None]) -> web.Response:
    try:
        action()
    except (KeyError, TypeError, ValueError) as mistake:
        return _json({"error": str(mistake)}, 400)
    return _json({"done": True})
