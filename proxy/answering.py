"""One client stream, from the first committed attempt to its end: relayed; and where the answer breaks, whatever the
mid-stream policy allows (contract §7)."""

from typing import Protocol

import msgspec

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.request import Request
from proxy.dispatch.ask import Ask
from proxy.dispatch.dispatcher import Chain
from proxy.dispatch.served import Served
from proxy.errors import ProxyError, UpstreamFault
from proxy.relay.downstream import Downstream
from proxy.relay.pump import Source, pump
from proxy.relay.splice import Anew, Mapping, Splice, mapped
from proxy.relay.writers import PassThrough, Transcode, Writer
from proxy.routing import midstream
from proxy.routing.candidates import Candidate
from proxy.routing.failures import broken_stream
from proxy.routing.midstream import Decision, Policy, Sent
from proxy.settlement.ledger import Entry
from proxy.settlement.meter import Meter
from proxy.telemetry.metrics import Metrics
from proxy.wire.codec import Encoder
from proxy.wire.decoder import Step


class Client(Protocol):
    """The client's end of a stream. The first `send` decides for HTTP 200."""

    waited: float  # seconds spent waiting for a slow reader

    async def send(self, wire: bytes, *, last: bool = False) -> None:
        """`last`: the stream ends with this, in the same write."""

    def open_after(self, seconds: float) -> None:
        """Open the stream by itself if nothing was sent by then (contract §7, announce)."""


class Successor:
    """A committed attempt whose events follow on those of another."""

    def __init__(self, source: Source, mapping: Mapping) -> None:
        self._source = source
        self._mapping = mapping

    @property
    def ended(self) -> bool:
        return self._source.ended

    async def more(self) -> list[Step]:
        return mapped(await self._source.more(), self._mapping)


class Answering:
    """`wire`: the name of the vocabulary the client is answered in."""

    def __init__(
        self,
        ask: Ask,
        policy: Policy,
        wire: str,
        encoder: Encoder,
        downstream: Downstream,
        client: Client,
        entry: Entry,
        meter: Meter,
        metrics: Metrics,
    ) -> None:
        self._ask = ask
        self._policy = policy
        self._wire = wire
        self._encoder = encoder
        self._downstream = downstream
        self._client = client
        self._entry = entry
        self._meter = meter
        self._metrics = metrics
        # Remembering costs time and memory, so it is done only where somebody may go on.
        self._sent = Sent() if policy.watches else None
        self._kept: list[Hop | Exhausted] | None = None

    async def tell(self, notice: Hop | Exhausted) -> None:
        """What the chain announces. While a restart is sought it is kept: nothing is void before there is better."""
        if self._kept is not None:
            self._kept.append(notice)
            return
        wire = self._downstream.notice(notice)
        if wire:
            await self._client.send(wire)

    async def run(self, chain: Chain, served: Served) -> None:
        """To the end of the stream, whoever answers."""
        decision: Decision | None = None
        while (fault := await self._relay(served, decision)) is not None:
            decision = self._decide(fault)
            successor = await self._seek(chain, decision, fault)
            outcome = Decision.FAIL if successor is None else decision
            self._metrics.broke_midstream(self._ask.route.name, self._policy.word, outcome.value)
            if successor is None:
                self._entry.outcome, self._entry.error = "broken", fault.cause.value
                await self._client.send(self._downstream.fail(broken_stream(fault)), last=True)
                return
            served = successor
        self._entry.outcome = self._meter.outcome

    async def _relay(self, served: Served, takes_over: Decision | None) -> UpstreamFault | None:
        """One attempt to its end. The fault it broke with: its breaker has heard of that, and what it held is free."""
        attempt, meter = served.attempt, self._meter
        target = attempt.candidate.target.name
        meter.observe_gap = self._metrics.gap_observer(target)

        def observe(steps: list[Step]) -> None:
            served.flowing(meter.observe(steps))

        try:
            source: Source = attempt
            held = attempt.held
            if takes_over is None:
                self._downstream.commit(self._writer(served))
            else:
                mapping = await self._take_over(served, takes_over)
                source, held = Successor(attempt, mapping), mapped(held, mapping)
            await pump(source, held, self._downstream, self._client.send, observe)
            served.succeeded()
        except UpstreamFault as fault:
            served.broke(fault)
            self._metrics.truncated(target, fault.cause.value)
            return fault
        finally:
            self._entry.waited += attempt.waited
            served.close()
        return None

    def _writer(self, served: Served) -> Writer:
        """How the first attempt is told: in its own frames where they are of the client's vocabulary."""
        attempt = served.attempt
        same = attempt.candidate.vocabulary.name == self._wire and attempt.has_frames
        self._meter.foreign_is_dropped = not same
        return PassThrough(self._encoder, self._sent) if same else Transcode(self._encoder, self._sent)

    def _decide(self, fault: UpstreamFault) -> Decision:
        if self._sent is None:
            return Decision.FAIL
        return midstream.decide(self._policy, self._ask.request, self._sent, fault)

    async def _seek(self, chain: Chain, decision: Decision, fault: UpstreamFault) -> Served | None:
        """The attempt that takes over, committed; None where nobody can."""
        request: Request | None = None
        if decision is Decision.RESTART:
            request = self._ask.request
            self._kept = []
        elif decision is Decision.CONTINUE and self._sent is not None:
            request = midstream.continuation(self._ask.request, self._sent)
        if request is None:
            return None
        asked: Request = request

        def narrow(left: list[Candidate]) -> list[tuple[Candidate, Request]]:
            return [(candidate, asked) for candidate in midstream.successors(left, asked)]

        try:
            return await chain.after(fault, narrow, discard=decision is Decision.RESTART)
        except ProxyError:
            # The client is told what broke its answer, not what those died of who were to go on with it.
            await self._keep_no_longer()
            return None

    async def _keep_no_longer(self) -> None:
        """Nobody began anew: what was sent is all there is, and not void after all."""
        kept, self._kept = self._kept or [], None
        for notice in kept:
            await self.tell(msgspec.structs.replace(notice, discard=False) if isinstance(notice, Hop) else notice)

    async def _take_over(self, served: Served, decision: Decision) -> Mapping:
        """Tell the client what follows, and how the successor's events are to be told."""
        sent = self._sent
        assert sent is not None
        mapping: Mapping
        if decision is Decision.RESTART:
            wire = self._void()
            sent.void()
            mapping, open_block = Anew(sent), None
        else:
            open_block = sent.open_text
            assert open_block is not None
            wire = self._downstream.resume(sent.answer.blocks[open_block].text, open_block)
            mapping = Splice(sent, is_echoed=served.attempt.candidate.peer.quirks.prefill_echoed)
        self._meter.hand_over(void=decision is Decision.RESTART)
        self._meter.foreign_is_dropped = True
        self._downstream.commit(Transcode(self._encoder, sent, open_block))
        if wire:
            await self._client.send(wire)
        return mapping

    def _void(self) -> bytes:
        """What was sent is void, and the hops that led to its successor."""
        kept, self._kept = self._kept or [], None
        hop, *more = kept
        assert isinstance(hop, Hop)
        return self._downstream.restart(hop) + b"".join(map(self._downstream.notice, more))
