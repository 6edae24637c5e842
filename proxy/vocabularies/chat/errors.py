"""Errors that providers of this wire report, in bodies and in frames of a 200.

Sources: open-webui/computer issue 293; openrouter-rs 0.2, `error::OpenRouterError` (a provider's own words as `raw`).
"""

from typing import Any

from proxy.canonical.events import Failed
from proxy.wire import reported
from proxy.wire.codec import UpstreamError


def read_error(body: dict[str, Any]) -> UpstreamError:
    """The error in a provider's body; empty if there is none."""
    said = reported.read_error_object(body)
    found = body.get("error")
    details = found.get("metadata") if isinstance(found, dict) else None
    raw = details.get("raw") if isinstance(details, dict) else None
    return said._replace(message=f"{said.message}: {raw}") if isinstance(raw, str) and raw else said


def reported_failure(body: dict[str, Any]) -> Failed:
    """An error inside a 200, whichever way it is wrapped."""
    return reported.failed(read_error(body))
