"""Server-sent events: bytes to frames and back. Source: WHATWG HTML, "Server-sent events", parsing an event stream.

Only whole frames leave the splitter, so that anything may be written between two of them.
"""

import re

import msgspec

MAXIMUM_FRAME_BYTES = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
# Two line ends in a row; the LF of a CRLF is never a line end of its own.
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LF = 0x0A
_CR = 0x0D  # as a number: looking for a byte string in another one costs an exception inside Python
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One event: its name (empty if absent) and its data lines joined by LF."""

    event: bytes
    data: bytes


class FrameTooLarge(Exception):
    """A frame exceeds `MAXIMUM_FRAME_BYTES`; `whole` are those that came before it in the same chunk."""

    def __init__(self, whole: "list[Frame]") -> None:
        super().__init__("a frame is too large")
        self.whole = whole


class FrameSplitter:
    """Chunks in, whole frames out; holds at most one unfinished frame. A cut may fall anywhere, inside CRLF too."""

    __slots__ = ("_begun", "_maximum", "_tail")

    def __init__(self, maximum: int = MAXIMUM_FRAME_BYTES) -> None:
        self._tail = b""
        self._begun = False
        self._maximum = maximum

    @property
    def is_between_frames(self) -> bool:
        """Whether the next byte begins a frame."""
        return self._begun and not self._tail

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completed, comments and empty ones left out. Raises FrameTooLarge."""
        text = self._tail + chunk if self._tail else chunk
        if not self._begun:
            if len(text) < 3 and _BOM.startswith(text):
                self._tail = text
                return []
            self._begun = True
            text = text.removeprefix(_BOM)
        if _CR in text:
            blocks = self._split_any(text)
        else:
            *blocks, self._tail = text.split(b"\n\n")
        frames: list[Frame] = []
        for block in blocks:
            if len(block) > self._maximum:
                raise FrameTooLarge(frames)
            if (frame := parse_frame(block)) is not None:
                frames.append(frame)
        if len(self._tail) > self._maximum:
            raise FrameTooLarge(frames)
        return frames

    def finish(self) -> list[Frame]:
        """The stream closed. A last frame without its blank line is still taken: its sender is done with it."""
        block, self._tail = self._tail, b""
        frame = parse_frame(block.removeprefix(_BOM)) if block.strip(b"\r\n") else None
        return [frame] if frame is not None else []

    def _split_any(self, text: bytes) -> list[bytes]:
        # A trailing CR may be half of a CRLF: wait for the next chunk before deciding.
        held = b"\r" if text.endswith(b"\r") else b""
        if held:
            text = text[:-1]
        *blocks, rest = _BLANK_LINE.split(text)
        self._tail = rest + held
        return blocks


def split_run(run: bytes, prefix: bytes) -> bytes | None:
    """The data of a chunk whose frames all begin with `prefix` and have one line of data each, as lines; None if the
    chunk looks otherwise. What is not as it looks (a comment between two frames) shows when the lines are parsed."""
    if not run.startswith(prefix) or not run.endswith(b"\n\n") or _CR in run:
        return None
    return run[len(prefix) : -2].replace(b"\n\n" + prefix, b"\n")


def parse_frame(block: bytes) -> Frame | None:
    """The frame in a block of lines without its blank line; None if it has no data (comments, lone fields).

    Two forms of errors are read that no client would see: a field `error` (ggml-org/llama.cpp, `server_sent_event` of
    its server), and a JSON object where fields should be, from servers whose failure comes before their stream.
    """
    if _CR not in block:
        # The two forms nearly every provider writes, without the general case's loop.
        first, separator, rest = block.partition(b"\n")
        if not separator and first.startswith(b"data: "):
            return Frame(b"", first[6:])
        if first.startswith(b"event: ") and rest.startswith(b"data: ") and _LF not in rest:
            return Frame(first[7:], rest[6:])
    if block.startswith(b"{"):
        return Frame(b"error", block)
    event, lines = b"", []
    for line in _LINE_END.split(block):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            lines.append(value)
        elif name == b"event":
            event = value
        elif name == b"error":
            event = name
            lines.append(value)
    return Frame(event, b"\n".join(lines)) if lines else None


def frame_bytes(data: bytes, event: bytes = b"") -> bytes:
    """One event on the wire. `data` may hold line breaks (a provider's multi-line data): each line gets its field."""
    if _LF in data:
        data = b"\ndata: ".join(data.split(b"\n"))
    return b"event: %b\ndata: %b\n\n" % (event, data) if event else b"data: %b\n\n" % data


def comment_bytes(text: bytes) -> bytes:
    """A comment line; line breaks cannot occur in it, so they are taken out."""
    return b": %b\n\n" % text.replace(b"\r", b" ").replace(b"\n", b" ")
