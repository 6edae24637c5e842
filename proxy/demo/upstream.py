"""The scripted upstream: a real HTTP server that answers as providers do, or misbehaves as its model names say."""

import argparse
import asyncio
import secrets
import signal
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from aiohttp import web

from proxy.demo.admin import admin_application
from proxy.demo.frames import Json, encode_json
from proxy.demo.identity import Identity
from proxy.demo.lookups import CountTokens, Embeddings, InputTokens, model, model_list
from proxy.demo.misbehaviour import Behaviour, due, modifiers_of, read_modifiers
from proxy.demo.player import close, play
from proxy.demo.recorder import Exchange, ModelTally, Recorder
from proxy.demo.script import JSON_HEADERS, Head, Step, Write, answer, read_steps
from proxy.demo.speakers.chat import Chat
from proxy.demo.speakers.completions import Completions
from proxy.demo.speakers.messages import Messages
from proxy.demo.speakers.responses import Responses
from proxy.demo.speakers.speaker import Speaker

# By the end of the path, so that any prefix works (`/openai/v1/…`); the first match counts.
SPEAKERS: tuple[tuple[str, Speaker], ...] = (
    ("/responses/input_tokens", InputTokens()),
    ("/responses", Responses()),
    ("/chat/completions", Chat()),
    ("/completions", Completions()),
    ("/embeddings", Embeddings()),
    ("/messages/count_tokens", CountTokens()),
    ("/messages", Messages()),
)
_MAX_BODY = 64 * 1024 * 1024


@dataclass(slots=True)
class _Order:
    """What the next requests for a model get: a raw script, or modifiers besides those of its name."""

    steps: list[Step] | None
    modifiers: tuple[str, ...]
    times: int | None  # None = until told otherwise


class ScriptedUpstream:
    """The server and its controls. `async with ScriptedUpstream() as upstream:` serves on a free port of loopback."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, keep: int = 200) -> None:
        self.recorder = Recorder(keep)
        self.url = ""
        self._host = host
        self._port = port
        self._orders: dict[str, deque[_Order]] = {}
        self._asked: Counter[tuple[str, str]] = Counter()  # model and last words -> requests so far
        self._dead: set[web.RequestHandler] = set()  # connections that read no further request
        self._seed = secrets.token_hex(8)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        # Without handler_cancellation aiohttp never notices that a client left.
        self._runner = web.AppRunner(
            self.application(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0, handle_signals=False
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self.url = f"http://{self._host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is None:
            return
        for connection in self._connections():
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()
        self._runner = None

    def application(self) -> web.Application:
        application = web.Application(client_max_size=_MAX_BODY)
        application.add_subapp("/_admin", admin_application(self))
        application.router.add_route("*", "/{path:.*}", self._respond)
        return application

    # Controls, the same as the admin calls.

    def script(self, model: str, steps: Iterable[Json], times: int | None = None) -> None:
        """The next `times` requests for `model` play these raw steps; ValueError for a step that does not exist."""
        self._order(model, _Order(read_steps(steps), (), times))

    def behave(self, model: str, *modifiers: str, times: int | None = None) -> None:
        """The next `times` requests for `model` get these modifiers besides its own; ValueError for an unknown one."""
        if unknown := read_modifiers(modifiers).unknown:
            raise ValueError(f"no such modifier: {unknown}")
        self._order(model, _Order(None, modifiers, times))

    def forget_orders(self) -> None:
        """Also how often was asked what, which `first-<n>-…` goes by."""
        self._orders.clear()
        self._asked.clear()

    @property
    def requests(self) -> list[Exchange]:
        return list(self.recorder.requests)

    @property
    def tally(self) -> dict[str, ModelTally]:
        return self.recorder.tally

    @property
    def open_connections(self) -> int:
        return len(self._connections())

    async def settled(self, timeout: float = 5.0) -> None:
        """Waits until no request is under way; TimeoutError."""
        await asyncio.wait_for(self.recorder.idle.wait(), timeout)

    def _connections(self) -> list[web.RequestHandler]:
        server = self._runner.server if self._runner is not None else None
        return list(server.connections) if server is not None else []

    def _order(self, model: str, order: _Order) -> None:
        """Orders are served in turn; one without an end makes way for the next."""
        orders = self._orders.setdefault(model, deque())
        if orders and orders[-1].times is None:
            orders.pop()
        orders.append(order)

    def _next_order(self, model: str) -> _Order | None:
        orders = self._orders.get(model)
        if not orders:
            return None
        order = orders[0]
        if order.times is not None:
            order.times -= 1
            if order.times <= 0:
                orders.popleft()
        return order

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        if request.protocol in self._dead:
            self.recorder.unread += 1
            close(request, with_reset=False)
            return web.Response()
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        exchange = self.recorder.begin(request.method, request.path, request.query_string, headers, raw)
        try:
            steps = self._steps(exchange)
            if exchange.kills_connection:
                self._dead = {request.protocol, *self._dead.intersection(self._connections())}
            return await play(request, steps, exchange, self.recorder)
        except (asyncio.CancelledError, ConnectionError):
            exchange.outcome = "disconnected"
            raise
        finally:
            self.recorder.end(exchange)

    def _steps(self, exchange: Exchange) -> Iterable[Step]:
        speaker = next((each for end, each in SPEAKERS if exchange.path.endswith(end)), None)
        body = exchange.body
        if exchange.method == "POST" and speaker is not None and isinstance(body, dict):
            exchange.model = str(body.get("model", ""))
            self.recorder.of(exchange.model).requests += 1
            order = self._next_order(exchange.model)
            if order is not None and order.steps is not None:
                return order.steps
            modifiers = [*modifiers_of(exchange.model), *(order.modifiers if order else ())]
            identity = Identity(f"{self._seed}-{exchange.number}", int(time.time()))
            behaviour = self._behaviour(speaker, body, exchange.model, modifiers)
            exchange.kills_connection = "close-idle" in behaviour.flags
            return answer(speaker, body, behaviour, identity, exchange.path)
        return _lookup(exchange)

    def _behaviour(self, speaker: Speaker, body: Json, model: str, modifiers: list[str]) -> Behaviour:
        behaviour = read_modifiers(modifiers)
        if behaviour.unknown is not None or not behaviour.is_passing:
            return behaviour
        # By what is said, so that requests at the same time do not take each other's turn.
        asked = model, speaker.read(body).said
        self._asked[asked] += 1
        return read_modifiers(due(modifiers, self._asked[asked]))


def _lookup(exchange: Exchange) -> list[Step]:
    is_anthropic = "anthropic-version" in exchange.headers
    _, found, name = exchange.path.rpartition("/models")
    status, body = 200, model_list(is_anthropic)
    if found and name.startswith("/"):
        body = model(name[1:], is_anthropic)
    elif exchange.method != "GET" or not found or name:
        status, body = 404, {"error": {"message": f"Invalid URL ({exchange.method} {exchange.path})", "code": None}}
    content = encode_json(body)
    return [Head(status, JSON_HEADERS, len(content)), Write(content)]


def create_upstream(keep: int = 200) -> web.Application:
    """The upstream as an application, to be run with `handler_cancellation=True`."""
    return ScriptedUpstream(keep=keep).application()


async def _serve(host: str, port: int, keep: int) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with ScriptedUpstream(host, port, keep) as upstream:
        print(f"upstream ready {upstream.url}", flush=True)
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m proxy.demo.upstream", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--keep", type=int, default=200, help="how many requests to remember")
    chosen = parser.parse_args()
    asyncio.run(_serve(chosen.host, chosen.port, chosen.keep))


if __name__ == "__main__":
    main()
