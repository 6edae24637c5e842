"""What the frames of one stream have in common: mostly they differ in the text alone, and cutting that out costs a
tenth of parsing them."""

import msgspec

from proxy.vocabularies.chat.schema import ENCODER, PROSE
from proxy.wire.decoder import BROKEN_FRAME

_LF = 0x0A
_CR = 0x0D
_TEXT = msgspec.json.Decoder(str)
_PROBE = "\x00probe"
_NAMES = (b'"content":', b'"content": ')
_MOST_CASTS = 3  # per stream: some providers pad each frame with something of its own


class Mould:
    """What stands before and after the text in a frame, learned from one that was parsed."""

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._casts = 0

    def texts(self, run: bytes) -> list[str] | None:
        """The texts of a run of whole frames that differ in nothing else; None if they do, or nothing was learned."""
        before, after = self._before, self._after
        if not before or not run.startswith(before) or not run.endswith(after) or _CR in run:
            return None
        inner = run[len(before) : -len(after)]
        try:
            # What is left are JSON strings, or it does not decode: then more than the text was different.
            texts = self._many(run) if _LF in inner else [_TEXT.decode(inner)]
        except BROKEN_FRAME:
            return None
        return None if texts is None or "" in texts else texts

    def _many(self, run: bytes) -> list[str] | None:
        """The texts of several frames. Cut at blank lines, not at what stands between two texts: looking for a long
        needle is slow."""
        begin, end = len(self._before), 2 - len(self._after)
        before, after = self._before, self._after[:-2]
        frames = run[:-2].split(b"\n\n")
        inner = [frame[begin:end] for frame in frames if frame.startswith(before) and frame.endswith(after)]
        lines = b"\n".join(inner)
        if len(inner) != len(frames) or lines.count(b"\n") >= len(frames):
            return None
        texts = _TEXT.decode_lines(lines)
        return texts if len(texts) == len(frames) else None

    def learn(self, line: bytes, text: str) -> None:
        """Take the data of a frame that carries nothing but `text` for an example, if its text stands there plainly."""
        if self._casts == _MOST_CASTS:
            return
        self._casts += 1
        token = ENCODER.encode(text)
        name = next((name for name in _NAMES if name + token in line), None)
        if name is None:
            return
        before, _, after = line.partition(name + token)
        before = b"data: " + before + name
        if PROSE.decode(before[6:] + ENCODER.encode(_PROBE) + after).choices[0].delta.content != _PROBE:
            return
        self._before, self._after = before, after + b"\n\n"
