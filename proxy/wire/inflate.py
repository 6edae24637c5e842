"""Content codings, undone piece by piece: gzip, deflate, br, zstd. Nothing grows beyond what the caller allows."""

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli
import zstandard

_LARGEST_ZSTD_WINDOW = 1 << 27
_ZSTD_STEP = 256


class Inflater(Protocol):
    def feed(self, piece: bytes, most: int) -> bytes:
        """The output of `piece`, about `most` bytes at most; what is left over comes with the next piece, b"" included.
        Raises one of `BROKEN`."""

    def finish(self) -> None:
        """Raises ValueError if the input was cut short."""


class _Zlib:
    def __init__(self, window: int) -> None:
        self._inflater = zlib.decompressobj(window)

    def feed(self, piece: bytes, most: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + piece, most)

    def finish(self) -> None:
        if not self._inflater.eof:
            raise ValueError("cut short")


class _Deflate:
    """`deflate` is zlib by the standard and raw by some senders: the first byte tells."""

    def __init__(self) -> None:
        self._inner: _Zlib | None = None

    def feed(self, piece: bytes, most: int) -> bytes:
        if self._inner is None:
            self._inner = _Zlib(zlib.MAX_WBITS if piece[:1] and piece[0] & 0x0F == 8 else -zlib.MAX_WBITS)
        return self._inner.feed(piece, most)

    def finish(self) -> None:
        if self._inner is None:
            raise ValueError("empty")
        self._inner.finish()


class _Brotli:
    def __init__(self) -> None:
        self._inflater = brotli.Decompressor()

    def feed(self, piece: bytes, most: int) -> bytes:
        out: bytes = self._inflater.process(piece, output_buffer_limit=most)
        return out

    def finish(self) -> None:
        if not self._inflater.is_finished():
            raise ValueError("cut short")


class _Zstd:
    """The library knows no bound on output; four bytes of input can stand for 128 KiB, so input goes in small steps."""

    def __init__(self) -> None:
        self._inflater = zstandard.ZstdDecompressor(max_window_size=_LARGEST_ZSTD_WINDOW).decompressobj()
        self._left = b""

    def feed(self, piece: bytes, most: int) -> bytes:
        self._left += piece
        out = bytearray()
        at = 0
        while at < len(self._left) and len(out) < most and not self._inflater.eof:
            out += self._inflater.decompress(self._left[at : at + _ZSTD_STEP])
            at += _ZSTD_STEP
        self._left = self._left[at:]
        return bytes(out)

    def finish(self) -> None:
        if not self._inflater.eof:
            raise ValueError("cut short")


INFLATERS: dict[str, Callable[[], Inflater]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}
BROKEN = (zlib.error, brotli.error, zstandard.ZstdError, ValueError)
