"""GET /v1/models: the routes a key may use, in OpenAI's shape, or in Anthropic's when `anthropic-version` was sent."""

from collections.abc import Mapping
from typing import Any

from proxy.admission.tenants import authorize
from proxy.errors import PermissionDenied, UnknownModel
from proxy.runtime.snapshot import Key, Snapshot
from proxy.wire.fields import shown

_SINCE = 1767225600  # routes have no creation time of their own: 2026-01-01, constant so that answers can be compared
_SINCE_TEXT = "2026-01-01T00:00:00Z"


def listing(snapshot: Snapshot, key: Key, headers: Mapping[str, str]) -> dict[str, Any]:
    """Every model the key may use, sorted by name."""
    authorize(key, "models")
    names = sorted(name for name in snapshot.routes if key.may_use(name))
    if "anthropic-version" in headers:
        return {
            "data": [_dated(name) for name in names],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    return {"object": "list", "data": [_plain(name) for name in names]}


def single(snapshot: Snapshot, key: Key, headers: Mapping[str, str], name: str) -> dict[str, Any]:
    """One model. Raises UnknownModel, for those the key may not use too: they do not exist for it."""
    authorize(key, "models")
    try:
        authorize(key, "models", name)
    except PermissionDenied:
        raise _unknown(name) from None
    if name not in snapshot.routes:
        raise _unknown(name)
    return _dated(name) if "anthropic-version" in headers else _plain(name)


def _unknown(name: str) -> UnknownModel:
    return UnknownModel(
        f"The model '{shown(name, 200)}' does not exist or you do not have access to it.", param="model"
    )


def _plain(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": _SINCE, "owned_by": "segue"}


def _dated(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _SINCE_TEXT}
