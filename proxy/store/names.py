"""The names of keys. Three families, each under one hash tag, so that a script whose keys lie in one family runs on one
node of a cluster: key records, revocations and indexes under `{segue}`; quota, leases and ledger under their tenant;
breakers and probe leases under their target (contract §9)."""

CHANGES = "segue:{segue}:changes"
"""The channel on which every change of key records is told, as the new version."""

BREAKERS = "segue:{segue}:breakers"
"""The channel on which every change of a breaker is told, by the script that makes it."""


def of_records(part: str) -> str:
    """`segue:{segue}:PART`. These keys have no TTL."""
    return f"segue:{{segue}}:{part}"


def of_tenant(tenant: str, part: str) -> str:
    """`segue:tenant:{TENANT}:PART`. Raises ValueError for a tenant without a name."""
    return f"segue:tenant:{{{_tag(tenant)}}}:{part}"


def of_target(target: str, part: str) -> str:
    """`segue:target:{TARGET}:PART`. These keys need a TTL. Raises ValueError for a target without a name."""
    return f"segue:target:{{{_tag(target)}}}:{part}"


def _tag(name: str) -> str:
    """A server hashes from the first brace to the next closing one, and the whole key when nothing stands between
    them, so names bring neither braces nor emptiness."""
    if not name:
        raise ValueError("a tenant or target without a name has no keys in the store")
    return name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
