"""Frames of Chat Completions to canonical events. `Finished` is held until [DONE] or the end of the wire, because usage
comes after finish_reason."""

from typing import Any

import msgspec

from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    FaultKind,
    Finished,
    Foreign,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.vocabularies.chat import details
from proxy.vocabularies.chat.calls import CallTable, arguments_text
from proxy.vocabularies.chat.errors import reported_failure
from proxy.vocabularies.chat.mould import Mould
from proxy.vocabularies.chat.schema import CHUNK, DONE, OBJECT, PROSE, Choice, Chunk, Fragment, Spoken
from proxy.vocabularies.chat.usage import read_usage
from proxy.wire.codec import Peer
from proxy.wire.decoder import BROKEN_FRAME
from proxy.wire.reported import is_error
from proxy.wire.sse import Frame, split_run

# Beyond OpenAI's five: model_length and error (mistralai/client-python, `client/models/chatcompletionchoice.py`; error
# also in OpenRouterTeam/docs, `api_reference/errors-and-debugging.mdx`); and what deepseek says when it runs out of
# resources, for which its clients are the only witness.
_REASONS = {
    "length": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.CONTENT_FILTER,
}
_TEXT = BlockKind.TEXT  # looking a member up in an enum's class costs as much as four function calls
_REFUSAL = BlockKind.REFUSAL
_END = StopReason.END
_BROKEN_OFF = ("error", "insufficient_system_resource")
_KNOWN_FIELDS = ("reasoning_content", "reasoning")


class _Voice(msgspec.Struct):
    """One choice: its open prose block, its calls, its end. Prose blocks follow one another; calls stay open till the
    end, since a later fragment may return to any of them."""

    index: int
    calls: CallTable
    kind: BlockKind | None = None
    block: int = -1
    signed: bool = False
    reason: StopReason | None = None
    open_calls: list[int] = []


