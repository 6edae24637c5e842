"""Frames and whole answers of this vocabulary as canonical events. Source: openai-python 3.52, `types/responses/`.

One block per content part; a reasoning item is one block for its summary (parts joined by an empty line) and one for
its raw text, because its round-trip material belongs to the whole.
"""

from typing import Any

import msgspec

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
from proxy.canonical.origin import Seal
from proxy.canonical.usage import Usage
from proxy.vocabularies.responses import schema
from proxy.vocabularies.responses.annotations import citation_of
from proxy.vocabularies.responses.channels import (
    BY_CALL,
    BY_EVENT,
    BY_PART,
    COMPACTIONS,
    ENCRYPTED,
    KIND,
    RAW_REASONING,
    SUMMARY,
    TEXT,
    Channel,
)
from proxy.wire.decoder import Malformed
from proxy.wire.reported import failed, is_error, read_error_object
from proxy.wire.sse import Frame

_VIEW = msgspec.json.Decoder(schema.View)
_ITEM = msgspec.json.Decoder(schema.ItemEvent)
_PART = msgspec.json.Decoder(schema.PartEvent)
_DONE = msgspec.json.Decoder(schema.DoneEvent)
_ANNOTATION = msgspec.json.Decoder(schema.AnnotationEvent)
_RESPONSE = msgspec.json.Decoder(schema.ResponseEvent)

_TEXT_DELTA = "response.output_text.delta"
_PLACELESS = frozenset(f"response.{name}" for name in ("created", "in_progress", "queued", "completed", "incomplete"))
_MOST_WAITING = 4 * 1024 * 1024
_PART_DONE = ("response.content_part.done", "response.reasoning_summary_part.done")
_INCOMPLETE = {"content_filter": StopReason.CONTENT_FILTER}
_BETWEEN_SUMMARIES = "\n\n"


class _Block(msgspec.Struct):
    number: int
    kind: BlockKind
    said: bool = False
    cited: int = 0
    part: int = 0
    closed: bool = False


