"""One HTTP request: which endpoint, who asks, what body; the pipeline; the answer in the caller's vocabulary."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
from aiohttp import HttpVersion11, web
from multidict import CIMultiDictProxy

from proxy.admission.shared_keys import SharedKeys
from proxy.admission.tenants import authenticate
from proxy.canonical.account import Account
from proxy.errors import MethodNotAllowed, ProxyError, RequestFault, UnknownPath, UpgradeRequired
from proxy.http import failures, models, paths, request_headers
from proxy.http.bodies import check_declared, receive_body
from proxy.http.connection import Connection
from proxy.http.counting import Counter
from proxy.http.paths import Endpoint, Kind
from proxy.http.running import Run, Running
from proxy.http.shedding import Shedding
from proxy.http.stream import ClientStream
from proxy.pipeline import Incoming, Pipeline
from proxy.relay.downstream import Downstream
from proxy.runtime.snapshot import Key, Snapshot
from proxy.settlement.ledger import Entry
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import OTHER, Metrics
from proxy.vocabularies.catalog import CHAT, DOWNSTREAM, MESSAGES, RESPONSES
from proxy.wire.codec import Downstream as Vocabulary
from proxy.wire.fields import parse_object

_encode = msgspec.json.Encoder().encode
_COUNT = Kind.COUNT


class Caller(NamedTuple):
    """One HTTP request's fixed facts."""

    request: web.BaseRequest
    headers: CIMultiDictProxy[str]
    request_id: str
    seed: str  # all ids of the answer derive from it
    vocabulary: Vocabulary  # of error bodies and answers
    run: Run


