"""A successor's events, mapped so that they follow on what its predecessor told the client."""

from typing import Protocol

import msgspec

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
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.routing.midstream import THOUGHTS, Sent, tokens_of
from proxy.wire.decoder import Step

_IN_BLOCK = (Opened, Delta, Cited, Signed, Closed)


class Mapping(Protocol):
    """What an attempt says, as it is told to a client who heard another attempt before."""

    def map(self, events: list[Event]) -> list[Event]: ...


def mapped(steps: list[Step], mapping: Mapping) -> list[Step]:
    """Frames are lost: they say what their provider said, not what the client is to hear."""
    return [Step(None, mapping.map(step.events)) for step in steps]


class Anew:
    """All of a new answer, in blocks whose numbers the void one did not use."""

    def __init__(self, sent: Sent) -> None:
        self._base = sent.next_block

    def map(self, events: list[Event]) -> list[Event]:
        return [_moved(event, self._base) for event in events]


def _moved(event: Event, by: int) -> Event:
    if type(event) is Delta:
        return Delta(event.block + by, event.text)
    if type(event) in _IN_BLOCK:
        return msgspec.structs.replace(event, block=event.block + by)  # type: ignore[union-attr]
    return event


class Splice:
    """The rest of an answer: the first text goes on in the block that is open, whatever else there is comes in blocks
    of its own. Thoughts are left out: they would stand in the middle of the answer. Places of citations count from the
    first of its words that is told. Usage is the first attempt's input and the output of all (contract §8).
    """

    def __init__(self, sent: Sent, *, is_echoed: bool) -> None:
        """`sent` has one open text. `is_echoed`: the successor may repeat what it goes on with."""
        block = sent.open_text
        assert block is not None
        said = sent.answer.blocks[block].text
        self._open: int | None = block  # the block to go on in, until it is closed
        self._seam: _Seam | None = _Seam(said, is_echoed=is_echoed)
        self._dropped = 0  # characters at the head of the successor's text
        self._base = sent.next_block
        self._begun: int | None = None  # the successor's block that goes on
        self._thoughts: set[int] = set()
        self._before = sent.answer.usage
        self._tokens = sent.tokens
        self._repeated = tokens_of(len(said.rstrip()))
        self._usage = Usage()
        self._characters = 0

    def map(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            if type(event) is Delta:
                self._say(event, out)
            elif type(event) in _IN_BLOCK:
                self._map_in_block(event, out)  # type: ignore[arg-type]
            elif type(event) is Started:
                self._usage = self._usage.merged(event.usage or Usage())
            elif type(event) is UsageReported:
                self._usage = self._usage.merged(event.usage)
                out.append(UsageReported(self._whole_usage(), event.final))
            else:
                if type(event) is Finished:
                    self._finish(out)
                out.append(event)
        return out

    def _say(self, event: Delta, out: list[Event]) -> None:
        self._characters += len(event.text)
        if event.block != self._begun:
            if event.block not in self._thoughts:
                out.append(Delta(event.block + self._base, event.text))
            return
        text = event.text if self._seam is None else self._joined(self._seam, event.text)
        if text and self._open is not None:
            out.append(Delta(self._open, text))

    def _joined(self, seam: "_Seam", text: str, *, is_last: bool = False) -> str:
        rest = seam.join(text, is_last=is_last)
        if seam.is_settled:
            self._seam = None
            self._dropped = seam.dropped
        return rest

    def _map_in_block(self, event: Opened | Cited | Signed | Closed, out: list[Event]) -> None:
        if type(event) is Opened and event.kind in THOUGHTS:
            self._thoughts.add(event.block)
        elif type(event) is Opened and self._begun is None and self._open is not None:
            self._begin(event, out)
        elif event.block == self._begun:
            self._go_on(event, out)
        elif event.block not in self._thoughts:
            out.append(_moved(event, self._base))

    def _begin(self, event: Opened, out: list[Event]) -> None:
        """What comes first decides: text goes on, anything else means that the text was complete."""
        if event.kind is BlockKind.TEXT:
            self._begun = event.block
            out.append(Opened(self._open or 0, event.kind))
            return
        self._close(out)
        out.append(_moved(event, self._base))

    def _go_on(self, event: Opened | Cited | Signed | Closed, out: list[Event]) -> None:
        if self._open is None:
            return
        if type(event) is Closed:
            self._close(out)
        elif type(event) is Cited:
            out.append(Cited(self._open, event.citation.moved(-self._dropped)))

    def _close(self, out: list[Event]) -> None:
        if self._open is None:
            return
        if self._seam is not None and (rest := self._joined(self._seam, "", is_last=True)):
            out.append(Delta(self._open, rest))
        out.append(Closed(self._open))
        self._open = None

    def _finish(self, out: list[Event]) -> None:
        self._close(out)
        if self._usage.output_tokens is None:
            # The client may have been told a beginning of the count, so it is told an end: of what nobody counted, an
            # estimate.
            self._usage = msgspec.structs.replace(self._usage, output_tokens=tokens_of(self._characters))
            out.append(UsageReported(self._whole_usage(), True))

    def _whole_usage(self) -> Usage:
        """Of the whole answer. Where the first attempt told no input: the successor's, without what was repeated."""
        first, later = self._before, self._usage
        if first.input_tokens is None and later.input_tokens is not None:
            first = msgspec.structs.replace(later, input_tokens=max(0, later.input_tokens - self._repeated))
        return Usage(
            input_tokens=first.input_tokens,
            output_tokens=None if later.output_tokens is None else self._tokens + later.output_tokens,
            cache_read_tokens=first.cache_read_tokens,
            cache_write_tokens=first.cache_write_tokens,
            reasoning_tokens=_sum(self._before.reasoning_tokens, later.reasoning_tokens),
        )


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


class _Seam:
    """Where a successor's text begins, held until it is known how much of it the client has already: whitespace that
    was trimmed off what it was asked to go on with, and that text itself where it is echoed."""

    def __init__(self, said: str, *, is_echoed: bool) -> None:
        text = said.rstrip()
        self.is_settled = False
        self.dropped = 0  # characters
        self._echo = text if is_echoed else ""
        self._trimmed = said[len(text) :]
        self._held = ""

    def join(self, text: str, *, is_last: bool) -> str:
        """What of it is new; empty while that is not known. `is_last`: nothing will follow."""
        held, echo = self._held + text, self._echo
        self._held = held
        if echo.startswith(held):
            if len(held) < len(echo) and not is_last:
                return ""
            rest = ""
        else:
            rest = held.removeprefix(echo)
        blank = len(rest) - len(rest.lstrip())
        if blank == len(rest) < len(self._trimmed) and not is_last:
            return ""
        again = _overlap(self._trimmed, rest[:blank])
        self.dropped = len(held) - len(rest) + again
        self.is_settled = True
        return rest[again:]


def _overlap(before: str, after: str) -> int:
    """The length of the longest end of `before` that `after` begins with."""
    longest = min(len(before), len(after))
    return next((size for size in range(longest, 0, -1) if before.endswith(after[:size])), 0)
