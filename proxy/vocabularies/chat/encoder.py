"""Canonical events to Chat Completions chunks; one frame per event, one bytes result per batch."""

from collections.abc import Sequence
from typing import Any

from proxy.canonical import ids
from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.events import (
    BlockKind,
    Cited,
    Delta,
    Event,
    Finished,
    Opened,
    Signed,
    Started,
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.errors import ProxyError
from proxy.vocabularies.chat import details, document
from proxy.vocabularies.chat.relay import Relay
from proxy.vocabularies.chat.schema import ENCODER
from proxy.vocabularies.chat.stream import ChatStream, annotation, finish_reason
from proxy.vocabularies.chat.usage import written_usage
from proxy.wire.codec import Head
from proxy.wire.decoder import Step
from proxy.wire.sse import frame_bytes

_PROSE = {
    BlockKind.TEXT: b"content",
    BlockKind.REFUSAL: b"refusal",
    BlockKind.REASONING: b"reasoning_content",
    BlockKind.RAW_REASONING: b"reasoning_content",
}
_CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)
_REASONING = (BlockKind.REASONING, BlockKind.RAW_REASONING)
_encode = ENCODER.encode


class ChatEncoder:
    """One client stream. `_frames` holds, per block, what stands before and after a delta's text."""

    interleaves = True

    def __init__(self, head: Head) -> None:
        self._head = head
        self._stream = ChatStream(head)
        self._relay = Relay(self._stream)
        self._frames: dict[int, tuple[bytes, bytes]] = {}
        self._opened: dict[int, Opened] = {}
        # Where each reasoning block lies in its choice's reasoning_content: [choice, start, end].
        self._thoughts: dict[int, list[int]] = {}
        self._counts: dict[tuple[int, str], int] = {}
        # The resumed block, if there is one: how many characters of its text were said before it began.
        self._before: dict[int, int] = {}
        self._usage = Usage()

    def opening(self) -> bytes:
        return self._stream.opening()

    def notice(self, notice: Hop | Exhausted) -> bytes:
        return self._stream.notice(notice)

    def relay(self, steps: Sequence[Step]) -> bytes:
        return self._relay.write(steps)

    def resume(self, text: str, block: int) -> bytes:
        """More chunks of the same id and choice follow. A finish_reason that came before the break was held back; words
        that came with it are sent now."""
        stream, relay = self._stream, self._relay
        if stream.ended:
            return b""
        cited = self._counts.get((0, "annotations"), 0) + relay.cited
        wire = stream.opening() + relay.let_go()
        self._begin_anew(self._usage.merged(relay.usage))
        self._counts[0, "annotations"] = cited
        self._before[block] = len(text)
        self._write_into(Opened(block, BlockKind.TEXT))
        return wire

    def restart(self, hop: Hop) -> bytes:
        """The void mark is a chunk with the member `segue: {fallback_start: …}`, in which each choice that has begun
        has the delta {role: assistant, content: ""}: whoever folds chunks starts again with this one."""
        stream = self._stream
        if stream.ended:
            return b""
        opening = stream.opening()
        self._begin_anew(Usage())
        return opening + stream.void(hop) + stream.notice(hop)

    def _begin_anew(self, usage: Usage) -> None:
        """Forget the blocks so far; `usage`: what stands."""
        self._relay = Relay(self._stream)
        for memory in (self._frames, self._opened, self._thoughts, self._counts, self._before):
            memory.clear()
        self._usage = usage

    def fail(self, error: ProxyError) -> bytes:
        return self._stream.fail(error)

    def ping(self) -> bytes:
        return self._stream.ping()

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        return document.written(self._head, events)

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return document.relayed(self._head, body, events)

    def encode(self, events: Sequence[Event]) -> bytes:
        if self._stream.ended:
            return b""
        out: list[bytes] = []
        frames = self._frames
        for event in events:
            if type(event) is Delta:
                frame = frames.get(event.block)
                if frame is not None and event.text:
                    out += (frame[0], _encode(event.text), frame[1])
                    if event.block in self._thoughts:
                        self._thoughts[event.block][2] += len(event.text)
            else:
                self._encode_rare(event, out)
        return b"".join(out)

    def _encode_rare(self, event: Event, out: list[bytes]) -> None:
        match event:
            case Started():
                out.append(self._stream.opening())
                if event.usage is not None:
                    self._usage = self._usage.merged(event.usage)
            case Opened():
                self._open(event, out)
            case Signed() if event.block in self._thoughts:
                opened = self._opened[event.block]
                _, start, end = self._thoughts[event.block]
                entry = details.minted(event.material, self._next(opened.choice, "details"), start, end)
                self._say(opened.choice, {"reasoning_details": [entry]}, out)
            case Cited() if event.block in self._opened:
                opened = self._opened[event.block]
                found = event.citation.moved(self._before.get(event.block, 0))
                if (cited := annotation(found)) is not None:
                    # The index is what lets the official accumulators tell entries of a list apart.
                    entry = {"index": self._next(opened.choice, "annotations"), **cited}
                    self._say(opened.choice, {"annotations": [entry]}, out)
            case UsageReported():
                self._usage = self._usage.merged(event.usage)
            case Finished():
                self._finish(event, out)

    def _open(self, event: Opened, out: list[bytes]) -> None:
        stream, choice = self._stream, event.choice
        if event.block in self._before:
            return  # `resume` has it open already
        out.append(stream.opening())
        if choice not in stream.spoken:
            out.append(stream.role(choice))
        if event.kind in _CALLS:
            index = self._next(choice, "calls")
            self._begin_call(event, index, out)
            self._write_into(event, index)
        else:
            self._write_into(event)
            # Once an answer was resumed nobody knows how much of its reasoning_content there is.
            if event.kind in _REASONING and not self._before:
                start = max((end for other, _, end in self._thoughts.values() if other == choice), default=0)
                self._thoughts[event.block] = [choice, start, start]

    def _write_into(self, event: Opened, index: int = 0) -> None:
        """Make the frame that the block's deltas go into; `index`: of a call. A hosted tool has no form here."""
        self._opened[event.block] = event
        if event.kind in _PROSE:
            before, after = b'{"%b":' % _PROSE[event.kind], b"}"
        elif event.kind in _CALLS:
            wrapping = b'"custom":{"input":' if event.kind is BlockKind.CUSTOM_CALL else b'"function":{"arguments":'
            before, after = b'{"tool_calls":[{"index":%d,%b' % (index, wrapping), b"}}]}"
        else:
            return
        mark = b"\x00"
        head, _, tail = frame_bytes(self._stream.delta(event.choice, before + mark + after)).partition(mark)
        self._frames[event.block] = (head, tail)

    def _begin_call(self, event: Opened, index: int, out: list[bytes]) -> None:
        call: dict[str, Any] = {"index": index, "id": ids.call_id(self._head.seed, event.block, event.call_id)}
        if event.kind is BlockKind.CUSTOM_CALL:
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        self._say(event.choice, {"tool_calls": [call]}, out)

    def _say(self, choice: int, delta: dict[str, Any], out: list[bytes]) -> None:
        out.append(frame_bytes(self._stream.delta(choice, _encode(delta))))

    def _next(self, choice: int, what: str) -> int:
        count = self._counts.get((choice, what), 0)
        self._counts[choice, what] = count + 1
        return count

    def _finish(self, event: Finished, out: list[bytes]) -> None:
        stream = self._stream
        out.append(stream.opening())
        last = []
        for choice in sorted(stream.spoken):
            kinds = {opened.kind for opened in self._opened.values() if opened.choice == choice}
            reason = finish_reason(
                event.reason, has_calls=not kinds.isdisjoint(_CALLS), has_refusal=BlockKind.REFUSAL in kinds
            )
            last.append(stream.finish(choice, reason))
        usage = written_usage(self._usage) if stream.wants_usage else None
        if usage is not None:
            last.append(stream.usage(_encode(usage)))
        out.append(stream.close(last))
