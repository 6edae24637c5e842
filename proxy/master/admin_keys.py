"""What /admin does to keys: those of the store can be made and changed; revoked can be all of them."""

import contextlib
import re
from collections.abc import Callable

from proxy.master.admin_exchange import Answer, Asked, Refused, outage, reached
from proxy.master.admin_models import (
    ChangedKey,
    ChangeKey,
    CreatedKey,
    CreateKey,
    Ending,
    Key,
    Keys,
    Nothing,
    OfTenant,
    RevokedKey,
    RotatedKey,
    RotateKey,
)
from proxy.master.admin_views import STORE, key_of_file, key_of_store, origin_of
from proxy.master.control import Control
from proxy.runtime import snapshot
from proxy.runtime.keys import Minted, mint
from proxy.runtime.problems import listed, suggestion
from proxy.store.down import StoreDown
from proxy.store.records import HeldKey, KeyRecord, KeyRights, NotFound

_ID = re.compile(r"[0-9a-z]{8}")


class KeyActions:
    """`clock`: unix seconds."""

    def __init__(self, control: Control, clock: Callable[[], float]) -> None:
        self._control = control
        self._clock = clock

    async def show_all(self, asked: Asked[OfTenant, Nothing]) -> Answer:
        """With the store down, those of the file."""
        tenant = asked.query.tenant
        missing = []
        held: list[HeldKey] = []
        revoked = self._known_revoked()
        try:
            held = await self._control.records.list_keys(tenant)
            revoked |= await self._control.records.revoked()
        except StoreDown:
            missing = [STORE]
        of_file = self._of_file()
        shown = {
            key.id: key_of_file(self._control, key, self._clock(), key.id in revoked)
            for key in of_file.values()
            if tenant in (None, key.tenant)
        }
        shown |= {each.key.id: self._view(each, revoked) for each in held if each.key.id not in of_file}
        keys = sorted(shown.values(), key=lambda key: key.tenant)
        return Answer(Keys(keys=keys, missing=missing), is_partial=bool(missing))

    async def show(self, asked: Asked[Nothing, Nothing]) -> Answer:
        key_id = _checked(asked.name)
        in_file = self._of_file().get(key_id)
        if in_file is None:
            held = await self._control.records.read_key(key_id)
            return Answer(ChangedKey(key=self._view(held, self._known_revoked())))
        missing = []
        revoked = self._known_revoked()
        try:
            revoked |= await self._control.records.revoked()
        except StoreDown:
            missing = [STORE]
        view = key_of_file(self._control, in_file, self._clock(), key_id in revoked)
        return Answer(ChangedKey(key=view, missing=missing), is_partial=bool(missing))

    async def create(self, asked: Asked[Nothing, CreateKey]) -> Answer:
        wanted = asked.body
        self._check_models(wanted.models)
        if wanted.expires is not None and wanted.expires.timestamp() <= self._clock():
            raise Refused(400, "'expires' is in the past: the key would never work.", "expires")
        await reached(self._control)
        minted = self._mint()
        rights = KeyRights(
            models=tuple(wanted.models),
            scopes=tuple(wanted.scopes),
            expires=wanted.expires.timestamp() if wanted.expires is not None else None,
            fallback_events=wanted.fallback_events,
        )
        is_in_file = wanted.tenant in self._control.snapshot.tenants
        try:
            version, key = await self._control.records.create_key(
                minted, wanted.tenant, rights, is_tenant_in_file=is_in_file
            )
        except NotFound:
            raise Refused(404, f"Neither the configuration nor the store holds a tenant '{wanted.tenant}'.") from None
        missing = await self._control.spread(version)
        created = CreatedKey(secret=minted.key, key=self._fresh(key), missing=missing)
        return Answer(created, key.id, bool(missing), {"tenant": key.tenant})

    async def change(self, asked: Asked[Nothing, ChangeKey]) -> Answer:
        key_id = self._changeable(asked.name)
        wanted = asked.body
        given = wanted.model_fields_set
        if not given:
            raise Refused(400, f"There is nothing to change. Send some of {listed(ChangeKey.model_fields)}.")
        rights = KeyRights()
        if "models" in given:
            self._check_models(wanted.models)
            rights["models"] = tuple(wanted.models)
        if "scopes" in given:
            rights["scopes"] = tuple(wanted.scopes)
        if "expires" in given:
            rights["expires"] = wanted.expires.timestamp() if wanted.expires is not None else None
        if "fallback_events" in given:
            rights["fallback_events"] = wanted.fallback_events
        await reached(self._control)
        version, key = await self._control.records.change_key(key_id, rights)
        missing = await self._control.spread(version)
        return Answer(ChangedKey(key=self._fresh(key), missing=missing), is_partial=bool(missing))

    async def rotate(self, asked: Asked[Nothing, RotateKey]) -> Answer:
        key_id = self._changeable(asked.name)
        await reached(self._control)
        minted = self._mint()
        rotation = await self._control.records.rotate_key(key_id, minted, asked.body.overlap_seconds)
        missing = await self._control.spread(rotation.version)
        rotated = RotatedKey(
            secret=minted.key,
            key=self._fresh(rotation.successor),
            predecessor=self._fresh(rotation.old),
            missing=missing,
        )
        return Answer(rotated, is_partial=bool(missing), details={"successor": minted.id})

    async def revoke(self, asked: Asked[Ending, Nothing]) -> Answer:
        """Wherever it is held, and for good: the store or the list outside it must be able to keep it."""
        key_id = _checked(asked.name)
        await self._check_known(key_id)
        not_kept = self._control.status().store.not_kept
        is_listed = True
        try:
            self._control.revocations.add([key_id])
        except OSError:
            # Where the store keeps it, the list need not; it tells /readyz itself what is wrong.
            is_listed = False
            if not_kept:
                raise Refused(503, self._nowhere_to_keep(not_kept)) from None
        try:
            version = await self._control.records.revoke([key_id])
        except StoreDown as down:
            if not is_listed:
                raise Refused(503, f"{outage(down)} Whether the key is revoked is not clear; repeat it.") from None
            await self._control.enforce([key_id])
            words = "This instance refuses the key from now on; the others, once the store can be told."
            raise Refused(503, f"{outage(down)} {words}") from None
        missing = await self._control.spread(version, [key_id])
        if asked.query.terminate:
            missing += await self._control.cut([key_id])
        missing = sorted(set(missing))
        return Answer(RevokedKey(id=key_id, missing=missing), is_partial=bool(missing))

    async def _check_known(self, key_id: str) -> None:
        """Raises Refused: there is no such key, or the store cannot say."""
        await reached(self._control)
        if key_id in self._of_file() or key_id in self._known_revoked():
            return
        with contextlib.suppress(NotFound):
            await self._control.records.read_key(key_id)
            return
        if key_id not in await self._control.records.revoked():
            raise Refused(404, f"Neither the configuration nor the store holds a key '{key_id}'.")

    def _nowhere_to_keep(self, not_kept: str) -> str:
        problem = self._control.revocations.problem
        return (
            f"The revocation could not be kept, so nothing was changed: the store keeps nothing ({not_kept}), and the "
            f"list outside it cannot be written ({problem}). Name a writable store.directory, or a store of your own, "
            "and restart; until then a key of the store can be made to expire, and one of the file be taken out of it."
        )

    def _changeable(self, name: str) -> str:
        """The id, if the key is not in the file. Raises Refused."""
        key_id = _checked(name)
        if key_id in self._of_file():
            raise Refused(409, f"{origin_of(self._control, 'key', key_id)} Here it can only be revoked.")
        return key_id

    def _of_file(self) -> dict[str, snapshot.Key]:
        """By id."""
        return {key.id: key for key in self._control.snapshot.keys.values()}

    def _known_revoked(self) -> set[str]:
        """Without asking the store."""
        return {*self._control.revocations.ids, *self._control.revoked}

    def _mint(self) -> Minted:
        """Its id is none of the file's: of two keys with one id, the file's would win."""
        taken = self._of_file()
        while (minted := mint(self._control.snapshot.pepper)).id in taken:
            pass
        return minted

    def _check_models(self, models: list[str]) -> None:
        """Raises Refused for what matches no route: that is a slip of the pen."""
        routes = self._control.snapshot.routes
        for index, pattern in enumerate(models):
            is_prefix = pattern.endswith("*")
            if not any(name.startswith(pattern[:-1]) if is_prefix else name == pattern for name in routes):
                remedy = suggestion(pattern, routes, f"use some of: {listed(sorted(routes))}")
                raise Refused(400, f"'models[{index}]' matches no route; {remedy}", f"models[{index}]")

    def _view(self, held: HeldKey, revoked: set[str]) -> Key:
        has_tenant = held.tenant is not None or held.key.tenant in self._control.snapshot.tenants
        is_revoked = held.is_revoked or held.key.id in revoked
        return key_of_store(held.key, self._clock(), is_revoked=is_revoked, has_tenant=has_tenant)

    def _fresh(self, key: KeyRecord) -> Key:
        """Of one just changed: it is not revoked, and had a tenant."""
        return key_of_store(key, self._clock())


def _checked(name: str) -> str:
    """An id. Whatever else it is, it is not repeated: people paste keys."""
    if not _ID.fullmatch(name):
        raise Refused(404, "That is no key's id: those have eight characters of 0-9 and a-z, between the key's dashes.")
    return name
