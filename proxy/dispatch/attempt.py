"""One try against one candidate: ask, judge the status, and read up to the first content. Owns the exchange.

State of an attempt is its own: nothing mutable is shared with the next one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from proxy.canonical.account import Warning
from proxy.canonical.events import Event
from proxy.canonical.request import Request
from proxy.clock import Deadline
from proxy.dispatch.time_limits import TimeLimits
from proxy.dispatch.watch import Watch
from proxy.errors import Cause, UpstreamFault
from proxy.routing import failures
from proxy.routing.candidates import Candidate
from proxy.telemetry.clocks import Clocks
from proxy.transport.exchange import Call, Exchange, Transport
from proxy.wire.codec import failure_of
from proxy.wire.decoder import SseDecoder, Step
from proxy.wire.reported import read_refusal

MOST_HELD_STEPS = 64
MOST_HELD_BYTES = 256 * 1024
LARGEST_DOCUMENT = 64 * 1024 * 1024
LARGEST_ERROR = 1024 * 1024
_DRAIN_SECONDS = 1.0
_ERROR_BODY_SECONDS = 5.0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Document(NamedTuple):
    """A non-streaming answer: the provider's own object and what it means."""

    body: dict[str, Any]
    events: list[Event]


class Attempt:
    """`commit` first; then either `document` is set, or `held` and `more` give the stream. Close it in any case."""

    def __init__(
        self,
        candidate: Candidate,
        transport: Transport,
        clocks: Clocks,
        limits: TimeLimits,
        *,
        accepts_empty: bool = True,
    ) -> None:
        """`accepts_empty`: whether an answer without a word is one."""
        self._limits = limits
        self.candidate = candidate
        self.held: list[Step] = []
        self.document: Document | None = None
        self.warnings: list[Warning] = []
        self.has_frames = True  # False: a provider answered a streaming request with one JSON document
        self.waited = 0.0  # seconds spent waiting for the provider
        self._transport = transport
        self._clocks = clocks
        self._accepts_empty = accepts_empty
        self._exchange: Exchange | None = None
        self._decoder: SseDecoder | None = None
        self._watch: Watch | None = None
        self._deadline: Deadline | None = None

    async def commit(self, request: Request, forwarded: Mapping[str, str], within: float, deadline: Deadline) -> None:
        """Reach the commit point within `within` seconds. Raises UpstreamFault. `forwarded`: client headers the
        provider may see."""
        call = self._call(request, forwarded)
        timeouts = self.candidate.target.timeouts
        loop = asyncio.get_running_loop()
        begun = loop.time()
        headers_within = min(within, timeouts.headers) if request.stream else within
        began_waiting = self._clocks.monotonic()
        try:
            with self._limits.until(begun + headers_within) as limit:
                self._exchange = await self._transport.open(call)
                content_type = self._exchange.headers.get("content-type", "")
                if not 200 <= self._exchange.status < 300:
                    raise await self._refusal()
                if request.stream:
                    limit.reschedule(begun + min(within, timeouts.first_token))
                await self._first_content(request, content_type)
        except TimeoutError:
            raise self._late(request, within, deadline) from None
        finally:
            self.waited += self._clocks.monotonic() - began_waiting
        self._deadline = deadline

    @property
    def ended(self) -> bool:
        """Whether the stream has had its terminal event."""
        return self._decoder is None or self._decoder.ended

    async def more(self) -> list[Step]:
        """The next steps. Raises UpstreamFault if the stream breaks, stalls or is too slow, or the deadline passes."""
        exchange, decoder, watch = self._exchange, self._decoder, self._watch
        assert exchange is not None
        assert decoder is not None
        if watch is None:  # made when first needed: a short answer is here as a whole when it commits
            assert self._deadline is not None
            watch = self._watch = Watch(exchange, self.candidate.target.timeouts, self._deadline)
            if watch.pace is not None:
                watch.pace.heard(self.held, 0.0)
        began = watch.resume()
        try:
            chunk = await exchange.read()
        finally:
            spent = watch.pause() - began
            self.waited += spent
        steps = decoder.feed(chunk) if chunk else decoder.finish()
        if watch.pace is not None:
            watch.pace.heard(steps, spent)
        return steps

    def close(self) -> None:
        """Free the connection: back to the pool after a whole answer, cut otherwise."""
        if self._watch is not None:
            self._watch.stop()
        if self._exchange is not None:
            exchange, self._exchange = self._exchange, None
            whole = self.document is not None or (self._decoder is not None and self._decoder.ended)
            exchange.close(drain_seconds=_DRAIN_SECONDS if whole else 0.0)

    def _call(self, request: Request, forwarded: Mapping[str, str]) -> Call:
        candidate = self.candidate
        target = candidate.target
        outgoing = candidate.vocabulary.write_request(request, candidate.peer)
        self.warnings = outgoing.warnings
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if request.stream else "application/json",
            "accept-encoding": "identity",
            "user-agent": "segue",
            **(forwarded if candidate.vocabulary.name == request.vocabulary else {}),
            **dict(target.headers),
        }
        return Call(candidate.url, headers, _written(outgoing.body, request), target.timeouts.connect)

    async def _refusal(self) -> UpstreamFault:
        exchange = self._exchange
        assert exchange is not None
        try:
            async with asyncio.timeout(_ERROR_BODY_SECONDS):
                body = await exchange.read_all(LARGEST_ERROR)
        except (UpstreamFault, TimeoutError):
            body = b""  # the status alone says enough
        error = read_refusal(body, self.candidate.vocabulary.read_error)
        return failures.of_status(exchange.status, error, exchange.headers, self._clocks.wall())

    async def _first_content(self, request: Request, content_type: str) -> None:
        kind = content_type.partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml"):
            raise UpstreamFault(Cause.SERVER_ERROR, "The provider answered with an HTML page.", detail="html")
        if not request.stream or kind.endswith(("/json", "+json")):
            await self._read_document(request.stream)
        else:
            await self._hold()

    async def _read_document(self, wanted_stream: bool) -> None:
        assert self._exchange is not None
        parsed = _json_object(await self._exchange.read_all(LARGEST_DOCUMENT))
        if parsed is None:
            raise UpstreamFault(Cause.BAD_ANSWER, "The provider's answer is not a JSON object.", detail="malformed")
        events = self.candidate.vocabulary.read_document(parsed, self.candidate.peer)
        failed = failure_of(events)
        if failed is not None:
            raise failures.of_failed(failed)
        self._refuse_silence(events)
        if wanted_stream:
            self.has_frames = False
            self.held = [Step(None, events)]
        else:
            self.document = Document(parsed, events)

    async def _hold(self) -> None:
        """Read until the first content, the end, or a full buffer; an error before that is the attempt's failure."""
        assert self._exchange is not None
        decoder = self._decoder = SseDecoder(self.candidate.vocabulary.reader(self.candidate.peer))
        size = 0
        while len(self.held) < MOST_HELD_STEPS and size < MOST_HELD_BYTES:
            chunk = await self._exchange.read()
            self.held += decoder.feed(chunk) if chunk else decoder.finish()
            size += len(chunk)
            if decoder.has_content or decoder.ended:
                failed = failure_of(self.held[-1].events)
                if failed is not None and not decoder.has_content:
                    raise failures.of_failed(failed)
                if not decoder.has_content:
                    self._refuse_silence(self.held[-1].events)
                return

    def _refuse_silence(self, events: list[Event]) -> None:
        fault = None if self._accepts_empty else failures.of_silence(events)
        if fault is not None:
            raise fault

    def _late(self, request: Request, within: float, deadline: Deadline) -> UpstreamFault:
        """Nothing came within the target's own timeout of the phase (streams have one), or within the slice."""
        timeouts = self.candidate.target.timeouts
        if self._exchange is None:
            own, what, detail = timeouts.headers, "answer", "headers_timeout"
        else:
            own, what, detail = timeouts.first_token, "send its first content", "ttft_timeout"
        had_its_time = request.stream and own <= within
        return UpstreamFault(
            Cause.TIMED_OUT,
            f"The provider did not {what} within {own if had_its_time else within:g} seconds.",
            detail=detail,
            blames_target=had_its_time or not deadline.is_callers,
        )


def _written(body: dict[str, Any], request: Request) -> bytes:
    """`body` as JSON. Of a large request, members that nobody changed are copied as they came."""
    if not request.source:
        return _encode(body)
    came = _members(request.source)
    sent = request.body
    return _encode(
        {name: came[name] if name in came and sent[name] is value else value for name, value in body.items()}
    )


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        parsed = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