class Server:
    """`mint`: random alphanumerics of a given length. `draining` is set once the process is on its way out: what comes
    is still answered, and each answer is its connection's last. `running`: what is being served; `count` is told how
    much that is, before `shedding` is asked whether it is too much."""

    def __init__(
        self,
        pipeline: Pipeline,
        counter: Counter,
        current: Callable[[], Snapshot],
        shared_keys: SharedKeys,
        metrics: Metrics,
        clocks: Clocks,
        mint: Callable[[int], str],
        count: Callable[[int, int], None],
        shedding: Shedding,
    ) -> None:
        self.draining = False
        self.running = Running(count)
        self._pipeline = pipeline
        self._counter = counter
        self._current = current
        self._shared_keys = shared_keys
        self._metrics = metrics
        self._clocks = clocks
        self._mint = mint
        self._shedding = shedding

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """aiohttp's entry. Raises only for a departed client (the entry then stays "cancelled")."""
        run = self.running.enter()
        cast(Connection, request.protocol).heard()
        too_much = self._shedding.why(self._current().server)
        headers = request.headers
        asked = request_headers.asked_vocabulary(headers)
        vocabulary = _spoken(request, asked)
        minted = self._mint(46)
        caller = Caller(request, headers, "req_" + minted[:24], minted[24:], vocabulary, run)
        counted_as = vocabulary.name if paths.vocabulary_of(request.raw_path) is not None else OTHER
        if too_much:
            return self._shed(too_much, caller, counted_as)
        entry = self._pipeline.enter(caller.request_id, counted_as)
        try:
            answer = await failures.guarded(self._answer(caller, entry, asked), caller.request_id)
        except ProxyError as error:
            answer = self._failed(error, caller, entry)
        except asyncio.CancelledError:
            answer = self._failed(run.why(), caller, entry)
        finally:
            self._pipeline.settle(entry)
            self.running.leave(run)
        if self.draining:
            answer.force_close()
        return answer

    def _shed(self, why: str, caller: Caller, counted_as: str) -> web.Response:
        """Turned away: nothing was read of it but its headers. There is no line in the log for each."""
        self.running.leave(caller.run)
        self._metrics.shed(counted_as, why)
        refusal = self._shedding.refusal(why)
        answer = failures.answer(refusal, caller.vocabulary, caller.request_id, self._base_headers(caller))
        if self.draining:
            answer.force_close()
        return answer

    async def _answer(self, caller: Caller, entry: Entry, asked: str | None) -> web.StreamResponse:
        request, headers = caller.request, caller.headers
        if request.method == "OPTIONS":
            entry.outcome = "ok"
            return web.Response(status=204, headers=self._base_headers(caller) | {"allow": _allowed(request.raw_path)})
        if "websocket" in headers.get("upgrade", "").lower():
            raise UpgradeRequired("WebSocket is not offered here. Use HTTP with server-sent events.")
        endpoint = paths.resolve(request.method, request.raw_path)
        snapshot = self._current()
        wall, patience = self._clocks.wall(), self._clocks.monotonic() + snapshot.store.timeout
        key = await authenticate(snapshot, self._shared_keys, request_headers.presented_keys(headers), wall, patience)
        entry.tenant, entry.key_id = key.tenant, key.id
        caller.run.key_id = key.id
        if "x-stainless-retry-count" in headers and headers["x-stainless-retry-count"] != "0":
            self._metrics.client_retried()
        if endpoint.vocabulary is None:
            return self._models(caller, entry, endpoint, snapshot, key)
        limit = snapshot.server.body_limit
        check_declared(request, limit)
        if headers.get("expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        began = self._clocks.monotonic()
        received = await receive_body(request, limit, snapshot.server.body_timeout)
        entry.waited += self._clocks.monotonic() - began
        body = parse_object(received)
        incoming = Incoming(
            snapshot=snapshot,
            key=key,
            operation=endpoint.operation,
            reading=endpoint.vocabulary,
            answering=caller.vocabulary,
            body=body,
            source=received,
            request_id=caller.request_id,
            seed=caller.seed,
            notices=request_headers.notice_mode(headers, key, has_typed_events=caller.vocabulary is RESPONSES),
            fallbacks=request_headers.allows_fallbacks(headers),
            timeout=request_headers.asked_timeout(headers),
            midstream=request_headers.asked_midstream(headers),
            headers=headers,
            forwarded=request_headers.forwarded(headers),
        )
        if endpoint.kind is _COUNT:
            counted = await self._counter.count(incoming, entry)
            return self._json(counted, caller, entry)
        return await self._generate(caller, entry, incoming)

    async def _generate(self, caller: Caller, entry: Entry, incoming: Incoming) -> web.StreamResponse:
        stream: ClientStream | None = None

        def connect(downstream: Downstream, account: Account) -> ClientStream:
            nonlocal stream
            stream = ClientStream(
                caller.request, downstream, incoming.snapshot.server, lambda: self._headers(caller, account)
            )
            return stream

        try:
            document = await failures.guarded(self._pipeline.answer(incoming, entry, connect), caller.request_id)
            if document is not None:
                return self._json(document, caller, entry)
            assert stream is not None
            assert stream.response is not None
            await stream.response.write_eof()
        except ProxyError as error:
            if stream is None or stream.response is None:
                raise
            entry.outcome, entry.error = "broken", type(error).__name__
            await stream.fail(error)
        except asyncio.CancelledError:
            if stream is None or stream.response is None:
                raise
            reason = caller.run.why()
            entry.outcome, entry.error = "broken", type(reason).__name__
            await stream.fail(reason)
        finally:
            if stream is not None:
                await stream.close()
        return stream.response

    def _models(
        self, caller: Caller, entry: Entry, endpoint: Endpoint, snapshot: Snapshot, key: Key
    ) -> web.StreamResponse:
        if endpoint.model is None:
            body = models.listing(snapshot, key, caller.headers)
        else:
            body = models.single(snapshot, key, caller.headers, endpoint.model)
        entry.outcome = "ok"
        return self._json(body, caller, entry)

    def _json(self, body: dict[str, Any], caller: Caller, entry: Entry) -> web.Response:
        headers = self._headers(caller, entry.account)
        headers["content-type"] = "application/json"
        return web.Response(body=_encode(body), headers=headers)

    def _failed(self, error: ProxyError, caller: Caller, entry: Entry) -> web.Response:
        entry.outcome = "refused" if isinstance(error, RequestFault) else "failed"
        entry.error = type(error).__name__
        return failures.answer(error, caller.vocabulary, caller.request_id, self._headers(caller, entry.account))

    def _base_headers(self, caller: Caller) -> dict[str, str]:
        headers = {"server": "segue", "x-request-id": caller.request_id}
        if caller.vocabulary is MESSAGES:
            headers["request-id"] = caller.request_id
        if self.draining:
            headers["connection"] = "close"
        return headers

    def _headers(self, caller: Caller, account: Account) -> dict[str, str]:
        """What contract §5 promises, as far as it is known when the headers go out."""
        headers = self._base_headers(caller)
        if account.served_by is not None:
            headers["segue-served-by"] = account.served_by
            headers["segue-quota-decision"] = account.quota_decision
        if account.attempts:
            headers["segue-attempts"] = str(len(account.attempts))
        if account.hops:
            headers["segue-fallback-reason"] = account.hops[-1].reason
        if account.warnings:
            headers["segue-dropped"] = request_headers.listed(warning.param for warning in account.warnings)
        return headers


def _spoken(request: web.BaseRequest, asked: str | None) -> Vocabulary:
    """The vocabulary of answers and errors: asked for by header where that can be had, else the path's, else
    Anthropic's for its clients."""
    own = paths.vocabulary_of(request.raw_path)
    if asked is not None and own is not None:
        wanted = DOWNSTREAM.get(asked)
        if wanted is not None and wanted.read_like == own.name:
            return wanted
    if own is not None:
        return own
    return MESSAGES if "anthropic-version" in request.headers else CHAT


def _allowed(raw_path: str) -> str:
    for method in ("POST", "GET"):
        try:
            paths.resolve(method, raw_path)
        except (MethodNotAllowed, UnknownPath):
            continue
        return "GET, HEAD, OPTIONS" if method == "GET" else "POST, OPTIONS"
    return "OPTIONS"
