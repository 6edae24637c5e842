"""Errors before the first byte: a status, headers and a body in the caller's vocabulary. The only place where a bug of
ours is caught: it becomes 500 for the caller and a traceback in the log."""

import json
import math
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from proxy.errors import InternalError, MethodNotAllowed, ProxyError, UpgradeRequired
from proxy.telemetry import log
from proxy.wire.codec import Downstream

_T = TypeVar("_T")
_RETRYABLE = (429, 503, 529)
_LONGEST_SDK_WAIT = 5.0
_encode = msgspec.json.Encoder().encode


def answer(error: ProxyError, vocabulary: Downstream, request_id: str, headers: Mapping[str, str]) -> web.Response:
    """The HTTP answer for `error`. SDKs retry unless told otherwise, which would run the whole chain three times: they
    are told otherwise, except where a short wait is all that is missing."""
    status = vocabulary.error_status(error)
    retryable = status in _RETRYABLE
    # Ours, so that a client knows how long: 1 s where nobody said.
    wait = (error.retry_after if error.retry_after is not None else 1.0) if retryable else None
    out = dict(headers)
    if wait is not None:
        out["retry-after"] = str(math.ceil(wait))
        out["retry-after-ms"] = str(math.ceil(wait * 1000))
    if wait is None or wait > _LONGEST_SDK_WAIT:
        out["x-should-retry"] = "false"
    if isinstance(error, MethodNotAllowed):
        out["allow"] = error.allowed
    if isinstance(error, UpgradeRequired):
        out["upgrade"] = "HTTP/1.1"
    body = _encoded(vocabulary.error_body(error, request_id))
    return web.Response(status=status, body=body, content_type=vocabulary.error_content_type, headers=out)


def _encoded(body: dict[str, Any]) -> bytes:
    """JSON of any strings: this is the last line of defence, and nobody catches what it raises."""
    try:
        return _encode(body)
    except UnicodeEncodeError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


async def guarded(answering: Awaitable[_T], request_id: str) -> _T:
    """`answering`, with a bug of ours turned into InternalError: the caller hears of it, the log hears the rest."""
    try:
        return await answering
    except (ProxyError, ConnectionError):
        raise
    except Exception as error:
        log.failure("internal error", request_id=request_id, kind=type(error).__name__)
        raise InternalError(
            "An internal error occurred. Give your operator the x-request-id of this answer."
        ) from error
