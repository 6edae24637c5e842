"""The story of one request, top to bottom: read, resolve, dispatch, relay, settle. There is no second path."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from proxy.admission.tenants import authorize
from proxy.canonical.account import Account, Exhausted, Hop
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.dispatcher import Ask, Dispatcher, Served
from proxy.errors import ProxyError, RequestFault, UnknownModel, UpstreamFault
from proxy.relay.downstream import Downstream
from proxy.relay.pump import pump
from proxy.relay.writers import PassThrough, Transcode, Writer
from proxy.routing.candidates import Operation, Route, eligible, no_capable_candidate
from proxy.routing.failures import broken_stream
from proxy.runtime.snapshot import Key, Snapshot
from proxy.settlement.ledger import Entry, Ledger
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.wire.codec import Downstream as DownstreamVocabulary
from proxy.wire.codec import Encoder, Head
from proxy.wire.decoder import Step
from proxy.wire.fields import shown

_LARGE = 16 * 1024  # bytes; copying members of less would save nothing


class Incoming(NamedTuple):
    """One authenticated request. `reading` understands its body, `answering` writes the answer (they differ only for
    the domain vocabulary). `source`: the text of `body`. `forwarded`: client headers a provider of the same vocabulary
    may see."""

    snapshot: Snapshot
    key: Key
    operation: Operation
    reading: DownstreamVocabulary
    answering: DownstreamVocabulary
    body: dict[str, Any]
    source: bytes
    request_id: str
    seed: str
    notices: str
    fallbacks: bool
    timeout: float | None
    forwarded: Mapping[str, str]


class Client(Protocol):
    """The client's end of a stream. The first `send` decides for HTTP 200."""

    waited: float  # seconds spent waiting for a slow reader

    async def send(self, wire: bytes, *, last: bool = False) -> None:
        """`last`: the stream ends with this, in the same write."""

    def open_after(self, seconds: float) -> None:
        """Open the stream by itself if nothing was sent by then (contract §7, announce)."""


class Connect(Protocol):
    """Makes the client's end for a downstream; `account` is read for headers when the stream opens."""

    def __call__(self, downstream: Downstream, account: Account) -> Client: ...


class Pipeline:
    def __init__(self, dispatcher: Dispatcher, ledger: Ledger, metrics: Metrics, clocks: Clocks) -> None:
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._metrics = metrics
        self._clocks = clocks

    def enter(self, request_id: str, vocabulary: str) -> Entry:
        """Begin a request's account; `settle` ends it, whatever happens in between."""
        self._metrics.request_began()
        return Entry(request_id, vocabulary, self._clocks.monotonic())

    def settle(self, entry: Entry) -> None:
        self._ledger.settle(entry)

    async def answer(self, incoming: Incoming, entry: Entry, connect: Connect) -> dict[str, Any] | None:
        """The non-streaming answer; None when a stream was sent. Raises ProxyError while any status may be chosen."""
        request = incoming.reading.read_request(incoming.body)
        if incoming.answering.always_streams and not request.stream:
            request = msgspec.structs.replace(request, stream=True)
        if len(incoming.source) > _LARGE:
            request = msgspec.structs.replace(request, source=incoming.source)
        ask = self._ask(incoming, entry, request)
        head = Head(
            request, incoming.seed, int(self._clocks.wall()), incoming.request_id, entry.account, incoming.notices
        )
        encoder = incoming.answering.encoder(head)
        entry.stream = request.stream
        entry.meter = Meter(self._clocks)
        if request.stream:
            await self._stream(incoming, entry, ask, encoder, connect)
            return None
        return await self._document(incoming, entry, ask, encoder)

    def _ask(self, incoming: Incoming, entry: Entry, request: Request) -> Ask:
        route = resolve(incoming, entry, request.model)
        candidates, refused = eligible(route, request, incoming.operation)
        if not candidates:
            raise no_capable_candidate(request, refused)
        total = min(route.timeouts.total, incoming.timeout or route.timeouts.total)
        return Ask(
            request,
            route,
            candidates if incoming.fallbacks else candidates[:1],
            Deadline(entry.begun + total, is_callers=total < route.timeouts.total),
            entry.begun,
            entry.account,
            incoming.forwarded,
        )

    async def _document(self, incoming: Incoming, entry: Entry, ask: Ask, encoder: Encoder) -> dict[str, Any]:
        served = await self._dispatcher.first_committed(ask, _tell_nobody)
        try:
            attempt = served.attempt
            assert attempt.document is not None
            assert entry.meter is not None
            body, events = attempt.document
            entry.waited += attempt.waited
            entry.meter.observe([Step(None, events)])
            served.succeeded()
            entry.outcome = entry.meter.outcome
            if attempt.candidate.vocabulary.name == incoming.answering.name:
                return encoder.relay_document(body, events)
            return encoder.document(events)
        finally:
            served.close()

    async def _stream(self, incoming: Incoming, entry: Entry, ask: Ask, encoder: Encoder, connect: Connect) -> None:
        downstream = Downstream(encoder)
        client = connect(downstream, entry.account)

        async def tell(notice: Hop | Exhausted) -> None:
            wire = downstream.notice(notice)
            if wire:
                await client.send(wire)

        if ask.route.announce == "eager":
            await client.send(downstream.open())
        else:
            client.open_after(incoming.snapshot.server.silence_before_headers)
        try:
            served = await self._dispatcher.first_committed(ask, tell)
        except ProxyError as error:
            if not downstream.told:
                raise
            entry.outcome, entry.error = _outcome(error), type(error).__name__
            await client.send(downstream.fail(error), last=True)
            return
        try:
            await self._relay(incoming, entry, served, downstream, encoder, client)
        finally:
            entry.waited += served.attempt.waited + client.waited
            served.close()

    async def _relay(
        self, incoming: Incoming, entry: Entry, served: Served, downstream: Downstream, encoder: Encoder, client: Client
    ) -> None:
        attempt, meter = served.attempt, entry.meter
        assert meter is not None
        target = attempt.candidate.target.name
        meter.observe_gap = self._metrics.gap_observer(target)
        same = attempt.candidate.vocabulary.name == incoming.answering.name and attempt.has_frames
        meter.foreign_is_dropped = not same
        writer: Writer = PassThrough(encoder) if same else Transcode(encoder)
        downstream.commit(writer)

        def observe(steps: list[Step]) -> None:
            served.flowing(meter.observe(steps))

        try:
            await pump(attempt, attempt.held, downstream, client.send, observe)
        except UpstreamFault as fault:
            served.broke(fault)
            self._metrics.truncated(target, fault.cause.value)
            entry.outcome, entry.error = "broken", fault.cause.value
            await client.send(downstream.fail(broken_stream(fault)), last=True)
            return
        served.succeeded()
        entry.outcome = meter.outcome


def resolve(incoming: Incoming, entry: Entry, model: str) -> Route:
    """The route a key may use under this name. Raises PermissionDenied, UnknownModel."""
    authorize(incoming.key, incoming.operation.scope, model)
    route = incoming.snapshot.routes.get(model)
    if route is None:
        raise UnknownModel(
            f"The model '{shown(model, 200)}' does not exist or you do not have access to it. "
            "GET /v1/models lists yours.",
            param="model",
        )
    entry.route = route.name
    return route


async def _tell_nobody(notice: Hop | Exhausted) -> None:
    """A non-streaming answer carries its hops in the `segue` member."""


def _outcome(error: ProxyError) -> str:
    return "refused" if isinstance(error, RequestFault) else "failed"
