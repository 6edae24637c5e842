"""What a provider's frames and documents mean.

Sources: anthropic (Python) 2.11, `lib/streaming/_messages.py` (what accumulates), `types/content_block.py`,
`types/beta/beta_compaction_block.py`; the vendor's page build-with-claude/streaming for the order of events.
"""

from typing import Any

from proxy.canonical.events import (
    BlockKind,
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Progress,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.vocabularies.messages.citations import read_citation
from proxy.vocabularies.messages.schema import DECODE, ENCODE, EVENT, TEXT_DELTA, DeltaView, text_of
from proxy.vocabularies.messages.schema import Event as View
from proxy.vocabularies.messages.stop_reasons import read_stop_reason
from proxy.vocabularies.messages.usage import Tally
from proxy.wire.codec import Peer
from proxy.wire.decoder import BROKEN_FRAME, Malformed
from proxy.wire.reported import failed, is_error, read_error_object
from proxy.wire.sse import Frame, split_run

_KINDS = {
    "text": BlockKind.TEXT,
    "thinking": BlockKind.REASONING,
    "redacted_thinking": BlockKind.REASONING,
    "tool_use": BlockKind.TOOL_CALL,
}
# Where a block carries material of the provider's own, and the form its tag is given.
_MATERIAL = {
    "thinking": ("signature", "signature"),
    "redacted_thinking": ("redacted", "data"),
    "compaction": ("compaction", "encrypted_content"),
}
_TEXT_FRAME = b"event: content_block_delta\ndata: "
_NO_BLOCK = -1  # what is said of a block that is not open; the grammar leaves it out
_DONE = b"[DONE]"  # some compatible servers close every stream with it


class Reader:
    """One attempt's frames (see `wire.decoder.FrameReader`). Blocks are numbered as they open: some servers use one
    index again for their next call."""

    def __init__(self, peer: Peer) -> None:
        self._seal = peer.seal
        self._tally = Tally()
        self._kinds: list[BlockKind] = []  # of every block, by its number
        self._open: dict[int, int] = {}  # the wire's index of every open block -> its number
        self._inputs: dict[int, str] = {}  # tool blocks whose input has not come in deltas: what their start said
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._hosted: dict[str, str] = {}  # names of running server tools by their id

    def read(self, frame: Frame, out: list[Event]) -> None:
        if frame.data == _DONE:
            return
        view = EVENT.decode(frame.data)
        if view.error:
            out.append(failed(read_error_object(DECODE(frame.data))))
            return
        name = view.type or frame.event.decode("utf-8", "replace")
        if name == "content_block_delta":
            self._delta(view, out)
        elif name == "content_block_start":
            if view.content_block is None:
                raise Malformed("content_block_start without content_block")
            self.open_block(view.index, view.content_block, out)
        elif name == "content_block_stop":
            self.close_block(view.index, out)
        elif name == "message_start":
            self._start(view, out)
        elif name == "message_delta":
            self._message_delta(view, out)
        elif name == "message_stop":
            out.append(self._finished())
        elif name != "ping":
            whole = DECODE(frame.data)
            is_failure = name == "error" or frame.event == b"error" or is_error(whole)
            out.append(failed(read_error_object(whole)) if is_failure else Foreign(name or "unnamed"))

    def read_run(self, run: bytes) -> list[Delta] | None:
        lines = split_run(run, _TEXT_FRAME) if len(self._open) == 1 else None
        if lines is None:
            return None
        try:
            views = TEXT_DELTA.decode_lines(lines)
        except BROKEN_FRAME:
            return None  # there is more to it than text, or it is broken: frame by frame tells
        [(index, number)] = self._open.items()
        if any(view.index != index for view in views):
            return None
        return [Delta(number, view.delta.text) for view in views]

    def end(self, out: list[Event]) -> None:
        if self._reason is not None:
            out.append(self._finished())

    def _delta(self, view: View, out: list[Event]) -> None:
        delta = view.delta
        if delta is None:
            raise Malformed("content_block_delta without delta")
        kind = delta.type
        number = self._open.get(view.index, _NO_BLOCK)
        if kind == "text_delta":
            if delta.text:
                out.append(Delta(number, delta.text))
        elif kind == "input_json_delta":
            if delta.partial_json and not self._is_hosted(number):
                self._inputs.pop(number, None)
                out.append(Delta(number, delta.partial_json))
        elif kind == "thinking_delta":
            if delta.thinking:
                out.append(Delta(number, delta.thinking))
        elif kind == "signature_delta":
            if delta.signature:
                out.append(Signed(number, self._seal.close("signature", delta.signature)))
        elif kind == "citations_delta":
            if delta.citation is not None:
                out.append(Cited(number, read_citation(delta.citation)))
        elif kind == "compaction_delta" and delta.encrypted_content:
            out.append(Signed(number, self._seal.close("compaction", delta.encrypted_content)))
        else:
            out.append(Foreign(kind or "unnamed delta"))

    def _is_hosted(self, number: int) -> bool:
        return number != _NO_BLOCK and self._kinds[number] is BlockKind.HOSTED

    def open_block(self, index: int, block: dict[str, Any], out: list[Event]) -> None:
        """What the start of a block, or a whole block of a document, says; without its end."""
        name = text_of(block.get("type"))
        kind = _KINDS.get(name, BlockKind.HOSTED)
        if kind is BlockKind.TOOL_CALL and not text_of(block.get("name")):
            raise Malformed("tool_use without a name")
        if index in self._open:
            raise Malformed(f"block {index} starts again while it is open")
        number = self._open[index] = len(self._kinds)
        self._kinds.append(kind)
        if kind is BlockKind.TOOL_CALL:
            self._open_call(number, block, out)
        elif kind is BlockKind.HOSTED:
            out.append(Opened(number, kind, name=name))
            self._progress(name, block, out)
            self._material(number, name, block, out)
        else:
            out.append(Opened(number, kind))
            text = text_of(block.get("text")) if kind is BlockKind.TEXT else text_of(block.get("thinking"))
            if text:
                out.append(Delta(number, text))
            self._material(number, name, block, out)
            citations = block.get("citations")
            for citation in citations if isinstance(citations, list) else ():
                if isinstance(citation, dict):
                    out.append(Cited(number, read_citation(citation)))

    def _open_call(self, number: int, block: dict[str, Any], out: list[Event]) -> None:
        out.append(Opened(number, BlockKind.TOOL_CALL, text_of(block.get("id")), text_of(block.get("name"))))
        given = block.get("input")
        self._inputs[number] = ENCODE(given).decode() if isinstance(given, dict) else "{}"

    def _material(self, number: int, name: str, block: dict[str, Any], out: list[Event]) -> None:
        form, member = _MATERIAL.get(name, ("", ""))
        if payload := text_of(block.get(member)):
            out.append(Signed(number, self._seal.close(form, payload)))

    def _progress(self, name: str, block: dict[str, Any], out: list[Event]) -> None:
        """A server tool's call opens its progress, its result ends it."""
        if name.endswith("tool_use"):
            tool = text_of(block.get("name")) or name
            self._hosted[text_of(block.get("id"))] = tool
            out.append(Progress("start", tool))
        elif name.endswith("tool_result"):
            tool = self._hosted.pop(text_of(block.get("tool_use_id")), name.removesuffix("_tool_result"))
            out.append(Progress("done", tool))

    def close_block(self, index: int, out: list[Event]) -> None:
        number = self._open.pop(index, _NO_BLOCK)
        if (whole := self._inputs.pop(number, None)) is not None:
            out.append(Delta(number, whole))
        out.append(Closed(number))

    def _start(self, view: View, out: list[Event]) -> None:
        message = view.message if view.message is not None else {}
        if not isinstance(message, dict):
            raise Malformed("message_start without a message")
        out.append(Started(self._tally.add(message.get("usage"))))

    def _message_delta(self, view: View, out: list[Event]) -> None:
        delta = view.delta or DeltaView()
        if delta.stop_reason is not None:
            self._reason, self._stop_sequence = delta.stop_reason, delta.stop_sequence
        if (usage := self._tally.add(view.usage)) is not None:
            out.append(UsageReported(usage, final=True))

    def _finished(self) -> Finished:
        if self._reason is not None:
            return Finished(read_stop_reason(self._reason), self._stop_sequence)
        called = BlockKind.TOOL_CALL in self._kinds
        return Finished(StopReason.TOOL_CALLS if called else StopReason.END)


def read_document(body: dict[str, Any], peer: Peer) -> list[Event]:
    """A whole message as the events of its stream (see `wire.codec.Upstream.read_document`)."""
    if body.get("error") or is_error(body):
        return [failed(read_error_object(body))]
    content = body.get("content")
    if body.get("type") != "message" or not isinstance(content, list):
        return [Failed(FaultKind.MALFORMED, "the answer is not a message")]
    reader = Reader(peer)
    usage = Tally().add(body.get("usage"))
    events: list[Event] = [Started()]
    try:
        for index, block in enumerate(content):
            if not isinstance(block, dict):
                raise Malformed(f"content[{index}] is not an object")
            reader.open_block(index, block, events)
            reader.close_block(index, events)
    except Malformed as broken:
        return [Failed(FaultKind.MALFORMED, str(broken))]
    if usage is not None:
        events.append(UsageReported(usage, final=True))
    reason, sequence = text_of(body.get("stop_reason")), text_of(body.get("stop_sequence"))
    return [*events, Finished(read_stop_reason(reason), sequence or None)]
