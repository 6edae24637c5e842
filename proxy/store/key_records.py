"""Tenants and keys that the store holds beside those of the file, and the ids of revoked keys, file-held ones too.

Every change is one script. What a record becomes is decided here and written only where the record still is what was
read, so nothing gets lost between two who change it at once. Of a key only its HMAC is ever here (contract §9).

Whatever asks the store raises StoreDown where it cannot say. A change may then have been made all the same, if its
answer was lost; but never later, except for revocations, which are worth more late than not at all.
"""

import math
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from itertools import islice
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import msgspec

from proxy.runtime.keys import Minted
from proxy.store.client import Store
from proxy.store.down import StoreDown
from proxy.store.names import CHANGES, of_records
from proxy.store.records import (
    STATE,
    AlreadyThere,
    Ended,
    HeldKey,
    KeyRecord,
    KeyRights,
    NotFound,
    Rotation,
    State,
    TenantEnd,
    TenantRecord,
    decode,
    edited,
    encode,
    held_key,
)
from proxy.store.scripts import Script

_TENANTS = of_records("tenants")
_KEYS = of_records("keys")
_IDS = of_records("key-ids")
_REVOKED = of_records("revoked")
_CUT = of_records("cut")

_CHANGE = Script("change_records")
_READ = Script("read_keys")
_SECOND = 1_000_000
_NEVER = 2**53
# A call's size. The server puts a script's arguments on Lua's stack, which holds 8,000.
_AT_ONCE = 500
_ATTEMPTS = 10

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)


class _Again(Exception):
    """Nothing was changed, because another change came between or time did; what was read is old."""


class _Found(NamedTuple, Generic[R]):
    """A record to change, its text, and when it was read, in unix microseconds of the store's clock."""

    record: R
    text: bytes
    read_at: int


class _Answer(NamedTuple):
    """What the script said: either a `refusal`, or the version and the ids that ended with their tenant."""

    refusal: str
    version: int = 0
    ended: tuple[str, ...] = ()


