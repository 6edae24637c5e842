"""Errors that providers of this wire report, in bodies and in frames of a 200.

Sources: OpenRouterTeam/docs, `api_reference/errors-and-debugging.mdx` (numeric codes that are HTTP statuses, inside a
200 too); openrouter-rs 0.2, `error::OpenRouterError` (the provider's words as `raw`, which that page no longer has).
"""

from typing import Any

from proxy.canonical.events import Failed, FaultKind
from proxy.wire.codec import UpstreamError
from proxy.wire.error_object import read_error_object


def read_error(body: dict[str, Any]) -> UpstreamError:
    """The error in a provider's body; empty if there is none."""
    said = read_error_object(body)
    found = body.get("error")
    details = found.get("metadata") if isinstance(found, dict) else None
    raw = details.get("raw") if isinstance(details, dict) else None
    return said._replace(message=f"{said.message}: {raw}") if isinstance(raw, str) and raw else said


def reported_failure(body: dict[str, Any]) -> Failed:
    """An error inside a 200, whichever way it is wrapped."""
    said = read_error(body)
    status = int(said.code) if said.code.isdecimal() and len(said.code) == 3 else None
    message = said.message or "the provider reported an error"
    return Failed(FaultKind.REPORTED, message, said.code, said.type, status, said.param)
