"""Remembers what was asked and what became of it: the last requests, usage told per model, what is still under way."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from proxy.demo.content import Usage
from proxy.demo.frames import Json, decode_json

_KEY_HEADERS = ("authorization", "x-api-key", "api-key")


@dataclass(slots=True)
class Exchange:
    """One request. `outcome` is `open` while it runs; `disconnected` means that the client left first."""

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case
    raw: bytes
    model: str = ""
    kills_connection: bool = False  # whether this answer is the connection's last, without saying so
    status: int = 0
    bytes_written: int = 0
    outcome: Literal["open", "finished", "cut", "reset", "disconnected"] = "open"

    @property
    def disconnected(self) -> bool:
        return self.outcome == "disconnected"

    @property
    def body(self) -> Any:
        """The parsed body; None if it is not JSON."""
        try:
            return decode_json(self.raw)
        except msgspec.DecodeError:
            return None

    @property
    def credentials(self) -> dict[str, str]:
        return {name: self.headers[name] for name in _KEY_HEADERS if name in self.headers}

    def shown(self) -> Json:
        names = ("number", "method", "path", "query", "headers", "body", "credentials", "model", "status")
        return {name: getattr(self, name) for name in (*names, "bytes_written", "outcome", "disconnected")}


@dataclass(slots=True)
class ModelTally:
    """Sums of one model: requests, and the tokens of every final usage that was written to a client."""

    requests: int = 0
    disconnected: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, usage: Usage) -> None:
        self.input_tokens += usage.input
        self.cached_tokens += usage.cached
        self.output_tokens += usage.output
        self.reasoning_tokens += usage.reasoning


@dataclass(slots=True)
class Recorder:
    """`keep` bounds how many requests are remembered; the tally counts all."""

    keep: int = 200
    requests: deque[Exchange] = field(init=False)
    tally: dict[str, ModelTally] = field(default_factory=dict)
    in_flight: int = 0
    unread: int = 0  # requests that met a dead connection; nothing else counts them
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = 0

    def __post_init__(self) -> None:
        self.requests = deque(maxlen=self.keep)
        self.idle.set()

    def begin(self, method: str, path: str, query: str, headers: dict[str, str], raw: bytes) -> Exchange:
        self._count += 1
        exchange = Exchange(self._count, method, path, query, headers, raw)
        self.requests.append(exchange)
        self.in_flight += 1
        self.idle.clear()
        return exchange

    def forget(self) -> None:
        """The remembered requests and the tally; what is under way stays counted."""
        self.requests.clear()
        self.tally.clear()
        self.unread = 0

    def of(self, model: str) -> ModelTally:
        return self.tally.setdefault(model, ModelTally())

    def end(self, exchange: Exchange) -> None:
        self.of(exchange.model).disconnected += exchange.disconnected
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()
