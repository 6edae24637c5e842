"""Frames from a provider of this very vocabulary to a client of it: every byte as it came, but for contract §4's list.

A frame that only carries text costs two substring replacements; whatever else a frame holds is looked at.
"""

from collections.abc import Sequence

from proxy.canonical.events import Cited, Delta, Event, Failed, Finished, Signed, UsageReported
from proxy.canonical.usage import Usage
from proxy.vocabularies.chat import spans
from proxy.vocabularies.chat.calls import CallTable
from proxy.vocabularies.chat.fragments import call_edits, detail_edits
from proxy.vocabularies.chat.schema import CHUNK, ENCODER, OBJECT, Choice, Chunk
from proxy.vocabularies.chat.spans import Edit, Span
from proxy.vocabularies.chat.stream import ChatStream, finish_reason
from proxy.vocabularies.chat.usage import read_usage, written_usage
from proxy.wire.decoder import Step, apart
from proxy.wire.sse import frame_bytes

_TOOL_CALLS = b'"tool_calls"'
_DATA = b"data: "
_BLANK = b"\n\n"
_IDENTITY = {"id", "model", "created"}


class Relay:
    """Invariant: frames that may turn out to be the last (a finish, then the usage) are held back in `_held`: the
    account goes into the very last one, and an answer that breaks behind its finish may yet go on. `cited`: how many
    annotations went through."""

    def __init__(self, stream: ChatStream) -> None:
        self.cited = 0
        self._stream = stream
        # What stands in every chunk of this provider, and ours for it: the beginning up to id and model, or, where
        # the choices come first, each of the members by itself.
        self._beginning: tuple[bytes, bytes] | None = None
        self._learned: list[tuple[bytes, bytes]] = []
        self._calls: dict[int, CallTable] = {}
        self._held: list[bytes] = []
        self._held_usage = False  # whether the last of them is the usage
        self._usage: bytes | None = None
        self._finished: set[int] = set()

    def write(self, steps: Sequence[Step]) -> bytes:
        out: list[bytes] = []
        for step in steps:
            if step.run:
                self._run(step, out)
                continue
            frame, events = step.frame, step.events
            if frame is not None and len(events) == 1 and type(events[0]) is Delta:
                quick = self._quick(frame.data)
                if quick is not None:
                    out.append(frame_bytes(quick))
                    continue
            if not self._stream.ended:
                self._step(step, out)
        return b"".join(out)

    def _run(self, step: Step, out: list[bytes]) -> None:
        """A run of frames that only carry text: all beginnings replaced at once, if each stands there beyond doubt."""
        run = step.run
        if self._beginning is not None and not self._held:
            theirs, ours = self._beginning
            begin, skip = _DATA + ours, len(_DATA) + len(theirs)
            if len(step.events) == 1:
                if run.startswith(theirs, len(_DATA)):
                    out.append(begin + run[skip:])
                    return
            else:  # cut at blank lines, because looking for a long needle is slow
                frames = run.split(_BLANK)
                renamed = [begin + frame[skip:] for frame in frames if frame.startswith(theirs, len(_DATA))]
                if len(renamed) == len(step.events) == len(frames) - 1:
                    out.append(_BLANK.join(renamed) + _BLANK)
                    return
        out.append(self.write(apart(step)))

    def _quick(self, text: bytes) -> bytes | None:
        """The frame with what was learned replaced; None unless it stands there beyond doubt."""
        if not self._learned or self._held or (_TOOL_CALLS in text and not self._is_plain_call(text)):
            return None
        renamed = self._renamed(text)
        if renamed is not None:
            return renamed
        for theirs, ours in self._learned:
            if text.count(theirs) != 1:
                return None
            text = text.replace(theirs, ours)
        return text

    def _is_plain_call(self, text: bytes) -> bool:
        """Whether the frame is nothing but more arguments of a call that goes by the same index here and there."""
        choices = CHUNK.decode(text).choices or []
        spoken = choices[0].spoken if len(choices) == 1 else None
        if spoken is None or choices[0].finish_reason or not spoken.tool_calls or len(spoken.tool_calls) != 1:
            return False
        fragment = spoken.tool_calls[0]
        table = self._calls.get(choices[0].index or 0)
        call = table.at(fragment.index) if table is not None else None
        if call is None or call.position != fragment.index or fragment.id or fragment.name:
            return False
        return isinstance(fragment.arguments, str)

    def _step(self, step: Step, out: list[bytes]) -> None:
        events = step.events
        last = events[-1] if events else None
        if type(last) is Failed:
            return
        if type(last) is Finished:
            self._finish(last, out)
        elif step.frame is not None:
            text = step.frame.data
            self._frame(text, CHUNK.decode(text) if step.view is None else step.view, events, out)

    def _frame(self, text: bytes, chunk: Chunk, events: list[Event], out: list[bytes]) -> None:
        choices = chunk.choices or []
        silent = not any(map(_says_something, choices))
        reported: list[Usage] = []
        for event in events:
            if type(event) is UsageReported:
                reported.append(event.usage)
            elif type(event) is Cited:
                self.cited += 1
        reports_usage = bool(reported) and chunk.usage is not None
        if reported and chunk.usage is None:  # some providers tell it elsewhere, where no client looks
            self._usage = ENCODER.encode(written_usage(reported[-1]))
        is_late = bool(choices) and silent and all((choice.index or 0) in self._finished for choice in choices)
        is_usage = reports_usage and (not choices or is_late)
        if (is_late and not is_usage) or (is_usage and not self._stream.wants_usage):
            return
        only_identity = not (reports_usage and choices) and not any(map(_needs_edits, choices))
        written = self._renamed(text) if only_identity else None
        if written is None:
            if only_identity:
                at = spans.leading(text)
                edits = self._identity(text, at if at.keys() >= _IDENTITY else spans.members(text))
                written = spans.applied(text, edits)
            else:
                written = self._edited(text, choices, events, reports_usage=reports_usage, is_usage=is_usage)
        if is_usage:
            self._hold_usage(written)
            return
        finishing = {choice.index or 0 for choice in choices if choice.finish_reason}
        if not finishing or self._held_usage:
            self._flush(out)
        if choices and self._open(choices, silent, out):
            return
        self._finished |= finishing
        if finishing:
            self._held.append(written)
        else:
            out.append(frame_bytes(written))
        if choices and not self._stream.opened:
            out.append(self._stream.mark_opened())

    def _renamed(self, text: bytes) -> bytes | None:
        """The frame with nothing changed but its learned beginning; None if it begins otherwise."""
        if self._beginning is None or not text.startswith(self._beginning[0]):
            return None
        return self._beginning[1] + text[len(self._beginning[0]) :]

    def _edited(
        self, text: bytes, choices: list[Choice], events: list[Event], *, reports_usage: bool, is_usage: bool
    ) -> bytes:
        """The frame with whatever has to change in it."""
        at = spans.members(text)
        edits = self._identity(text, at)
        if reports_usage:
            self._usage = text[at["usage"].start : at["usage"].end]
        if is_usage and choices:
            edits.append(Edit(at["choices"].start, at["choices"].end, b"[]"))
        elif choices:
            if reports_usage:
                edits.append(Edit(at["usage"].start, at["usage"].end, b"null"))
            self._speak(text, at["choices"], choices, events, edits)
        return spans.applied(text, edits)

    def _identity(self, text: bytes, at: dict[str, Span]) -> list[Edit]:
        """Our id and model, and our time where a chunk of ours with it went out first; learns them for `_quick`."""
        stream = self._stream
        if not stream.opened and "created" in at and text[at["created"].start : at["created"].end].isdigit():
            stream.created = int(text[at["created"].start : at["created"].end])
        ours = {"id": ENCODER.encode(stream.id), "model": ENCODER.encode(stream.head.request.model)}
        if stream.opened_by_us:
            ours["created"] = b"%d" % stream.created
        edits = [Edit(at[name].start, at[name].end, value) for name, value in ours.items() if name in at]
        self._learned, self._beginning = [], None
        if len(edits) == len(ours):
            end = max(edit.end for edit in edits)
            if "choices" not in at or end < at["choices"].key:
                self._beginning = text[:end], spans.applied(text[:end], edits)
            for edit, name in zip(edits, ours, strict=True):
                key = text[at[name].key : edit.start]
                self._learned.append((key + text[edit.start : edit.end], key + edit.content))
        return edits

    def _speak(self, text: bytes, at: Span, choices: list[Choice], events: list[Event], edits: list[Edit]) -> None:
        """Edits inside the choices: tool calls' indexes and ids, origin tags."""
        materials = iter([event.material for event in events if isinstance(event, Signed)])
        if not any(
            choice.spoken and (choice.spoken.tool_calls or choice.spoken.reasoning_details) for choice in choices
        ):
            return
        for choice, place in zip(choices, spans.elements(text, at), strict=True):
            spoken = choice.spoken
            if spoken is None or not _needs_edits(choice):
                continue
            inside = spans.members(text, place)
            said = spans.members(text, inside["delta" if choice.delta is not None else "message"])
            if spoken.reasoning_details:
                edits += detail_edits(text, said["reasoning_details"], materials)
            if spoken.tool_calls:
                table = self._calls.setdefault(choice.index or 0, CallTable())
                edits += call_edits(text, said["tool_calls"], spoken.tool_calls, table, self._stream.head.seed)

    def _open(self, choices: list[Choice], silent: bool, out: list[bytes]) -> bool:
        """See to it that every choice begins with its role, and only once; whether that was all the frame says."""
        stream = self._stream
        said_already = False
        for choice in choices:
            index = choice.index or 0
            has_role = choice.spoken is not None and bool(choice.spoken.role)
            if index in stream.spoken:
                said_already = stream.opened_by_us and has_role and silent
            elif has_role:
                stream.spoken.append(index)
            elif index == 0 and not stream.opened:
                out.append(stream.opening())
            else:
                out.append(stream.role(index))
        return said_already and len(choices) == 1

    def _hold_usage(self, written: bytes) -> None:
        if self._held_usage:
            self._held.pop()  # a later account replaces an earlier one
        self._held.append(written)
        self._held_usage = True

    def _flush(self, out: list[bytes]) -> None:
        out += map(frame_bytes, self._held)
        self._held.clear()
        self._held_usage = False

    @property
    def usage(self) -> Usage:
        """What the provider reported, if it did."""
        told = CHUNK.decode(self._held[-1]).usage if self._held_usage else None
        if told is None and self._usage is not None:
            told = OBJECT.decode(self._usage)
        return read_usage(told) or Usage()

    def let_go(self) -> bytes:
        """The words that are still held back, without the end they came with: the answer goes on elsewhere."""
        out = []
        for held in self._held:
            choices = CHUNK.decode(held).choices or []
            for choice in choices:
                choice.finish_reason = None
            if any(map(_says_something, choices)):
                chunk = OBJECT.decode(held)
                chunk["choices"] = [{**whole, "finish_reason": None} for whole in chunk["choices"]]
                out.append(frame_bytes(ENCODER.encode(chunk)))
        return b"".join(out)

    def _finish(self, finished: Finished, out: list[bytes]) -> None:
        stream = self._stream
        out.append(stream.opening())
        last, self._held = self._held, []
        usage = last.pop() if self._held_usage else None
        for choice in sorted(set(stream.spoken) - self._finished):
            has_calls = choice in self._calls
            last.append(stream.finish(choice, finish_reason(finished.reason, has_calls=has_calls, has_refusal=True)))
        if usage is not None:
            last.append(usage)
        elif stream.wants_usage and self._usage is not None:
            last.append(stream.usage(self._usage))
        out.append(stream.close(last))


def _needs_edits(choice: Choice) -> bool:
    """Whether something inside the choice is to be rewritten: tool calls, opaque reasoning."""
    spoken = choice.spoken
    return spoken is not None and bool(spoken.tool_calls or spoken.reasoning_details)


def _says_something(choice: Choice) -> bool:
    spoken = choice.spoken
    return bool(choice.finish_reason) or (
        spoken is not None
        and bool(
            spoken.content
            or spoken.refusal
            or spoken.reasoning
            or spoken.reasoning_content
            or spoken.reasoning_details
            or spoken.tool_calls
            or spoken.function_call
            or spoken.annotations
        )
    )