class ChatReader:
    """Reads one attempt's frames."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._field = peer.quirks.reasoning_field
        self._usage_path = peer.quirks.usage_path
        self._sits_elsewhere = self._field not in _KNOWN_FIELDS or self._usage_path != ("usage",)
        self._voices: dict[int, _Voice] = {}
        self._blocks = 0
        self._sources: dict[str, Citation] = {}
        self._started = False
        self._mould = Mould()

    def read(self, frame: Frame, out: list[Event]) -> Chunk | None:
        text = frame.data
        if text.startswith(DONE):
            self._end(out)
            return None
        chunk = CHUNK.decode(text)
        if chunk.error or frame.event == b"error":
            out.append(reported_failure(OBJECT.decode(text)))
            return None
        if self._sits_elsewhere:
            self._adjust(chunk, OBJECT.decode(text))
        if chunk.choices is None and chunk.usage is None:
            out.append(_foreign(frame, OBJECT.decode(text)))
        else:
            self._read_chunk(chunk, out)
        return None if self._sits_elsewhere else chunk

    def read_run(self, run: bytes) -> list[Delta] | None:
        if len(self._voices) != 1 or self._sits_elsewhere:
            return None
        [voice] = self._voices.values()
        if voice.kind is not _TEXT or voice.index != 0:
            return None
        texts = self._mould.texts(run)
        if texts is None:
            lines = split_run(run, b"data: ")
            if lines is None:
                return None
            try:
                texts = [chunk.choices[0].delta.content for chunk in PROSE.decode_lines(lines)]
            except BROKEN_FRAME:
                return None  # there is more to it than prose, or it is broken: frame by frame tells
            self._mould.learn(lines.rpartition(b"\n")[2], texts[-1])
        block = voice.block
        return [Delta(block, text) for text in texts]

    def read_whole(self, body: dict[str, Any]) -> list[Event]:
        """A whole answer, which is a chunk with messages for deltas. Raises ValidationError."""
        out: list[Event] = []
        chunk = msgspec.convert(body, Chunk)
        self._adjust(chunk, body)
        self._read_chunk(chunk, out)
        broken = next((at for at, event in enumerate(out) if type(event) is Failed), None)
        if broken is not None:
            return out[: broken + 1]
        self._end(out)
        return out

    def _read_chunk(self, chunk: Chunk, out: list[Event]) -> None:
        if not self._started:
            self._started = True
            out.append(Started())
        if chunk.citations or chunk.search_results:
            self._note_sources(chunk)
        for choice in chunk.choices or ():
            self._read_choice(choice, out)
        if chunk.usage is not None and (usage := read_usage(chunk.usage)) is not None:
            out.append(UsageReported(usage, final=self._all_finished))

    def end(self, out: list[Event]) -> None:
        """Without [DONE] the end is known only if every choice gave its reason."""
        if self._voices and self._all_finished:
            self._end(out)

    @property
    def _all_finished(self) -> bool:
        return all(voice.reason is not None for voice in self._voices.values())

    def _end(self, out: list[Event]) -> None:
        if not self._voices:
            out.append(Failed(FaultKind.EMPTY, "the stream ended without an answer"))
            return
        for voice in self._voices.values():
            self._close_all(voice, out)
        voice = self._voices.get(0) or next(iter(self._voices.values()))
        reason = voice.reason or _END
        if voice.calls.calls and reason is _END:
            reason = StopReason.TOOL_CALLS  # OpenAI says "stop" after named calls (vllm-project/vllm pull 25054)
        out.append(Finished(reason))

    def _read_choice(self, choice: Choice, out: list[Event]) -> None:
        index = choice.index or 0
        voice = self._voices.get(index)
        if voice is None:
            voice = self._voices[index] = _Voice(index, CallTable())
        spoken = choice.delta if choice.delta is not None else choice.message
        if spoken is not None:
            content = spoken.content
            if spoken.reasoning is not None or spoken.reasoning_content is not None or spoken.reasoning_details:
                self._reason(voice, spoken, out)
            if isinstance(content, str):
                if content:
                    self._say(voice, _TEXT, content, out)
            elif content is not None:
                self._read_parts(voice, content, out)
            if spoken.annotations:
                self._cite(voice, spoken.annotations, out)  # while the text they speak of is still open
            if spoken.refusal:
                self._say(voice, _REFUSAL, spoken.refusal, out)
            if spoken.tool_calls or spoken.function_call is not None:
                self._read_calls(voice, spoken, out)
        if choice.error:
            out.append(reported_failure({"error": choice.error}))
        elif choice.finish_reason:
            self._finish(voice, choice.finish_reason, out)

    def _say(self, voice: _Voice, kind: BlockKind, text: str, out: list[Event]) -> None:
        if voice.kind is not kind:
            self._open(voice, kind, out)
        out.append(Delta(voice.block, text))

    def _open(self, voice: _Voice, kind: BlockKind, out: list[Event]) -> None:
        self._close_prose(voice, out)
        voice.kind, voice.block, voice.signed = kind, self._blocks, False
        self._blocks += 1
        out.append(Opened(voice.block, kind, choice=voice.index))

    def _close_prose(self, voice: _Voice, out: list[Event]) -> None:
        if voice.kind is not None:
            out.append(Closed(voice.block))
            voice.kind = None

    def _reason(self, voice: _Voice, spoken: Spoken, out: list[Event]) -> None:
        named = (
            (getattr(spoken, self._field), *_thoughts(spoken)) if self._field in _KNOWN_FIELDS else _thoughts(spoken)
        )
        text = next((text for text in named if isinstance(text, str) and text), "")
        listed = details.entries(spoken.reasoning_details)
        if not text:
            text = "".join(map(details.readable, listed))
        if text:
            if voice.kind is BlockKind.REASONING and voice.signed:
                self._open(voice, BlockKind.REASONING, out)
            self._say(voice, BlockKind.REASONING, text, out)
        for entry in listed:
            if details.opaque_member(entry):
                if voice.kind is not BlockKind.REASONING or voice.signed:
                    self._open(voice, BlockKind.REASONING, out)
                voice.signed = True
                out.append(Signed(voice.block, details.sealed(entry, self._peer.seal)))

    def _read_parts(self, voice: _Voice, parts: list[Any], out: list[Event]) -> None:
        """Content as a list: text and thinking parts (mistralai/client-python, `client/models/thinkchunk.py`)."""
        for part in parts:
            if not isinstance(part, dict):
                continue
            if part.get("type") == "thinking" and isinstance(part.get("thinking"), list):
                for thought in part["thinking"]:
                    if isinstance(thought, dict) and isinstance(thought.get("text"), str) and thought["text"]:
                        self._say(voice, BlockKind.REASONING, thought["text"], out)
            elif part.get("type") == "text" and isinstance(part.get("text"), str) and part["text"]:
                self._say(voice, BlockKind.TEXT, part["text"], out)

    def _read_calls(self, voice: _Voice, spoken: Spoken, out: list[Event]) -> None:
        fragments = spoken.tool_calls or []
        if spoken.function_call is not None:
            fragments = [*fragments, Fragment(function=spoken.function_call)]
        for fragment in fragments:
            call = voice.calls.place(fragment).call
            if call.block >= 0:
                if text := arguments_text(fragment.arguments):
                    out.append(Delta(call.block, text))
                continue
            if not call.name:
                continue
            self._close_prose(voice, out)
            call.block = self._blocks
            self._blocks += 1
            voice.open_calls.append(call.block)
            kind = BlockKind.CUSTOM_CALL if call.custom else BlockKind.TOOL_CALL
            out.append(Opened(call.block, kind, call.id or f"call_{call.block}", call.name, voice.index))
            if text := "".join(call.pieces):
                out.append(Delta(call.block, text))

    def _cite(self, voice: _Voice, annotations: Any, out: list[Event]) -> None:
        for annotation in annotations if isinstance(annotations, list) else ():
            cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
            if isinstance(cited, dict) and isinstance(cited.get("url"), str):
                if voice.kind is not BlockKind.TEXT:
                    self._open(voice, BlockKind.TEXT, out)
                out.append(Cited(voice.block, _citation(cited)))

    def _note_sources(self, chunk: Chunk) -> None:
        """Perplexity's lists beside the choices, in each chunk (BerriAI/litellm issue 13777) or in the last (symfony/ai
        pull 388): told once, when the text is complete."""
        for listed in (chunk.search_results, chunk.citations):
            for source in listed if isinstance(listed, list) else ():
                found = source if isinstance(source, dict) else {"url": source}
                if isinstance(found.get("url"), str):
                    self._sources.setdefault(found["url"], _citation(found))

    def _finish(self, voice: _Voice, reason: str, out: list[Event]) -> None:
        if reason in _BROKEN_OFF:
            out.append(Failed(FaultKind.REPORTED, "the provider broke the answer off", code=reason))
            return
        self._close_all(voice, out)
        voice.reason = _REASONS.get(reason, _END)

    def _close_all(self, voice: _Voice, out: list[Event]) -> None:
        if self._sources and voice.kind is _TEXT:
            out.extend(Cited(voice.block, source) for source in self._sources.values())
            self._sources.clear()
        self._close_prose(voice, out)
        if voice.open_calls:
            out.extend(map(Closed, voice.open_calls))
            voice.open_calls.clear()

    def _adjust(self, chunk: Chunk, whole: dict[str, Any]) -> None:
        """Put what sits elsewhere, by the provider's quirks, where the view has it."""
        found: Any = whole
        for step in self._usage_path:
            found = found.get(step) if isinstance(found, dict) else None
        if found is not None and chunk.usage is None:
            chunk.usage = found
        if self._field in _KNOWN_FIELDS:
            return
        for choice, raw in zip(chunk.choices or (), whole.get("choices") or (), strict=False):
            said = raw.get("delta") or raw.get("message") or {}
            if choice.spoken is not None and isinstance(said, dict) and said.get(self._field) is not None:
                choice.spoken.reasoning = said[self._field]


