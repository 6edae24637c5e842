"""Keys for tests of where keys are kept."""

from proxy.runtime import keys
from proxy.runtime.keys import Minted
from proxy.store.key_records import KeyRecords
from proxy.store.records import HeldKey

PEPPER = b"obviously fake pepper"


async def made(records: KeyRecords, tenant: str = "acme") -> Minted:
    """A key of a tenant that is made if need be."""
    if tenant not in {known.name for known in await records.list_tenants()}:
        await records.create_tenant(tenant)
    minted = keys.mint(PEPPER)
    await records.create_key(minted, tenant, {})
    return minted


async def held(records: KeyRecords, minted: Minted) -> HeldKey | None:
    [found] = await records.find_keys([minted.digest])
    return found
