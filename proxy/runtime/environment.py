"""Routes without a file: from whatever provider keys are in the environment."""

import secrets
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import SecretStr

from proxy.providers.catalog import PROVIDERS
from proxy.providers.provider import Provider
from proxy.runtime import keys
from proxy.runtime.build import Configuration, build_snapshot
from proxy.runtime.problems import ConfigurationError, Problem
from proxy.runtime.spec import KeySpec, Spec, TenantSpec
from proxy.runtime.spec_routes import CandidateSpec, RouteSpec
from proxy.runtime.spec_upstreams import ProviderSpec

SECRET_VARIABLE = "SEGUE_SECRET"
TENANT = "local"


class Discovered(NamedTuple):
    """`key`: the tenant key made for this run, told to nobody else. `sources`: the providers found."""

    configuration: Configuration
    key: str
    sources: tuple[str, ...]


class _Found(NamedTuple):
    """A provider that can be asked; its models begin with the strongest and end with the quickest."""

    provider: Provider
    spec: ProviderSpec
    models: tuple[str, ...]


def configuration_from_environment(environment: Mapping[str, str]) -> Discovered:
    """A route for each model of each provider found, and the chains `default` (the strongest of each) and `fast` (the
    quickest of each). Raises ConfigurationError, also when nothing is found.

    Of a public provider its key is enough. `NAME_MODELS=a,b` replaces its models; where the models (and perhaps the
    address, `NAME_BASE_URL`) are the operator's own, it is what makes the provider count.
    """
    found = [each for provider in PROVIDERS.values() if (each := _find(provider, environment)) is not None]
    if not found:
        raise ConfigurationError([_nothing_found()])
    secret = environment.get(SECRET_VARIABLE) or secrets.token_hex(16)
    minted = keys.mint(secret.encode())
    spec = Spec(
        secret=SecretStr(secret),
        providers={each.provider.name: each.spec for each in found},
        routes=_routes(found),
        tenants={TENANT: TenantSpec(keys=[KeySpec(id=minted.id, hash=minted.digest)])},
    )
    sources = tuple(each.provider.name for each in found)
    return Discovered(Configuration(spec, build_snapshot(spec)), minted.key, sources)


def _find(provider: Provider, environment: Mapping[str, str]) -> _Found | None:
    prefix = provider.name.upper()
    key = environment.get(provider.environment_key or "", "").strip()
    named = tuple(filter(None, (model.strip() for model in environment.get(f"{prefix}_MODELS", "").split(","))))
    if provider.default_models:
        # Its address is known. That of the variable NAME_BASE_URL may be our own: official clients read it too.
        if not key:
            return None
        return _Found(provider, ProviderSpec(api_key=SecretStr(key)), named or provider.default_models)
    base_url = environment.get(f"{prefix}_BASE_URL") or provider.base_url
    if not named or base_url is None:
        return None
    return _Found(provider, ProviderSpec(api_key=SecretStr(key) if key else None, base_url=base_url), named)


def _routes(found: list[_Found]) -> dict[str, RouteSpec]:
    chains: dict[str, list[tuple[_Found, str]]] = {
        "default": [(each, each.models[0]) for each in found],
        "fast": [(each, each.models[-1]) for each in found],
    }
    for each in found:
        for model in each.models:
            chains.setdefault(model, []).append((each, model))
    return {name: RouteSpec(candidates=[*_candidates(chain)]) for name, chain in chains.items()}


def _candidates(chain: Iterable[tuple[_Found, str]]) -> list[CandidateSpec]:
    distinct = dict.fromkeys((each.provider.name, model) for each, model in chain)
    return [CandidateSpec(provider=provider, model=model) for provider, model in distinct]


def _nothing_found() -> Problem:
    variables = [p.environment_key for p in PROVIDERS.values() if p.default_models and p.environment_key]
    local = next(provider.name.upper() for provider in PROVIDERS.values() if provider.is_local)
    return Problem(
        (),
        None,
        "no provider key in the environment",
        f"set one of {', '.join(variables)}; for your own server {local}_MODELS (and {local}_BASE_URL) or its like; "
        "or serve a file with -c FILE, or try 'segue demo'",
    )
