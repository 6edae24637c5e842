"""One client's stream: opening, notices, events written or relayed, and exactly one end."""

from collections.abc import Sequence
from typing import Any

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.accumulate import fold
from proxy.canonical.events import (
    BlockKind,
    Cited,
    Closed,
    Delta,
    Event,
    Finished,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.ids import item_id
from proxy.canonical.usage import Usage
from proxy.errors import ProxyError
from proxy.vocabularies.messages.blocks import Blocks, whole_block
from proxy.vocabularies.messages.errors import error_body
from proxy.vocabularies.messages.frames import CONTENT_DELTA, MESSAGE_STOP, PING, frame, message_start, notice_bytes
from proxy.vocabularies.messages.relay import Relay, relayed_document
from proxy.vocabularies.messages.schema import ENCODE
from proxy.vocabularies.messages.stop_reasons import write_stop_reason
from proxy.vocabularies.messages.usage import usage_member
from proxy.wire.codec import Head
from proxy.wire.decoder import Step, apart
from proxy.wire.sse import comment_bytes, frame_bytes


class MessagesEncoder:
    """See `wire.codec.Encoder`. Blocks come one at a time."""

    interleaves = False

    def __init__(self, head: Head) -> None:
        self._head = head
        self._id = item_id("msg_", head.seed, 0)
        self._out: list[bytes] = []
        self._blocks = Blocks(head.seed, self._out.append)
        self._relay = Relay(head, self._id)
        self._notices: list[Hop | Exhausted] = []
        self._usage = Usage()
        self._opened = False
        self._ended = False

    def opening(self) -> bytes:
        self._open()
        return self._take()

    def _open(self, start: bytes | None = None) -> None:
        """message_start, ours or the provider's, and the notices that waited for it."""
        if self._opened:
            return
        self._opened = True
        self._out.append(start or message_start(self._id, self._head.request.model, self._usage))
        self._out += [notice_bytes(notice, self._head.notices) for notice in self._notices]
        self._notices.clear()

    def notice(self, notice: Hop | Exhausted) -> bytes:
        if self._ended:
            return b""
        if self._opened:
            return notice_bytes(notice, self._head.notices)
        self._notices.append(notice)
        return b""

    def encode(self, events: Sequence[Event]) -> bytes:
        if self._ended:
            return b""
        blocks = self._blocks
        for event in events:
            if type(event) is Delta:
                if event.block == blocks.current:
                    blocks.say(event.text)
            else:
                self._encode_rare(event)
        return self._take()

    def _encode_rare(self, event: Event) -> None:
        blocks = self._blocks
        match event:
            case Started(usage=usage):
                self._usage = self._usage.merged(usage or Usage())
                self._open()
            case Opened() if event.block != blocks.current:  # else `resume` has it open already
                self._open()
                blocks.close()
                blocks.open(event)
            case Cited() if event.block == blocks.current:
                blocks.cite(event.citation)
            case Signed() if event.block == blocks.current:
                blocks.sign(event.material)
            case Closed() if event.block == blocks.current:
                blocks.close()
            case UsageReported(usage=usage):
                self._usage = self._usage.merged(usage)
            case Finished():
                self._open()
                self._finish(event)

    def _finish(self, event: Finished) -> None:
        self._blocks.close()
        self._ended = True
        members = {
            "delta": self._ending(event, self._blocks.kinds),
            "usage": usage_member(self._usage),
            "segue": self._head.account.member(),
        }
        self._out += [frame("message_delta", members), MESSAGE_STOP]

    def _ending(self, event: Finished, kinds: list[BlockKind]) -> dict[str, str | None]:
        reason = write_stop_reason(event.reason, kinds)
        return {"stop_reason": reason, "stop_sequence": event.stop_sequence}

    def relay(self, steps: Sequence[Step]) -> bytes:
        if self._ended:
            return b""
        for step in steps:
            if not step.run:
                self._relay_step(step)
            elif self._opened and not self._relay.numbers:
                self._out.append(step.run)
            else:
                for single in apart(step):
                    self._relay_step(single)
        self._ended = self._relay.ended
        return self._take()

    def _relay_step(self, step: Step) -> None:
        relay, out = self._relay, self._out
        passing, told = step.frame, step.events
        as_it_is = self._opened and not relay.numbers
        if as_it_is and passing is not None and len(told) == 1 and type(told[0]) is Delta:
            out.append(frame_bytes(passing.data, passing.event or CONTENT_DELTA))
            return
        written = relay.write(step)
        if written is None:
            return
        if not self._opened:
            start = written if relay.began else None
            self._open(start)
            if start is not None:
                return
        if not relay.began:
            out.append(written)

    def resume(self, text: str, block: int) -> bytes:
        """Nothing is written: more deltas of the open block follow. A block that is stopped already stays so; the next
        one takes its words. A provider's message_delta without its message_stop was held back and is not sent."""
        if self._ended:
            return b""
        self._take_over()
        self._blocks.resume(block)
        return self._take()

    def restart(self, hop: Hop) -> bytes:
        """The void mark is the member `segue: {void: true}` of a content_block_stop: of the open block, or, if none is
        open, of an empty text block put in for it. It voids its block and every one before it."""
        if self._ended:
            return b""
        self._take_over()
        self._usage = Usage()
        self._blocks.void()
        self._out.append(notice_bytes(hop, self._head.notices))
        return self._take()

    def _take_over(self) -> None:
        """Nobody but `encode` writes from here on; what was relayed counts as written here."""
        self._open()
        relay, self._relay = self._relay, Relay(self._head, self._id)
        self._usage = self._usage.merged(relay.usage)
        if relay.blocks:
            self._blocks.adopt(relay.open, relay.blocks)

    def fail(self, error: ProxyError) -> bytes:
        if self._ended:
            return b""
        self._open()
        self._ended = True
        self._out.append(frame_bytes(ENCODE(error_body(error, self._head.request_id)), b"error"))
        return self._take()

    def ping(self) -> bytes:
        if self._ended:
            return b""
        return PING if self._opened else comment_bytes(b"keep-alive")

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        answer = fold(list(events))
        written = [whole_block(block, number, self._head.seed) for number, block in answer.blocks.items()]
        end = answer.end if isinstance(answer.end, Finished) else Finished(StopReason.END)
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._head.request.model,
            "content": [block for block in written if block is not None],
            **self._ending(end, [block.kind for block in answer.blocks.values()]),
            "usage": usage_member(answer.usage),
            "segue": self._head.account.member(),
        }

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return relayed_document(body, events, self._head, self._id)

    def _take(self) -> bytes:
        wire = b"".join(self._out)
        self._out.clear()
        return wire
