"""Reading what /admin is sent: bounded, in time, and checked against its model. What was written is never repeated: it
may be a key."""

import asyncio
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from proxy.master.admin_exchange import Refused
from proxy.master.admin_models import Given
from proxy.runtime.problems import listed, place
from proxy.wire.fields import shown

LIMIT = 64 * 1024
_PATIENCE = 10.0  # seconds

G = TypeVar("G", bound=Given)


async def read_body(request: web.BaseRequest) -> bytes:
    """Raises Refused: 413 or 408."""
    if (request.content_length or 0) > LIMIT:
        raise _too_large()
    received = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            while piece := await request.content.readany():
                received += piece
                if len(received) > LIMIT:
                    raise _too_large()
    except TimeoutError:
        raise Refused(408, f"The body did not arrive within {_PATIENCE:g} seconds.") from None
    return bytes(received)


def parse_body(model: type[G], body: bytes) -> G:
    """An empty body is an empty object. Raises Refused."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refused(model, error) from None


def parse_query(model: type[G], query: Mapping[str, str]) -> G:
    """Raises Refused."""
    try:
        return model.model_validate_strings(dict(query))
    except ValidationError as error:
        raise _refused(model, error) from None


def _too_large() -> Refused:
    return Refused(413, f"The body is larger than {LIMIT} bytes.")


def _refused(model: type[Given], error: ValidationError) -> Refused:
    """The first mistake; the others among the details."""
    found = error.errors(include_url=False, include_input=False)
    mistakes = [f"{_wording(model, each)}." for each in found]
    field = shown(place(found[0]["loc"])) or None
    return Refused(400, mistakes[0], field, tuple(mistakes[1:]))


def _wording(model: type[Given], error: ErrorDetails) -> str:
    field = shown(place(error["loc"]))
    match error["type"]:
        case "json_invalid":
            return f"The body is not valid JSON: {error['ctx']['error']}"
        case "model_type":
            return "The body must be a JSON object"
        case "extra_forbidden":
            return f"'{field}' is unknown here. Known: {listed(model.model_fields)}"
        case "missing":
            return f"'{field}' is missing"
        case "value_error":
            return f"'{field}': {error['ctx']['error']}"
        case _:
            return f"'{field}': {error['msg'][:1].lower()}{error['msg'][1:]}"
