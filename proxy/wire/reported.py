"""Errors as providers report them: in the body of a refusal, in a frame, in the place of an answer.

Sources: openai-python 3.52, `types/shared/error_object.py`; anthropic 2.11, `types/shared/error_response.py`; FastAPI's
docs, `tutorial/handling-errors.md` (`detail`); OpenRouterTeam/docs, `api_reference/errors-and-debugging.mdx`
(`error_type`) and `api_reference/limits.mdx` (`limit_source`); huggingface/text-generation-inference,
`router/src/server.rs` (`error` as a text beside `error_type`); n4ze3m/page-assist issue 406 (a list with one error);
google.rpc, `error_details.proto` (`RetryInfo.retryDelay`); continuedev/continue issue 3881 (`message` alone);
anomalyco/opencode issue 23773 (`errors`, a list).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from proxy.canonical.events import Failed, FaultKind
from proxy.wire.codec import UpstreamError

_decode = msgspec.json.Decoder().decode
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STATUSES = ("status", "code", "status_code", "http_status_code", "statusCode")
_WAITS = ("retry_after_seconds_raw", "retry_after_seconds")
_LONGEST_CODE = 100


def read_refusal(body: bytes, read: Callable[[dict[str, Any]], UpstreamError]) -> UpstreamError | None:
    """The error in the body of an answer whose status is one; None if the body is a page, which is nobody's word on the
    request. `read` understands an object of the wire; a list stands for its first entry, a text for itself."""
    found: Any
    try:
        found = _decode(body)
    except _NO_JSON:
        found = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
        if found.startswith("<"):
            return None
    if isinstance(found, list) and found:
        found = found[0]
    if isinstance(found, dict):
        return read(found)
    return UpstreamError(found if isinstance(found, str) else "", is_formal=False)


def read_error_object(body: dict[str, Any]) -> UpstreamError:
    """The error an object reports, wherever in it that stands; an empty one if it reports none. Only words and numbers
    are repeated."""
    inner = _inner(body)
    metadata = _object(inner.get("metadata"))
    message, code = inner.get("message") or inner.get("detail"), inner.get("code")
    param = inner.get("param")
    word = str(code) if _is_word(code) and " " not in str(code) and len(str(code)) <= _LONGEST_CODE else ""
    if not word or word.isdecimal():
        word = _text(metadata.get("limit_source")) or word
    return UpstreamError(
        str(message) if _is_word(message) else "",
        word,
        _type(inner, metadata, body),
        param if isinstance(param, str) else None,
        _status(inner),
        _wait(inner, metadata),
    )


def is_error(body: dict[str, Any]) -> bool:
    """Whether an object in the place of an answer is an error that is not wrapped in a member `error`: it says so, or
    its message stands beside a status of failure, or is all there is."""
    if "error" in (body.get("type"), body.get("object")) or (isinstance(body.get("errors"), list) and body["errors"]):
        return True
    said = body.get("message") or body.get("detail")
    return isinstance(said, (str, list)) and bool(said) and (_status(body) is not None or len(body) == 1)


def failed(said: UpstreamError) -> Failed:
    """An error inside a 200."""
    message = said.message or "the provider reported an error"
    return Failed(FaultKind.REPORTED, message, said.code, said.type, said.status, said.param, said.wait)


def _inner(body: dict[str, Any]) -> dict[str, Any]:
    """The object with the error's members; empty if there is none."""
    error = body.get("error")
    if error is None and isinstance(body.get("errors"), list):
        error = body["errors"]
    if isinstance(error, list):
        error = error[0] if error else None
    if isinstance(error, str) and error:
        beside = body.get("message")
        return {**body, "message": f"{error}: {beside}" if isinstance(beside, str) and beside else error}
    if error is not None:
        return _object(error)
    detail = body.get("detail")
    if isinstance(detail, dict):
        return _inner(detail) or detail
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        return _validation(detail[0])
    return body if isinstance(body.get("message") or detail, str) or is_error(body) else {}


def _validation(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a list of validation errors: where, and what is wrong there."""
    place = entry.get("loc")
    param = ".".join(str(step) for step in place if _is_word(step)) if isinstance(place, list) else None
    said = entry.get("msg")
    return {"message": said if _is_word(said) else "invalid request", "param": param}


def _type(inner: dict[str, Any], metadata: dict[str, Any], body: dict[str, Any]) -> str:
    """The finest word there is: gateways write their own beside a provider's, which loses some of it."""
    finest = (inner.get("error_type"), metadata.get("error_type"), body.get("error_type"), inner.get("type"))
    return next((word for word in map(_text, (*finest, inner.get("status"))) if word not in ("", "error")), "")


def _status(found: dict[str, Any]) -> int | None:
    """An HTTP status of failure that an object names."""
    for name in _STATUSES:
        value = found.get(name)
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value <= 599:
            return value
    return None


def _wait(inner: dict[str, Any], metadata: dict[str, Any]) -> str:
    details = inner.get("details")
    for detail in details if isinstance(details, list) else ():
        if wait := _text(_object(detail).get("retryDelay")):
            return wait
    for name in _WAITS:
        if _is_word(value := metadata.get(name)):
            return str(value)
    return ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_word(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)
