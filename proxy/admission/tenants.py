"""API key -> tenant, and what that key may do."""

from collections.abc import Iterable

from proxy.errors import PermissionDenied, Unauthenticated
from proxy.runtime import keys
from proxy.runtime.snapshot import Key, Snapshot
from proxy.wire.fields import shown


def authenticate(snapshot: Snapshot, presented: Iterable[str], now: float) -> Key:
    """The key record. `presented`: every credential the request carried, empty ones left out; `now`: unix seconds.

    Raises Unauthenticated: none, two different ones, malformed, unknown or expired.
    """
    credentials = set(presented)
    if not credentials:
        raise Unauthenticated(
            "No API key was given. Send it as 'Authorization: Bearer sg-…' (or 'x-api-key', 'api-key')."
        )
    if len(credentials) > 1:
        raise Unauthenticated(
            "Two different API keys were given ('Authorization', 'x-api-key' and 'api-key' must agree). Send one."
        )
    [credential] = credentials
    key = snapshot.find_key(credential) if credential.isascii() else None
    if key is None:
        remedy = (
            "check that it was copied whole"
            if keys.parse(credential) is None
            else "it is unknown here or has been revoked"
        )
        raise Unauthenticated(f"Incorrect API key provided: {remedy}.")
    if key.expires is not None and now >= key.expires:
        raise Unauthenticated("The API key has expired. Ask for a new one.")
    return key


def authorize(key: Key, scope: str, model: str | None = None) -> None:
    """Raises PermissionDenied if the key lacks `scope`, or may not use `model`."""
    if scope not in key.scopes:
        raise PermissionDenied(f"This API key lacks the scope '{scope}'.")
    if model is not None and not key.may_use(model):
        raise PermissionDenied(f"This API key may not use the model '{shown(model, 200)}'.", param="model")
