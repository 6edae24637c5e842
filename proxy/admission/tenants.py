"""API key -> tenant, and what that key may do."""

from collections.abc import Container, Iterable

from proxy.admission.shared_keys import SharedKeys
from proxy.errors import PermissionDenied, Unauthenticated, UnknownModel
from proxy.routing.candidates import Route
from proxy.runtime import keys
from proxy.runtime.snapshot import Key, Snapshot
from proxy.wire.fields import shown


async def authenticate(
    snapshot: Snapshot, shared: SharedKeys, presented: Iterable[str], now: float, deadline: float
) -> Key:
    """The key record, at once where the file or memory holds it. `presented`: every credential the request carried,
    empty ones left out; `now`: unix seconds; `deadline`: monotonic seconds, until when the store is waited for.

    Raises Unauthenticated: none, two different ones, malformed, unknown, revoked or expired; StoreUnavailable: the
    store may know it, but cannot say.
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
    if not credential.isascii():
        raise _malformed()
    mark = snapshot.mark_of(credential)
    digest = snapshot.recognized.get(mark) or keys.digest(snapshot.pepper, credential)
    key = snapshot.find_key(digest)
    if key is not None:
        shared.looked_up("file", "found")
    else:
        key = shared.recall(snapshot, digest)
    if key is None:
        if keys.parse(credential) is None:
            raise _malformed()
        key = await shared.find(snapshot, digest, deadline)
    usable = checked(key, shared.revoked, now)
    snapshot.recognized.setdefault(mark, digest)
    return usable


def checked(key: Key | None, revoked: Container[str], now: float) -> Key:
    """The key that was found, if it opens anything. `revoked`: ids; `now`: unix seconds. Raises Unauthenticated."""
    if key is None or key.id in revoked:
        raise Unauthenticated("Incorrect API key provided: it is unknown here or has been revoked.")
    if key.expires is not None and now >= key.expires:
        raise Unauthenticated("The API key has expired. Ask for a new one.")
    return key


def authorize(key: Key, scope: str, model: str | None = None) -> None:
    """Raises PermissionDenied if the key lacks `scope`, or may not use `model`."""
    if scope not in key.scopes:
        raise PermissionDenied(f"This API key lacks the scope '{scope}'.")
    if model is not None and not key.may_use(model):
        raise PermissionDenied(f"This API key may not use the model '{shown(model, 200)}'.", param="model")


def permitted(snapshot: Snapshot, key: Key, scope: str, model: str) -> Route:
    """The route a key may use under this name. Raises PermissionDenied, UnknownModel."""
    authorize(key, scope, model)
    return route_named(snapshot, model)


def route_named(snapshot: Snapshot, model: str) -> Route:
    """Raises UnknownModel."""
    route = snapshot.routes.get(model)
    if route is None:
        raise UnknownModel(
            f"The model '{shown(model, 200)}' does not exist or you do not have access to it. "
            "GET /v1/models lists yours.",
            param="model",
        )
    return route


def _malformed() -> Unauthenticated:
    return Unauthenticated("Incorrect API key provided: check that it was copied whole.")
