"""From what the file says of tenants: which keys open which routes."""

import re

from proxy.runtime import keys
from proxy.runtime.problems import Path, Problems, listed, suggestion
from proxy.runtime.snapshot import AdminKey, Key
from proxy.runtime.spec import KeySpec, OperationsSpec, Spec, TenantSpec

_ID = re.compile(r"[0-9a-z]{8}\Z")
_HASH = re.compile(r"[0-9a-f]{64}\Z")


def granted_keys(spec: Spec, problems: Problems) -> dict[str, Key]:
    """The keys of all tenants by digest. There may be none: tenants and keys can also be made while it runs."""
    granted: dict[str, Key] = {}
    seen: dict[str, Path] = {}
    routes = {*spec.routes, *problems.doubtful_names("routes")}
    for tenant, tenant_spec in spec.tenants.items():
        for index, key in enumerate(tenant_spec.keys):
            path: Path = ("tenants", tenant, "keys", index)
            _check_form(key.id, key.hash, path, problems)
            for what, value in (("id", key.id), ("hash", key.hash.lower())):
                first = seen.setdefault(f"{what}:{value}", path)
                if first != path:
                    problems.add(
                        (*path, what),
                        f"this {what} is also in {first[1]}'s keys",
                        "give every key its own: segue keys new",
                    )
            _check_models(key, routes, path, problems)
            granted[key.hash.lower()] = _key(key, tenant, tenant_spec)
    return granted


def _key(key: KeySpec, tenant: str, spec: TenantSpec) -> Key:
    return Key(
        id=key.id,
        tenant=tenant,
        digest=key.hash.lower(),
        models=tuple(key.models),
        scopes=tuple(key.scopes),
        expires=key.expires_at,
        fallback_events=key.fallback_events or spec.fallback_events,
    )


def admin_keys(spec: OperationsSpec, problems: Problems) -> dict[str, AdminKey]:
    """Those who may use /admin, by digest."""
    granted: dict[str, AdminKey] = {}
    for index, key in enumerate(spec.admin_keys):
        path: Path = ("operations", "admin_keys", index)
        _check_form(key.id, key.hash, path, problems)
        if any(key.id == other.id for other in granted.values()) or key.hash.lower() in granted:
            problems.add(path, "this admin key is in the list twice", "remove one: make others with 'segue keys new'")
        granted[key.hash.lower()] = AdminKey(key.id, key.hash.lower())
    return granted


def _check_form(key_id: str, digest: str, path: Path, problems: Problems) -> None:
    """Never repeats what was written: it may be a key."""
    if keys.parse(digest.strip()) is not None or digest.startswith("sg-"):
        problems.add(
            (*path, "hash"),
            "this is a key, not its hash",
            "replace it by what 'segue keys hash' prints, and treat the key as leaked",
        )
    elif not _HASH.match(digest.lower()):
        problems.add((*path, "hash"), "a hash has 64 hexadecimal digits", "copy what 'segue keys hash' prints")
    if not _ID.match(key_id):
        problems.add(
            (*path, "id"),
            "an id has eight characters of 0-9 and a-z",
            "copy it from the key: what stands between its dashes",
        )


def _check_models(key: KeySpec, routes: set[str], path: Path, problems: Problems) -> None:
    for index, pattern in enumerate(key.models):
        matches = any(name.startswith(pattern[:-1]) for name in routes) if pattern.endswith("*") else pattern in routes
        if not matches and not problems.doubts(("routes", pattern)):
            problems.add(
                (*path, "models", index),
                f"no route matches '{pattern}'",
                suggestion(pattern, routes, f"use one of: {listed(sorted(routes))}"),
            )
