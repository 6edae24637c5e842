"""One client's stream: opening, notices, events written or relayed, and exactly one end."""

from collections.abc import Sequence
from typing import Any

import msgspec

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.accumulate import Answer, fold
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
from proxy.canonical.ids import call_id
from proxy.canonical.usage import Usage
from proxy.errors import ProxyError
from proxy.vocabularies.responses.channels import BY_KIND, TEXT, Channel
from proxy.vocabularies.responses.document import relayed_document
from proxy.vocabularies.responses.errors import finer_error, stream_error
from proxy.vocabularies.responses.opening import Opening
from proxy.vocabularies.responses.relay import Relay
from proxy.vocabularies.responses.response_object import ENCODE, ResponseObject, usage_member
from proxy.vocabularies.responses.stream import Part, Stream
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.sse import comment_bytes

_REASONS = {StopReason.LENGTH: "max_output_tokens", StopReason.CONTENT_FILTER: "content_filter"}
_PING = comment_bytes(b"ping")


class ResponsesEncoder:
    """See `wire.codec.Encoder`. Blocks come one at a time; texts and refusals in a row share a message."""

    interleaves = False

    def __init__(self, head: Head) -> None:
        self._head = head
        self._object = ResponseObject(head)
        self._stream = Stream(head.seed)
        self._opening = Opening(head, self._object, self._stream)
        self._relay = Relay(head, self._object, self._stream, self._opening)
        self._kinds: dict[int, BlockKind] = {}
        self._usage = Usage()
        self._final: dict[str, Any] | None = None

    def opening(self) -> bytes:
        self._opening.finish()
        return self._stream.take()

    def notice(self, notice: Hop | Exhausted) -> bytes:
        if self._final is None:
            self._opening.notice(notice)
        return self._stream.take()

    def encode(self, events: Sequence[Event]) -> bytes:
        if self._final is not None:
            return b""
        if not self._opening.over:
            self._opening.finish()
        stream = self._stream
        for event in events:
            if type(event) is Delta:
                item = stream.item
                part = item.part if item is not None else None
                if part is not None and part.block == event.block:
                    stream.say(part, event.text)
                else:
                    self._say_first(event)
            else:
                self._encode_rare(event)
        return stream.take()

    def _encode_rare(self, event: Event) -> None:
        match event:
            case Opened():
                self._open_block(event)
            case Cited():
                if (part := self._part(event.block)) is not None:
                    self._stream.cite(part, event.citation)
            case Signed() if self._kinds.get(event.block) in (BlockKind.REASONING, BlockKind.RAW_REASONING):
                if self._stream.item is not None:
                    self._stream.item.material = event.material
            case Closed():
                self._close_block(event.block)
            case UsageReported(usage=usage) | Started(usage=Usage() as usage):
                self._usage = self._usage.merged(usage)
            case Finished(reason=reason):
                self._finish(reason)

    def _part(self, block: int) -> Part | None:
        item = self._stream.item
        return item.part if item is not None and item.part is not None and item.part.block == block else None

    def _open_block(self, event: Opened) -> None:
        channel = BY_KIND.get(event.kind)
        if channel is None or self._part(event.block) is not None:  # the latter: `resume` has it open already
            return
        self._kinds[event.block] = event.kind
        stream = self._stream
        if channel.item == "message":
            if stream.item is None or stream.item.kind != "message":
                stream.open_item("message")
            stream.open_part(channel, event.block)
        elif channel.item == "reasoning":
            stream.open_item("reasoning")  # its part is opened by its first word: there may be none
        else:
            stream.open_item(channel.item, call_id(self._head.seed, event.block, event.call_id), event.name)
            stream.open_part(channel, event.block)

    def _say_first(self, event: Delta) -> None:
        channel: Channel | None = BY_KIND.get(self._kinds[event.block]) if event.block in self._kinds else None
        item = self._stream.item
        if event.text and channel is not None and item is not None and channel.item == item.kind == "reasoning":
            self._stream.say(self._stream.open_part(channel, event.block), event.text)

    def _close_block(self, block: int) -> None:
        kind = self._kinds.pop(block, None)
        if kind in (BlockKind.TEXT, BlockKind.REFUSAL):
            self._stream.close_part()  # the message stays open: the next text may join it
        elif kind is not None:
            self._stream.close_item()

    def _finish(self, reason: StopReason) -> None:
        cut = _REASONS.get(reason)
        self._stream.close_item("incomplete" if cut else "completed")
        status = "incomplete" if cut else "completed"
        self._final = self._object.members(
            status,
            self._stream.done,
            usage=usage_member(self._usage),
            incomplete_details={"reason": cut} if cut else None,
            completed_at=None if cut else self._object.created_at,
            segue=self._head.account.member(),
        )
        self._stream.emit(f"response.{status}", {"response": self._final})

    def relay(self, steps: Sequence[Step]) -> bytes:
        if self._final is not None:
            return b""
        self._final = self._relay.write(steps)
        return self._stream.take()

    def resume(self, text: str, block: int) -> bytes:
        """Nothing is written: deltas of the same item and part go on, the `.done` events and the finished object repeat
        the whole. A part whose text is done gets its bracket's end; the next one goes on in the same message."""
        if self._final is not None:
            return b""
        self._kinds.clear()
        stream = self._stream
        part = stream.item.part if stream.item is not None else None
        if part is not None and part.channel is TEXT and not part.spoken:
            part.block, part.offset = block, len(text)
            self._kinds[block] = BlockKind.TEXT
        else:
            stream.close_part()
        return stream.take()

    def restart(self, hop: Hop) -> bytes:
        """The void mark is an `output_item.done` with status incomplete and content []: of the open message or
        reasoning item, or, if none is open, of an empty message added for it. It voids its item and every one before
        it. Closed messages among those lose their content in the finished object, because clients read the answer's
        text from there; closed reasoning stays in it as it was shown: it is no part of that text."""
        if self._final is not None:
            return b""
        self._opening.finish()
        self._kinds.clear()
        self._usage = Usage()
        self._stream.void()
        self._opening.notice(hop)
        return self._stream.take()

    def fail(self, error: ProxyError) -> bytes:
        if self._final is not None:
            return b""
        self._opening.finish()
        member = {**self._head.account.member(), "error": finer_error(error)}
        usage = self._usage.merged(self._relay.usage)
        self._final = self._object.members(
            "failed",
            self._stream.unfinished(),
            error=stream_error(error),
            usage=None if usage == Usage() else usage_member(usage),
            segue=member,
        )
        self._stream.emit("response.failed", {"response": self._final})
        return self._stream.take()

    def ping(self) -> bytes:
        return _PING

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        answer = fold(list(events))
        self.encode(_in_turn(answer))
        body: dict[str, Any] = msgspec.json.decode(ENCODE(self._final))
        return body

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return relayed_document(body, events, self._object, self._head)


def _in_turn(answer: Answer) -> list[Event]:
    """The answer's events with its blocks one after the other."""
    out: list[Event] = []
    for number, block in answer.blocks.items():
        out.append(Opened(number, block.kind, block.call_id, block.name, block.choice))
        if text := block.text:
            out.append(Delta(number, text))
        out += [Cited(number, citation) for citation in block.citations]
        if block.material is not None:
            out.append(Signed(number, block.material))
        out.append(Closed(number))
    end = answer.end if isinstance(answer.end, Finished) else Finished(StopReason.END)
    return [*out, UsageReported(answer.usage, final=True), end]
