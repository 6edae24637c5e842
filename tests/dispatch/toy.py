"""A toy vocabulary and a provider made of lists: what dispatch is shown instead of wires and sockets.

A frame of the toy says one thing: `text:…`, `role`, `call:id:name`, `usage`, `hosted`, `error:code`, `stop`, `bad`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.canonical.account import Account, Exhausted, Hop, Warning
from proxy.canonical.events import (
    BlockKind,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.origin import Origins, Seal
from proxy.canonical.request import Request
from proxy.canonical.usage import Usage
from proxy.clock import Deadline
from proxy.dispatch.ask import Ask
from proxy.dispatch.breakers import Breakers
from proxy.dispatch.dispatcher import Chain, Dispatcher
from proxy.dispatch.targets import Targets
from proxy.errors import UpstreamFault, Verdict
from proxy.providers.compatible import COMPATIBLE
from proxy.routing.breaker import BreakerSettings
from proxy.routing.candidates import Candidate, Operation, Route, Target, Timeouts
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.transport.exchange import Call
from proxy.wire.codec import Objection, Outgoing, Peer, UpstreamError
from proxy.wire.decoder import Malformed
from proxy.wire.sse import Frame

SEAL = Seal(Origins(b"an obviously fake secret"), "origin")


class ToyReader:
    def __init__(self) -> None:
        self.blocks = 0

    def read(self, frame: Frame, out: list[Event]) -> None:
        word, _, rest = frame.data.decode().partition(":")
        match word:
            case "role":
                out.append(Started())
            case "text" | "reasoning" | "refusal":
                self._open(out, BlockKind[word.upper()])
                out.append(Delta(self.blocks, rest))
            case "call":
                call_id, _, name = rest.partition(":")
                self._open(out, BlockKind.TOOL_CALL, call_id, name)
            case "usage":
                out.append(UsageReported(Usage(1, 2)))
            case "hosted":
                out.append(Foreign("hosted", content=True))
            case "ping":
                out.append(Foreign("ping"))
            case "error":
                out.append(Failed(FaultKind.REPORTED, "It broke.", code=rest))
            case "stop":
                out.append(Finished(StopReason.END))
            case _:
                raise Malformed(word)

    def read_run(self, run: bytes) -> None:
        return None

    def end(self, out: list[Event]) -> None:
        """Nothing is implicit here."""

    def _open(self, out: list[Event], kind: BlockKind, call_id: str = "", name: str = "") -> None:
        self.blocks += 1
        out.append(Opened(self.blocks, kind, call_id, name))


class Toy:
    """Documents are `{"says": […]}`, errors `{"error": {"message", "code"}}`."""

    name = "toy"
    column: Mapping[str, Any] = {}

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        return [Objection("n", "one answer only")] if request.parameters.get("n", 1) != 1 else []

    def write_request(self, request: Request, peer: Peer) -> Outgoing:
        return Outgoing({**request.body, "model": peer.model}, [Warning("seed", "dropped")])

    def reader(self, peer: Peer) -> ToyReader:
        return ToyReader()

    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        if "says" not in body:
            return [Failed(FaultKind.MALFORMED, "not an answer")]
        out: list[Event] = [Started()]
        for text in body["says"]:
            ToyReader().read(Frame(b"", text.encode()), out)
        return out

    def read_error(self, body: dict[str, Any]) -> UpstreamError:
        error = body.get("error") or {}
        return UpstreamError(error.get("message", ""), error.get("code", ""))


class Scripted:
    """One exchange: chunks to read; a float is a pause, an exception is raised, None hangs for ever."""

    def __init__(self, status: int, content_type: str, script: list[Any]) -> None:
        self.status = status
        self.headers = {"content-type": content_type}
        self.script = script
        self.closed: list[float] = []
        self.aborted: UpstreamFault | None = None
        self._abort: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def read(self) -> bytes:
        while self.script:
            item = self.script.pop(0)
            if isinstance(item, bytes):
                await asyncio.sleep(0)
                return item
            if isinstance(item, Exception):
                raise item
            await self._pause(item)
        if self.aborted is not None:
            raise self.aborted
        return b""

    async def _pause(self, seconds: float | None) -> None:
        await asyncio.wait([self._abort], timeout=seconds)
        if self.aborted is not None:
            raise self.aborted

    async def read_all(self, limit: int) -> bytes:
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def abort(self, fault: UpstreamFault) -> None:
        self.aborted = fault
        if not self._abort.done():
            self._abort.set_result(None)

    def close(self, *, drain_seconds: float = 0.0) -> None:
        self.closed.append(drain_seconds)


class Answer:
    """What a provider does when called: `before` seconds of silence (None for ever), then this answer."""

    def __init__(
        self,
        *script: Any,
        status: int = 200,
        content_type: str = "text/event-stream",
        headers: Mapping[str, str] | None = None,
        before: float | None = 0.0,
        fault: UpstreamFault | None = None,
    ) -> None:
        self.script = script
        self.status = status
        self.content_type = content_type
        self.headers = headers or {}
        self.before = before
        self.fault = fault


class FakeTransport:
    """Answers by the model's name, where several are given with one after the other, the last for ever; remembers
    calls, when they came, and exchanges."""

    def __init__(self, answers: Mapping[str, Answer | Sequence[Answer]]) -> None:
        self.answers = answers
        self.calls: list[Call] = []
        self.times: list[float] = []
        self.exchanges: list[Scripted] = []

    async def open(self, call: Call) -> Scripted:
        self.calls.append(call)
        self.times.append(asyncio.get_running_loop().time())
        answer = self._answer(call.url.rpartition("/")[2])
        if answer.before is None:
            await asyncio.Event().wait()
        await asyncio.sleep(answer.before or 0)
        if answer.fault is not None:
            raise answer.fault
        exchange = Scripted(answer.status, answer.content_type, list(answer.script))
        exchange.headers |= answer.headers
        self.exchanges.append(exchange)
        return exchange

    async def close(self) -> None: ...

    def _answer(self, model: str) -> Answer:
        given = self.answers[model]
        if isinstance(given, Answer):
            return given
        return given[min(self.models.count(model), len(given)) - 1]

    @property
    def models(self) -> list[str]:
        return [call.url.rpartition("/")[2] for call in self.calls]


def sse(*words: str) -> bytes:
    return "".join(f"data: {word}\n\n" for word in words).encode()


def refusal(status: int, message: str = "No.", code: str = "", **headers: str) -> Answer:
    body = f'{{"error":{{"message":"{message}","code":"{code}"}}}}'.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(body, status=status, content_type="application/json", headers=named)


HELLO = Answer(sse("role", "text:hello"), sse("text: you", "stop"))


def target(name: str, **changes: Any) -> Target:
    toy = Toy()
    fields: dict[str, Any] = {
        "name": name,
        "provider": COMPATIBLE,
        "model": name,
        "base_url": f"http://provider.test/{name}",
        "operations": {Operation.GENERATE: (toy, "")},
        "quirks": COMPATIBLE.endpoints[0].quirks,
        "credential": "label",
        "headers": (("authorization", "Bearer fake"),),
        "seal": SEAL,
        "timeouts": Timeouts(connect=1, headers=1, first_token=1, idle=1),
        "breaker": BreakerSettings(consecutive_failures=1, open_time=10),
    }
    return Target(**(fields | changes))


def candidate(of: Target) -> Candidate:
    return Candidate(of, of.operations[Operation.GENERATE][0], of.base_url, of.peer(first=True))


class Stage:
    """A dispatcher in front of scripted providers, and everything it told."""

    def __init__(
        self, answers: Mapping[str, Answer | Sequence[Answer]], *, total: float = 30.0, share: int = 1, **route: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        self.transport = FakeTransport(answers)
        clocks = Clocks(monotonic=loop.time, wall=lambda: 0.0)
        self.breakers = Breakers(clocks, lambda: 0.5)
        self.pool = Targets(clocks, share)
        self.metrics = Metrics()
        self.dispatcher = Dispatcher(self.transport, self.breakers, self.pool, self.metrics, clocks, lambda: 0.5)
        self.told: list[Hop | Exhausted] = []
        self.targets = {name: target(name) for name in answers}
        self.account = Account()
        self.request = Request("toy", "m", {"model": "m"}, stream=True)
        self._route = route
        self._begun = loop.time()
        self._total = total

    def change(self, name: str, **changes: Any) -> None:
        self.targets[name] = target(name, **changes)

    def ask(self, forwarded: Mapping[str, str] | None = None, deadline: Deadline | None = None) -> Ask:
        targets = tuple(self.targets.values())
        return Ask(
            self.request,
            Route("m", targets, **self._route),
            [candidate(each) for each in targets],
            deadline or Deadline(self._begun + self._total),
            self._begun,
            self.account,
            forwarded or {},
        )

    async def announce(self, notice: Hop | Exhausted) -> None:
        self.told.append(notice)

    def chain(self, ask: Ask | None = None) -> Chain:
        return self.dispatcher.chain(ask or self.ask(), self.announce)

    async def first(self, ask: Ask | None = None) -> Any:
        return await self.chain(ask).first_committed()

    def is_idle(self) -> bool:
        """Whether nothing is left of any request: no connection, no place, nobody waiting."""
        return (
            all(exchange.closed for exchange in self.transport.exchanges)
            and not any(self.pool.in_flight().values())
            and not any(self.pool.queued().values())
            and all(self._is_empty(each) for each in self.targets.values())
        )

    def _is_empty(self, of: Target) -> bool:
        capacity = self.pool.of(of).capacity
        return capacity is None or capacity._running == 0

    def trip(self, name: str) -> None:
        permit = self.breakers.acquire(self.targets[name])
        assert permit is not None
        permit.report(Verdict.FAILURE, asyncio.get_running_loop().time())

    @property
    def states(self) -> dict[str, str]:
        """Of the targets' breakers."""
        return {row.target: row.state for row in self.breakers.table() if row.credential}

    def is_neutral(self, name: str) -> bool:
        breaker = self.breakers.of(self.targets[name])
        return breaker.state == "closed" and not breaker.retry_in(asyncio.get_running_loop().time())

    @property
    def attempts(self) -> list[tuple[str, str, str | None]]:
        """Who was asked or passed over: (target, outcome, detail or else reason)."""
        return [(each.model, each.outcome, each.detail or each.reason) for each in self.account.attempts]

    @property
    def hops(self) -> list[tuple[str, str, str, str | None]]:
        return [(h.from_model, h.to_model, h.reason, h.detail) for h in self.told if isinstance(h, Hop)]