def read_document(body: dict[str, Any], peer: Peer) -> list[Event]:
    """A whole answer as the events of a stream."""
    if body.get("error") or is_error(body):
        return [reported_failure(body)]
    if not body.get("choices"):
        return [Failed(FaultKind.MALFORMED, "the answer has no choices")]
    try:
        return ChatReader(peer).read_whole(body)
    except msgspec.ValidationError as error:
        return [Failed(FaultKind.MALFORMED, f"the answer could not be read: {error}")]


def _foreign(frame: Frame, whole: dict[str, Any]) -> Event:
    """A frame that is no chunk: an error object without a wrapping, or something only its sender knows."""
    if is_error(whole):
        return reported_failure(whole)
    return Foreign(frame.event.decode("utf-8", "replace") or str(whole.get("object") or whole.get("type") or ""))


def _thoughts(spoken: Spoken) -> tuple[Any, Any]:
    return spoken.reasoning_content, spoken.reasoning


def _citation(found: dict[str, Any]) -> Citation:
    texts = [found.get(name) for name in ("title", "content", "snippet")]
    title, content, snippet = (text if isinstance(text, str) else "" for text in texts)
    start, end = (at if type(at := found.get(name)) is int else None for name in ("start_index", "end_index"))
    return Citation(found["url"], title, content or snippet, start=start, end=end)