class ResponsesReader:
    """One attempt's frames. `read_response` serves both, a document is a stream's twin."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._started = False
        self._blocks: dict[tuple[int, str, int], _Block] = {}  # output index, part type, content index
        self._items: dict[int, list[_Block]] = {}
        self._finished: dict[int, str] = {}  # output index -> the name of the item that ended there last
        self._current: int | None = None  # the item that flows; frames of others wait for its end wherever they go
        self._waiting: dict[int, int] = {}  # their bytes, by output index
        self._kinds: set[BlockKind] = set()
        self._opened = 0

    def read(self, frame: Frame, out: list[Event]) -> None:
        if frame.data == b"[DONE]":
            return
        if not frame.data.isascii():
            frame.data.decode()  # views skip what they do not read; a client's parser will not
        view = _VIEW.decode(frame.data)
        if view.output_index != self._current and view.type not in _PLACELESS:
            self._wait(view.output_index, len(frame.data))
        if view.type == _TEXT_DELTA and type(view.delta) is str:
            block = self._blocks.get((view.output_index, "output_text", view.content_index))
            if block is None or block.closed:
                block = self._block(TEXT, view.output_index, view.content_index, out)
            block.said = True
            out.append(Delta(block.number, view.delta))
        else:
            self._read_telling(view, frame, out)

    def read_run(self, run: bytes) -> list[Delta] | None:
        return None  # every frame of this wire has a number of its own, which relaying must look at

    def end(self, out: list[Event]) -> None:
        """Nothing is implicit on this wire: a stream without its terminal event is cut."""

    def _wait(self, index: int, size: int) -> None:
        if self._current is None:
            return
        self._waiting[index] = self._waiting.get(index, 0) + size
        if sum(self._waiting.values()) > _MOST_WAITING:
            raise Malformed(f"item {self._current} keeps more than {_MOST_WAITING} bytes of others waiting")

    def _advance(self) -> None:
        """The next item flows, once the one that did has ended; what waited for it is out."""
        self._current = next((index for index in self._items if index not in self._finished), None)
        if self._current is None:
            self._waiting.clear()
        else:
            self._waiting.pop(self._current, None)

    def _read_telling(self, view: schema.View, frame: Frame, out: list[Event]) -> None:
        whole = msgspec.json.decode(frame.data)
        kind = view.type
        family, _, verb = kind.rpartition(".")
        if kind == "error" or view.error or frame.event == b"error" or (not kind and is_error(whole)):
            out.append(failed(read_error_object(whole)))
        elif not kind:
            raise Malformed("the event has no type")
        elif kind in ("response.created", "response.in_progress", "response.queued"):
            self._start(out)
        elif kind == "response.output_item.added":
            self._item_added(_ITEM.decode(frame.data), out)
        elif kind == "response.output_item.done":
            event = _ITEM.decode(frame.data)
            self._item_done(event.item, event.output_index, out)
        elif kind == "response.content_part.added":
            event_part = _PART.decode(frame.data)
            if (channel := BY_PART.get(event_part.part.type)) is not None:
                self._block(channel, view.output_index, view.content_index, out)
        elif kind in _PART_DONE:
            self._part_done(_PART.decode(frame.data), out)
        elif kind == "response.output_text.annotation.added":
            self._annotated(_ANNOTATION.decode(frame.data), out)
        elif kind in ("response.completed", "response.incomplete", "response.failed", "response.cancelled"):
            self.read_response(_RESPONSE.decode(frame.data).response, kind.rpartition(".")[2], out)
        elif family in BY_EVENT:
            self._channel(BY_EVENT[family], verb, view, frame, out)
        elif kind != "response.reasoning_summary_part.added":
            out.append(Foreign(kind, content=kind.startswith("response.") and "call" in kind))

    def _start(self, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(Started())

    def _item_added(self, event: schema.ItemEvent, out: list[Event]) -> None:
        item, index = event.item, event.output_index
        if index in self._finished:
            self._reuse(index)
        elif index in self._items:
            raise Malformed(f"output_index {index} is added twice")
        self._items[index] = []
        if self._current is None:
            self._current = index
        if (channel := BY_CALL.get(item.type)) is not None:
            if item.name:
                self._block(channel, index, 0, out, item)
        elif item.type not in ("message", "reasoning"):
            block = self._open(index, BlockKind.HOSTED, out, "", item.type)
            self._blocks[index, item.type, 0] = block
            if item.type not in COMPACTIONS:
                out.append(Progress("start", item.type))

    def _reuse(self, index: int) -> None:
        """Some servers give every item the same output_index: what comes there after an item's end is another one."""
        del self._finished[index]
        del self._items[index]
        self._blocks = {key: block for key, block in self._blocks.items() if key[0] != index}

    def _block(
        self, channel: Channel, output: int, index: int, out: list[Event], call: schema.Item | None = None
    ) -> _Block:
        """The block of one part, opened if this is its first word. A reasoning item has one per channel."""
        key = (output, channel.part or channel.item, 0 if channel is SUMMARY or channel is RAW_REASONING else index)
        block = self._blocks.get(key)
        if block is None:
            call_id, name = (call.call_id or call.id or "", call.name or "") if call else ("", "")
            block = self._blocks[key] = self._open(output, KIND[channel], out, call_id, name)
            block.part = index
        return block

    def _open(self, output: int, kind: BlockKind, out: list[Event], call_id: str = "", name: str = "") -> _Block:
        self._start(out)
        block = _Block(self._opened, kind)
        self._opened += 1
        self._items.setdefault(output, []).append(block)
        if self._current is None:
            self._current = output
        self._kinds.add(kind)
        out.append(Opened(block.number, kind, call_id, name))
        return block

    def _channel(self, channel: Channel, verb: str, view: schema.View, frame: Frame, out: list[Event]) -> None:
        index = view.summary_index if channel is SUMMARY else view.content_index
        if not channel.part and (view.output_index, channel.item, 0) not in self._blocks:
            return  # a call nobody named yet: its finished item says everything
        if verb == "delta":
            if not isinstance(view.delta, str):
                raise Malformed("delta is not a string")
            self._say(self._block(channel, view.output_index, index, out), index, view.delta, out)
        elif verb == "done":
            done = _DONE.decode(frame.data)
            words = getattr(done, channel.text) or ""
            block = self._block(channel, view.output_index, index, out)
            if words and (not block.said or block.part != index):
                self._say(block, index, words, out)

    def _say(self, block: _Block, index: int, words: str, out: list[Event]) -> None:
        if block.part != index:
            if block.said and words:
                out.append(Delta(block.number, _BETWEEN_SUMMARIES))
            block.part = index
        block.said = block.said or bool(words)
        out.append(Delta(block.number, words))

    def _part_done(self, event: schema.PartEvent, out: list[Event]) -> None:
        channel = BY_PART.get(event.part.type)
        if channel is None or channel.item == "reasoning":
            return  # reasoning is closed with its item, which brings its material
        self._finish_part(channel, event.output_index, event.content_index, event.part, out)

    def _finish_part(self, channel: Channel, output: int, index: int, part: schema.Part, out: list[Event]) -> None:
        """What the finished part says and nobody heard yet; then its end."""
        block = self._block(channel, output, index, out)
        if block.closed:
            return
        if part.words and not block.said:
            self._say(block, index, part.words, out)
        for annotation in (part.annotations or [])[block.cited :]:
            self._cite(block, annotation, out)
        if channel.item != "reasoning":
            self._close(block, out)

    def _annotated(self, event: schema.AnnotationEvent, out: list[Event]) -> None:
        block = self._blocks.get((event.output_index, "output_text", event.content_index))
        if block is not None and event.annotation is not None:
            self._cite(block, event.annotation, out)

    def _cite(self, block: _Block, annotation: dict[str, Any], out: list[Event]) -> None:
        block.cited += 1
        if (citation := citation_of(annotation)) is not None:
            out.append(Cited(block.number, citation))

    def _close(self, block: _Block, out: list[Event]) -> None:
        if not block.closed:
            block.closed = True
            out.append(Closed(block.number))

    def _item_done(self, item: schema.Item, index: int, out: list[Event]) -> None:
        self._start(out)
        name = item.call_id or item.id or ""
        if self._finished.get(index, name) != name:
            self._reuse(index)
        if item.type == "message":
            for number, part in enumerate(item.content or []):
                if (channel := BY_PART.get(part.type)) is not None:
                    self._finish_part(channel, index, number, part, out)
        elif item.type == "reasoning":
            self._finish_reasoning(item, index, out)
        elif (channel := BY_CALL.get(item.type)) is not None:
            words = item.arguments if item.type == "function_call" else item.input
            block = self._block(channel, index, 0, out, item)
            if isinstance(words, str) and words and not block.said:
                self._say(block, 0, words, out)
        else:
            self._finish_hosted(item, index, out)
        for block in self._items.setdefault(index, []):
            self._close(block, out)
        self._finished[index] = name
        if self._current in (index, None):
            self._advance()

    def _finish_reasoning(self, item: schema.Item, index: int, out: list[Event]) -> None:
        for channel, parts in ((SUMMARY, item.summary or []), (RAW_REASONING, item.content or [])):
            block = self._blocks.get((index, channel.part, 0))
            if block is None or not block.said:
                for number, part in enumerate(parts):
                    self._say(self._block(channel, index, 0, out), number, part.words, out)
        if item.encrypted_content:
            blocks = self._items.get(index) or [self._block(SUMMARY, index, 0, out)]
            out.append(Signed(blocks[0].number, self._seal.close(ENCRYPTED, item.encrypted_content)))

    def _finish_hosted(self, item: schema.Item, index: int, out: list[Event]) -> None:
        if (index, item.type, 0) not in self._blocks:
            self._blocks[index, item.type, 0] = self._open(index, BlockKind.HOSTED, out, "", item.type)
        if item.type not in COMPACTIONS:
            out.append(Progress("done", item.type))
        elif item.encrypted_content:
            block = self._blocks[index, item.type, 0]
            out.append(Signed(block.number, self._seal.close(ENCRYPTED, item.encrypted_content)))

    def read_response(self, response: schema.Response, status: str, out: list[Event]) -> None:
        """The finished Response object: items whose end no event told of, usage, the end."""
        self._start(out)
        untold = not self._items
        for index, item in enumerate(response.output or []):
            if untold or (index in self._items and index not in self._finished):
                self._item_done(item, index, out)
        if (usage := usage_of(response.usage)) is not None:
            out.append(UsageReported(usage, final=True))
        if status in ("failed", "cancelled") or (status == "completed" and response.error):
            error = response.error or {"message": f"the response is {status}"}
            out.append(failed(read_error_object({"error": error, "error_type": response.error_type})))
            return
        for blocks in self._items.values():
            for block in blocks:
                self._close(block, out)
        out.append(Finished(self._reason(response, status)))

    def _reason(self, response: schema.Response, status: str) -> StopReason:
        if status == "incomplete":
            details = response.incomplete_details
            return _INCOMPLETE.get((details and details.reason) or "", StopReason.LENGTH)
        if self._kinds & {BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL}:
            return StopReason.TOOL_CALLS
        return StopReason.REFUSAL if BlockKind.REFUSAL in self._kinds else StopReason.END


def usage_of(usage: schema.Usage | None) -> Usage | None:
    if usage is None:
        return None
    prompt, answer = usage.input_tokens_details or schema.Details(), usage.output_tokens_details or schema.Details()
    return Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=prompt.cached_tokens,
        cache_write_tokens=prompt.cache_write_tokens,
        reasoning_tokens=answer.reasoning_tokens,
        total_tokens=usage.total_tokens,
    )


def read_document(body: dict[str, Any], seal: Seal) -> list[Event]:
    """A whole Response object as a stream's events."""
    out: list[Event] = []
    if body.get("object") != "response" and (body.get("error") or is_error(body)):
        return [failed(read_error_object(body))]
    try:
        response = msgspec.convert(body, schema.Response)
    except msgspec.ValidationError as error:
        return [Failed(FaultKind.MALFORMED, f"not a Response object: {error}")]
    if response.output is None or response.status not in ("completed", "incomplete", "failed", "cancelled", None):
        return [Failed(FaultKind.MALFORMED, "not a finished Response object")]
    ResponsesReader(seal).read_response(response, response.status or "completed", out)
    return out
