"""What /admin does to tenants: those of the file are shown, those of the store can be made, changed and deleted."""

import contextlib

from proxy.master.admin_exchange import Answer, Asked, Refused, reached
from proxy.master.admin_models import (
    ChangedTenant,
    ChangeTenant,
    CreateTenant,
    DeletedTenant,
    Ending,
    Nothing,
    Tenant,
    Tenants,
)
from proxy.master.admin_views import STORE, origin_of, tenant_of_file, tenant_of_store
from proxy.master.control import Control
from proxy.store.down import StoreDown
from proxy.store.records import TenantRecord


class TenantActions:
    def __init__(self, control: Control) -> None:
        self._control = control

    async def show_all(self, asked: Asked[Nothing, Nothing]) -> Answer:
        """With the store down, those of the file."""
        missing = []
        held: list[TenantRecord] = []
        try:
            held = await self._control.records.list_tenants()
        except StoreDown:
            missing = [STORE]
        shown = self._of_file()
        shown |= {tenant.name: tenant_of_store(tenant) for tenant in held if tenant.name not in shown}
        tenants = sorted(shown.values(), key=lambda tenant: tenant.name)
        return Answer(Tenants(tenants=tenants, missing=missing), is_partial=bool(missing))

    async def show(self, asked: Asked[Nothing, Nothing]) -> Answer:
        tenant = self._of_file().get(asked.name) or tenant_of_store(await self._control.records.read_tenant(asked.name))
        return Answer(ChangedTenant(tenant=tenant))

    async def create(self, asked: Asked[Nothing, CreateTenant]) -> Answer:
        self._refuse_held(asked.body.name)
        await reached(self._control)
        version, tenant = await self._control.records.create_tenant(asked.body.name, asked.body.fallback_events)
        return await self._changed(version, tenant)

    async def change(self, asked: Asked[Nothing, ChangeTenant]) -> Answer:
        self._refuse_held(asked.name)
        await reached(self._control)
        version, tenant = await self._control.records.change_tenant(asked.name, asked.body.fallback_events)
        return await self._changed(version, tenant)

    async def delete(self, asked: Asked[Ending, Nothing]) -> Answer:
        """Its keys are revoked."""
        self._refuse_held(asked.name)
        await reached(self._control)
        end = await self._control.records.delete_tenant(asked.name)
        with contextlib.suppress(OSError):  # the records went with the revocations; the list itself tells /readyz
            self._control.revocations.add(end.keys)
        missing = await self._control.spread(end.version, end.keys)
        if asked.query.terminate:
            missing += await self._control.cut(end.keys)
        missing = sorted(set(missing))
        deleted = DeletedTenant(name=asked.name, revoked=list(end.keys), missing=missing)
        return Answer(deleted, is_partial=bool(missing))

    async def _changed(self, version: int, record: TenantRecord) -> Answer:
        missing = await self._control.spread(version)
        changed = ChangedTenant(tenant=tenant_of_store(record), missing=missing)
        return Answer(changed, record.name, is_partial=bool(missing))

    def _of_file(self) -> dict[str, Tenant]:
        return {name: tenant_of_file(self._control, name) for name in self._control.snapshot.tenants}

    def _refuse_held(self, name: str) -> None:
        if name in self._control.snapshot.tenants:
            raise Refused(409, origin_of(self._control, "tenant", name))