def _until_it_settles(change: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @wraps(change)
    async def settle(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_ATTEMPTS):
            with suppress(_Again):
                return await change(*args, **kwargs)
        raise StoreDown("timeout", f"{_ATTEMPTS} times something came between reading a record and changing it")

    return settle


class KeyRecords:
    """Times are the store's: a change says until when somebody waits for it, which is at most `timeout` seconds."""

    def __init__(self, store: Store, timeout: float) -> None:
        self._store = store
        self._patience = round(timeout * _SECOND)

    async def state(self) -> State:
        epoch, version, change = await self._store.read("HMGET", STATE, "epoch", "version", "change")
        try:
            return State((epoch or b"").decode(), int(version or 0), (change or b"").decode())
        except ValueError:
            raise StoreDown("broken", f"{STATE} holds what no version of Segue wrote") from None

    async def revoked(self) -> set[str]:
        """The ids of all revoked keys."""
        return {key_id.decode() for key_id in await self._store.read("SMEMBERS", _REVOKED)}

    async def were_cut(self) -> set[str]:
        """The ids of keys whose running requests were to be ended, ever."""
        return {key_id.decode() for key_id in await self._store.read("SMEMBERS", _CUT)}

    async def list_tenants(self) -> list[TenantRecord]:
        found = (decode(text, TenantRecord) for text in await self._store.read("HVALS", _TENANTS))
        return sorted((tenant for tenant in found if tenant is not None), key=lambda tenant: tenant.name)

    async def read_tenant(self, name: str) -> TenantRecord:
        """Raises NotFound."""
        return (await self._tenant(name)).record

    async def list_keys(self, tenant: str | None = None) -> list[HeldKey]:
        """All, or one tenant's; revoked and expired ones too. By tenant, then in the order they were made."""
        listed = await (
            self._store.read("HKEYS", _IDS) if tenant is None else self._store.read("SMEMBERS", _keys_of(tenant))
        )
        found = await self._held("id", [key_id.decode() for key_id in listed])
        return sorted(filter(None, found), key=lambda held: (held.key.tenant, held.key.created, held.key.id))

    async def read_key(self, key_id: str) -> HeldKey:
        """Raises NotFound."""
        [held] = await self._held("id", [key_id])
        if held is None:
            raise _missing_key(key_id)
        return held

    async def find_keys(self, digests: Sequence[str]) -> list[HeldKey | None]:
        """What the store holds for each digest; None where it holds nothing."""
        return await self._held("digest", digests)

    @_until_it_settles
    async def create_tenant(self, name: str, fallback_events: str | None = None) -> tuple[int, TenantRecord]:
        """The version, and the record. Raises AlreadyThere."""
        now = await self._now()
        tenant = TenantRecord(name, fallback_events, now / _SECOND)
        answer = await self._change(now, name, "create_tenant", name, encode(tenant))
        if answer.refusal:
            raise AlreadyThere(f"there is a tenant '{name}' already")
        return answer.version, tenant

    @_until_it_settles
    async def change_tenant(self, name: str, fallback_events: str | None) -> tuple[int, TenantRecord]:
        """The version, and the record. Raises NotFound."""
        found = await self._tenant(name)
        text = edited(found.text, fallback_events=fallback_events)
        answer = await self._change(found.read_at, name, "change_tenant", name, found.text, text)
        if answer.refusal:
            raise _missing_tenant(name)
        return answer.version, msgspec.json.decode(text, type=TenantRecord)

    @_until_it_settles
    async def delete_tenant(self, name: str) -> TenantEnd:
        """Raises NotFound. The tenant's keys are revoked and their records go: a tenant of that name in times to come
        does not have them."""
        answer = await self._change(await self._now(), name, "delete_tenant", name)
        if answer.refusal:
            raise _missing_tenant(name)
        return TenantEnd(answer.version, answer.ended)

    @_until_it_settles
    async def create_key(
        self, minted: Minted, tenant: str, rights: KeyRights, *, is_tenant_in_file: bool = False
    ) -> tuple[int, KeyRecord]:
        """The version, and the record. Raises AlreadyThere, and NotFound if the tenant is neither here nor in the
        file."""
        now = await self._now()
        key = msgspec.structs.replace(KeyRecord(minted.id, tenant, minted.digest, created=now / _SECOND), **rights)
        where = "elsewhere" if is_tenant_in_file else "here"
        answer = await self._change(now, tenant, "create_key", tenant, where, key.id, key.digest, encode(key))
        if answer.refusal == "missing":
            raise _missing_tenant(tenant)
        if answer.refusal:
            raise _taken(key.id)
        return answer.version, key

    @_until_it_settles
    async def change_key(self, key_id: str, rights: KeyRights) -> tuple[int, KeyRecord]:
        """The version, and the record. Raises NotFound, and Ended for a revoked key."""
        found = await self._key(key_id)
        text = edited(found.text, **rights)
        key = found.record
        answer = await self._change(found.read_at, key.tenant, "change_key", key_id, key.digest, found.text, text)
        if answer.refusal:
            raise _revoked(key_id) if answer.refusal == "revoked" else _missing_key(key_id)
        return answer.version, msgspec.json.decode(text, type=KeyRecord)

    @_until_it_settles
    async def rotate_key(self, key_id: str, successor: Minted, overlap: float) -> Rotation:
        """The key gets a successor with the same rights, and works on beside it for `overlap` seconds, or until it
        expires. Raises NotFound, AlreadyThere, and Ended if there is nothing left to continue."""
        found = await self._key(key_id)
        key, now = found.record, found.read_at / _SECOND
        if key.rotated_to is not None:
            raise Ended(f"the key '{key_id}' was rotated already, to '{key.rotated_to}'; rotate that one")
        if key.expires is not None and key.expires <= now:
            raise Ended(f"the key '{key_id}' has expired; change when it expires, then rotate it")
        expires = min(now + overlap, math.inf if key.expires is None else key.expires)
        old = edited(found.text, expires=expires, rotated_to=successor.id)
        heir = edited(found.text, id=successor.id, digest=successor.digest, created=now, rotated_from=key_id)
        both = (key_id, key.digest, found.text, old, successor.id, successor.digest, heir)
        answer = await self._change(found.read_at, key.tenant, "rotate_key", *both)
        if answer.refusal == "there":
            raise _taken(successor.id)
        if answer.refusal:
            raise _revoked(key_id) if answer.refusal == "revoked" else _missing_key(key_id)
        return Rotation(
            answer.version, msgspec.json.decode(old, type=KeyRecord), msgspec.json.decode(heir, type=KeyRecord)
        )

    async def revoke(self, key_ids: Iterable[str]) -> int:
        """The version from which on these ids open nothing, wherever their keys are held. Nothing takes that back, and
        saying it again, to a store that lost it, changes only what it lost. 0 if there are no ids."""
        return await self._added("revoke", key_ids)

    async def cut(self, key_ids: Iterable[str]) -> int:
        """The version from which on the requests that ran with these keys, which are revoked, are ended. Said again, it
        changes nothing. 0 if there are no ids."""
        return await self._added("cut", key_ids)

    async def _added(self, operation: str, key_ids: Iterable[str]) -> int:
        version = 0
        remaining = iter(key_ids)
        while some := list(islice(remaining, _AT_ONCE)):
            version = (await self._change(_NEVER, "", operation, *some)).version
        return version

    async def _change(self, read_at: int, tenant: str, operation: str, *arguments: str | bytes) -> _Answer:
        """Raises _Again."""
        places = (STATE, _TENANTS, _KEYS, _IDS, _REVOKED, _keys_of(tenant), _CUT)
        texts = [each.decode() if isinstance(each, bytes) else each for each in arguments]
        head = (secrets.token_hex(8), str(read_at + self._patience), CHANGES, operation)
        word, *more = await self._store.run(_CHANGE, places, (*head, *texts))
        if word in (b"differs", b"late"):
            raise _Again
        if word != b"done":
            return _Answer(word.decode())
        version, ended = more
        return _Answer("", version, tuple(key_id.decode() for key_id in ended))

    async def _now(self) -> int:
        return (await self._read("id", ()))[0]

    async def _tenant(self, name: str) -> _Found[TenantRecord]:
        read_at = await self._now()
        text = await self._store.read("HGET", _TENANTS, name)
        tenant = decode(text, TenantRecord) if text is not None else None
        if tenant is None:
            raise _missing_tenant(name)
        return _Found(tenant, text, read_at)

    async def _key(self, key_id: str) -> _Found[KeyRecord]:
        read_at, [entry] = await self._read("id", [key_id])
        held = held_key(entry)
        if held is None:
            raise _missing_key(key_id)
        return _Found(held.key, entry[0], read_at)

    async def _held(self, sort: str, names: Sequence[str]) -> list[HeldKey | None]:
        found: list[HeldKey | None] = []
        for begin in range(0, len(names), _AT_ONCE):
            _, entries = await self._read(sort, names[begin : begin + _AT_ONCE])
            found += map(held_key, entries)
        return found

    async def _read(self, sort: str, names: Sequence[str]) -> tuple[int, list[list[Any]]]:
        """The store's time in unix microseconds, and for each name what `read_keys.lua` says of it."""
        answer = await self._store.run(_READ, (_KEYS, _IDS, _TENANTS, _REVOKED), (sort, *names))
        seconds, microseconds, *entries = answer
        return int(seconds) * _SECOND + int(microseconds), entries


def _keys_of(tenant: str) -> str:
    """The ids of a tenant's keys."""
    return of_records(f"keys-of:{tenant}")


def _missing_tenant(name: str) -> NotFound:
    return NotFound(f"the store holds no tenant '{name}'")


def _missing_key(key_id: str) -> NotFound:
    return NotFound(f"the store holds no key '{key_id}'")


def _taken(key_id: str) -> AlreadyThere:
    return AlreadyThere(f"the id '{key_id}' belongs to a key already, or to one that was revoked")


def _revoked(key_id: str) -> Ended:
    return Ended(f"the key '{key_id}' is revoked: nothing of it can be changed")
