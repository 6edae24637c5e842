"""The story of one request, top to bottom: read, resolve, dispatch, relay, settle. There is no second path."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from proxy.admission.tenants import permitted
from proxy.answering import Answering, Client
from proxy.canonical.account import Account, Exhausted, Hop
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.ask import Ask
from proxy.dispatch.dispatcher import Dispatcher
from proxy.errors import ProxyError, RequestFault
from proxy.relay.downstream import Downstream
from proxy.routing.candidates import Operation, Route, Target, eligible, no_capable_candidate
from proxy.routing.midstream import Policy
from proxy.routing.selection import Load, order, owners_first
from proxy.runtime.snapshot import Key, Snapshot
from proxy.settlement.ledger import Entry, Ledger
from proxy.settlement.meter import Meter
from proxy.telemetry.clocks import Clocks
from proxy.telemetry.metrics import Metrics
from proxy.wire.codec import Downstream as DownstreamVocabulary
from proxy.wire.codec import Encoder, Head
from proxy.wire.decoder import Step

_LARGE = 16 * 1024  # bytes; copying members of less would save nothing


class Incoming(NamedTuple):
    """One authenticated request. `reading` understands its body, `answering` writes the answer (they differ only for
    the domain vocabulary). `source`: the text of `body`. `midstream`: what the client wants done about an answer that
    breaks; None = as the route has it. `headers`: the client's, found by any case. `forwarded`: those of them a
    provider of the same vocabulary may see."""

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
    midstream: str | None
    headers: Mapping[str, str]
    forwarded: Mapping[str, str]


class Connect(Protocol):
    """Makes the client's end for a downstream; `account` is read for headers when the stream opens."""

    def __call__(self, downstream: Downstream, account: Account) -> Client: ...


class Pipeline:
    """`load` says what a target is doing, `pick` draws from [0, 1): what choosing among candidates goes by."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        ledger: Ledger,
        metrics: Metrics,
        clocks: Clocks,
        load: Callable[[Target], Load],
        pick: Callable[[], float],
    ) -> None:
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._metrics = metrics
        self._clocks = clocks
        self._load = load
        self._pick = pick

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
        if route.places:
            candidates = order(route, candidates, self._load, self._pick, _mark(incoming, route))
        candidates = owners_first(request, candidates)
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
        served = await self._dispatcher.chain(ask, _tell_nobody).first_committed()
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
        assert entry.meter is not None
        downstream = Downstream(encoder)
        client = connect(downstream, entry.account)
        policy = Policy(
            incoming.midstream or ask.route.midstream,
            tells_discards=incoming.answering.tells_discards,
            asked=incoming.midstream is not None,
        )
        answering = Answering(
            ask, policy, incoming.answering.name, encoder, downstream, client, entry, entry.meter, self._metrics
        )
        if ask.route.announce == "eager":
            await client.send(downstream.open())
        else:
            client.open_after(incoming.snapshot.server.silence_before_headers)
        chain = self._dispatcher.chain(ask, answering.tell)
        try:
            served = await chain.first_committed()
        except ProxyError as error:
            if not downstream.told:
                raise
            entry.outcome, entry.error = _outcome(error), type(error).__name__
            await client.send(downstream.fail(error), last=True)
            return
        try:
            await answering.run(chain, served)
        finally:
            entry.waited += client.waited


def resolve(incoming: Incoming, entry: Entry, model: str) -> Route:
    """The route a key may use under this name. Raises PermissionDenied, UnknownModel."""
    route = permitted(incoming.snapshot, incoming.key, incoming.operation.scope, model)
    entry.route = route.name
    return route


def _mark(incoming: Incoming, route: Route) -> str | None:
    """What keeps requests together that belong together; None where nothing does."""
    match route.affinity.by:
        case "key":
            return incoming.key.id
        case "header":
            return incoming.headers.get(route.affinity.header) or None
    return None


async def _tell_nobody(notice: Hop | Exhausted) -> None:
    """A non-streaming answer carries its hops in the `segue` member."""


def _outcome(error: ProxyError) -> str:
    return "refused" if isinstance(error, RequestFault) else "failed"
