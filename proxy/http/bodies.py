"""Reading a request body: bounded, decompressed, never more in memory than the limit."""

import asyncio

from aiohttp import web

from proxy.errors import BodyTooLarge, InvalidRequest, RequestTimedOut, UnsupportedEncoding
from proxy.wire.fields import shown
from proxy.wire.inflate import BROKEN, INFLATERS, Inflater

_PIECE = 1 << 16
_STEP = 4096


async def read_body(request: web.BaseRequest, limit: int) -> bytes:
    """The decompressed body. Raises BodyTooLarge (by its declared or its real size), UnsupportedEncoding (415),
    InvalidRequest (broken encoding)."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return await _read_plain(request, limit)
    make = INFLATERS.get(encoding)
    if make is None:
        raise UnsupportedEncoding(
            f"Content-Encoding '{shown(encoding)}' is not supported. Use one of gzip, deflate, br, zstd, identity.",
            param="content-encoding",
        )
    inflater = make()
    out = bytearray()
    try:
        while piece := await request.content.read(_PIECE):
            _inflate(inflater, piece, out, limit)
        inflater.finish()
    except BROKEN:
        raise InvalidRequest(
            f"The request body is not valid {encoding}. Send it whole, or without Content-Encoding.",
            param="content-encoding",
        ) from None
    return bytes(out)


def _inflate(inflater: Inflater, piece: bytes, out: bytearray, limit: int) -> None:
    """Add what `piece` holds to `out`. Small steps, so that no coding can blow up beyond the limit by much."""
    for start in range(0, len(piece), _STEP):
        step = piece[start : start + _STEP]
        while got := inflater.feed(step, limit + 1 - len(out)):
            out += got
            if len(out) > limit:
                raise _too_large(limit)
            step = b""


def check_declared(request: web.BaseRequest, limit: int) -> None:
    """Raises BodyTooLarge for a plain body whose own Content-Length is beyond the limit: no byte of it need be sent."""
    declared = request.content_length
    if declared is not None and declared > limit and "content-encoding" not in request.headers:
        raise _too_large(limit)


async def _read_plain(request: web.BaseRequest, limit: int) -> bytes:
    pieces, size = [], 0
    while piece := await request.content.readany():
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes. Send less, or raise server.body_limit.")


async def receive_body(request: web.BaseRequest, limit: int, within: float) -> bytes:
    """`read_body`, given up after `within` seconds: half a body must not hold a request for ever. Raises
    RequestTimedOut."""
    if request.content.is_eof():
        return await read_body(request, limit)  # it is here already, as small ones are
    try:
        async with asyncio.timeout(within):
            return await read_body(request, limit)
    except TimeoutError:
        raise RequestTimedOut(f"The request body did not arrive within {within:g} seconds.") from None
