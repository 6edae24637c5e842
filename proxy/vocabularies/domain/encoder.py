"""One client's stream in the domain vocabulary. Every event passes the phase machine; what may not be sent is dropped
and counted, and the stream goes on."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.accumulate import Block, fold
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Progress,
    Started,
    UsageReported,
)
from proxy.canonical.ids import call_id
from proxy.canonical.usage import Usage
from proxy.errors import ProxyError
from proxy.vocabularies.domain import payloads
from proxy.vocabularies.domain.errors import error_event
from proxy.vocabularies.domain.phases import Name, Phase, following
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.sse import comment_bytes, frame_bytes

_encode = msgspec.json.Encoder().encode
_TEXT = b'event: delta\ndata: {"type":"text","content":'
_REASONING = b'event: delta\ndata: {"type":"reasoning","content":'
_END = b"}\n\n"
_KEEP_ALIVE = comment_bytes(b"keep-alive")


class DomainEncoder:
    """See `wire.codec.Encoder`. `dropped` lists the events the phase machine refused, in order."""

    interleaves = True

    def __init__(self, head: Head) -> None:
        self.phase = Phase.IDLE
        self.dropped: list[Name] = []
        self._head = head
        self._out: list[bytes] = []
        self._starts: dict[int, bytes] = {}  # open text and reasoning blocks: what their deltas begin with
        self._calls: dict[int, tuple[str, Block]] = {}  # open tool calls: the client's id and what was said
        self._citations: list[Citation] = []
        self._before: dict[int, int] = {}  # the resumed block, if there is one: how much was said before it began
        self._usage = Usage()
        self._notices: list[Hop | Exhausted] = []

    def opening(self) -> bytes:
        self._open()
        return self._take()

    def _open(self) -> None:
        if self.phase is not Phase.IDLE:
            return
        self._send(Name.STREAM_STARTED, payloads.stream_started(self._head))
        waiting, self._notices = self._notices, []
        for notice in waiting:
            self._announce(notice)

    def notice(self, notice: Hop | Exhausted) -> bytes:
        if self.phase is Phase.IDLE:
            self._notices.append(notice)
        else:
            self._announce(notice)
        return self._take()

    def _announce(self, notice: Hop | Exhausted) -> None:
        if isinstance(notice, Exhausted):
            self._send(Name.FALLBACK_EXHAUSTED, notice.members())
        elif self._send(Name.FALLBACK_START, notice.members(), discards=notice.discard) and notice.discard:
            self._forget()

    def _forget(self) -> None:
        """What was sent is void, and so is what it was collected from."""
        self._forget_blocks()
        self._citations.clear()
        self._usage = Usage()

    def _forget_blocks(self) -> None:
        self._starts.clear()
        self._calls.clear()
        self._before.clear()

    def resume(self, text: str, block: int) -> bytes:
        """Nothing is written: more `delta` events of type text follow."""
        self._forget_blocks()
        self._starts[block], self._before[block] = _TEXT, len(text)
        return b""

    def restart(self, hop: Hop) -> bytes:
        """The notice itself is the void mark: `fallback_start` with `discard: true`."""
        return self.notice(hop)

    def encode(self, events: Sequence[Event]) -> bytes:
        out, starts = self._out, self._starts
        for event in events:
            if type(event) is Delta:
                start = starts.get(event.block)
                if start is None:
                    self._collect(event)
                elif self.phase is Phase.STREAMING or self._enter(Name.DELTA):
                    out.append(start + _encode(event.text) + _END)
            else:
                self._encode_rare(event)
        return self._take()

    def _collect(self, event: Delta) -> None:
        if (call := self._calls.get(event.block)) is not None:
            call[1].pieces.append(event.text)

    def _encode_rare(self, event: Event) -> None:
        match event:
            case Opened():
                self._open_block(event)
            case Closed(block=block):
                self._starts.pop(block, None)
                if (call := self._calls.pop(block, None)) is not None:
                    self._send(Name.TOOL, payloads.tool("done", call[1].name, payloads.call_details(*call)))
            case Cited(block=block, citation=citation):
                self._citations.append(citation.moved(self._before.get(block, 0)))
            case Progress():
                self._open()
                self._send(Name.TOOL, payloads.tool(event.phase, event.name, dict(event.details)))
            case Started(usage=usage):
                self._usage = self._usage.merged(usage or Usage())
                self._open()
            case UsageReported(usage=usage):
                self._usage = self._usage.merged(usage)
            case Finished():
                self._finish()

    def _open_block(self, event: Opened) -> None:
        self._open()
        if event.choice or event.kind is BlockKind.HOSTED:
            return
        if event.kind in payloads.CALLS:
            ours = call_id(self._head.seed, event.block, event.call_id)
            self._calls[event.block] = (ours, Block(event.kind, event.call_id, event.name))
            self._send(Name.TOOL, payloads.tool("start", event.name, {"call_id": ours}))
        else:
            self._starts[event.block] = _REASONING if event.kind in payloads.REASONING else _TEXT

    def _finish(self) -> None:
        self._open()
        for block in list(self._calls):
            self._encode_rare(Closed(block))
        if self._citations and self.phase is not Phase.TERMINAL:
            self._send(Name.CITATIONS, payloads.citations(self._citations))
        self._send(Name.DONE, payloads.done(self._head, self._usage))

    def relay(self, steps: Sequence[Step]) -> bytes:
        """No provider speaks this vocabulary; the meaning of the frames is written."""
        return self.encode([event for step in steps for event in step.events])

    def fail(self, error: ProxyError) -> bytes:
        """The terminal; by itself if nothing was sent and no notice waits."""
        if self._notices:
            self._open()
        if self.phase is not Phase.TERMINAL:
            self._send(Name.ERROR, error_event(error))
        return self._take()

    def ping(self) -> bytes:
        if self.phase is Phase.TERMINAL:
            return b""
        if following(self.phase, Name.PING) is None:
            return _KEEP_ALIVE
        self._send(Name.PING, {})
        return self._take()

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        """The facts of the stream as one object."""
        answer = fold(list(events))
        blocks = [(number, block) for number, block in answer.blocks.items() if not block.choice]
        said = "".join(b.text for _, b in blocks if b.kind in (BlockKind.TEXT, BlockKind.REFUSAL))
        thought = "".join(b.text for _, b in blocks if b.kind in payloads.REASONING)
        calls = [
            {
                "name": block.name,
                "details": payloads.call_details(call_id(self._head.seed, number, block.call_id), block),
            }
            for number, block in blocks
            if block.kind in payloads.CALLS
        ]
        cited = [citation for _, block in blocks for citation in block.citations]
        return {
            **payloads.stream_started(self._head),
            "text": said,
            **({"reasoning": thought} if thought else {}),
            "tools": calls,
            **({"citations": payloads.citations(cited)["items"]} if cited else {}),
            "done": payloads.done(self._head, answer.usage),
        }

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        """No provider speaks this vocabulary."""
        return self.document(events)

    def _send(self, name: Name, payload: dict[str, Any], *, discards: bool = False) -> bool:
        """Write the event if the phase allows it."""
        if not self._enter(name, discards=discards):
            return False
        self._out.append(frame_bytes(_encode(payload), name.encode()))
        return True

    def _enter(self, name: Name, *, discards: bool = False) -> bool:
        phase = following(self.phase, name, discards=discards)
        if phase is None:
            self.dropped.append(name)
            return False
        self.phase = phase
        return True

    def _take(self) -> bytes:
        wire = b"".join(self._out)
        self._out.clear()
        return wire
