"""The stage of the end-to-end tests: a scripted upstream and a real Segue, both on sockets, in a thread of their own.

So synchronous SDKs, programs in other processes and the test's own event loop all reach them as they would in life.
"""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

import uvloop
from prometheus_client.parser import text_string_to_metric_families

from proxy.admission.shared_keys import SharedKeys
from proxy.app import App
from proxy.demo.recorder import Exchange
from proxy.demo.upstream import ScriptedUpstream
from proxy.master.listening import bind
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.merging import MergedMetrics, exposition
from proxy.telemetry.metrics import Metrics
from tests.e2e.configuration import Pair, configuration, snapshot_of
from tests.e2e.tap import Tap, Watched, payloads_of

_Result = TypeVar("_Result")
_PATIENCE = 5.0  # seconds within which whatever should end has ended


class Answer(NamedTuple):
    """An HTTP answer as it stood on the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def payloads(self) -> list[Any]:
        return payloads_of(self.content)


class Backstage:
    """An event loop in a background thread. `run` brings a coroutine there and waits for its result."""

    def __init__(self) -> None:
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="backstage", daemon=True)
        self._thread.start()

    def run(self, work: Awaitable[_Result], timeout: float = 20.0) -> _Result:
        async def awaited() -> _Result:
            return await work

        future: Future[_Result] = asyncio.run_coroutine_threadsafe(awaited(), self.loop)
        return future.result(timeout)

    async def tasks(self) -> set[asyncio.Task[Any]]:
        """Everything that runs, but for who asks."""
        return asyncio.all_tasks(self.loop) - {asyncio.current_task(self.loop)}

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE)
        self.loop.close()


class Stage:
    """One upstream, one Segue, one key, some routes; opened for a test and closed after it.

    `url` is Segue as clients see it. Whatever passes there is kept in `seen`, and judged when the stage closes.
    """

    model = "the/model"  # the route of a stage that was opened with pairs
    patience = _PATIENCE

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self.key = ""
        self.url = ""
        self.direct_url = ""  # the same without the tap: for what is about connections, not about answers
        self.upstream: ScriptedUpstream
        self.app: App
        self._tap: Tap

    def open(self, routes: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        """Start everything. `routes`: name -> pairs or a route's own settings; `more`: laid over the configuration."""
        self._backstage.run(self._open(routes, more))

    async def _open(self, routes: Mapping[str, Any], more: Mapping[str, Any]) -> None:
        self.upstream = await ScriptedUpstream().__aenter__()
        written = configuration(self.upstream.url, routes, more)
        self.key = written.key
        self.app = App(snapshot_of(written), Metrics(), SharedKeys(None, time.monotonic, 60.0))
        [listening] = bind("127.0.0.1", 0)
        port = listening.getsockname()[1]
        self.app.listen([listening])
        self.direct_url = f"http://127.0.0.1:{port}"
        self._tap = Tap(port)
        self.url = await self._tap.open()

    @property
    def requests(self) -> list[Exchange]:
        """What the upstream was asked, in order."""
        return self.upstream.requests

    @property
    def asked(self) -> list[str]:
        """The upstream models that were asked, in order."""
        return [exchange.model for exchange in self.requests]

    def tokens_of(self, model: str) -> tuple[int, int]:
        """Input and output tokens the upstream has told for a model."""
        tally = self.upstream.tally[model]
        return tally.input_tokens, tally.output_tokens

    @property
    def seen(self) -> list[Watched]:
        """Every answer a client has been given so far."""
        return self._tap.watched()

    def raw(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, key: str | None = None
    ) -> Answer:
        """One request on a connection of its own. `body`: bytes as they are, anything else as JSON. The key is added
        unless `key` is another, or empty for none."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        key = self.key if key is None else key
        sent = {"authorization": f"Bearer {key}"} if key else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        connection = http.client.HTTPConnection(host, int(port), timeout=_PATIENCE)
        try:
            connection.request(method, path, body, sent | dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def metrics(self) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        """Sample name -> labels, sorted -> value."""
        merged = MergedMetrics(Clocks())
        merged.pushed("stage", self._backstage.run(self._captured()))
        text = exposition(merged).decode()
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    async def _captured(self) -> bytes:
        return self.app.captured()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        samples = self.metrics().get(name, {})
        return sum(value for key, value in samples.items() if labels.items() <= dict(key).items())

    def settle(self) -> None:
        """Wait until nobody is being served any more, here and at the upstream."""
        recorder = self.upstream.recorder
        until(lambda: not recorder.in_flight, "the upstream is still being asked", self.patience)
        until(lambda: self.metric("segue_requests_in_flight") == 0, "requests stay in flight", self.patience)

    def close(self) -> None:
        """Raises AssertionError if anything is left behind."""
        try:
            self.settle()
        finally:
            self._backstage.run(self._close())
        leaked: set[asyncio.Task[Any]] = set()

        def is_quiet() -> bool:
            nonlocal leaked
            leaked = self._backstage.run(self._backstage.tasks())
            return not leaked

        until(is_quiet, lambda: f"tasks outlive the stage: {leaked}")

    async def _close(self) -> None:
        await self._tap.close()
        await self.app.drain(0.0, _PATIENCE, asyncio.Event(), asyncio.Event())
        try:
            async with asyncio.timeout(_PATIENCE):
                while self.upstream.open_connections:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{self.upstream.open_connections} connections to the upstream stay open") from None
        finally:
            await self.upstream.__aexit__(None, None, None)


def until(holds: Callable[[], bool], otherwise: str | Callable[[], str], seconds: float = _PATIENCE) -> None:
    """Wait for something that happens elsewhere; AssertionError with `otherwise` if it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise() if callable(otherwise) else otherwise)
        time.sleep(0.005)


def faults(seen: Sequence[Watched]) -> Iterator[str]:
    """What the conformance checker says against the answers given, one line each."""
    for watched in seen:
        for violation in watched.violations():
            yield f"{watched.request} -> {watched.status}: {violation}"


class OpenStage:
    """Makes stages: `open_stage(("chat", "demo+503"), ("responses", "demo"))` has one route, `stage.model`."""

    def __init__(self, backstage: Backstage) -> None:
        self._backstage = backstage
        self._open: list[Stage] = []

    def __call__(self, *pairs: Pair, routes: Mapping[str, Any] | None = None, **more: Any) -> Stage:
        stage = Stage(self._backstage)
        named = dict(routes or {})
        if pairs:
            named[stage.model] = list(pairs)
        stage.open(named, more)
        self._open.append(stage)
        return stage

    def close(self) -> None:
        """Close them all; raises AssertionError for what leaked or broke a rule."""
        while self._open:
            stage = self._open.pop()
            stage.close()
            broken_rules = "\n".join(faults(stage.seen))
            assert not broken_rules, broken_rules
