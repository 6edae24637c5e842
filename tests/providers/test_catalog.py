"""The catalog is complete and its facts are well-formed."""

import pkgutil
from urllib.parse import urlsplit

import pytest

import proxy.providers
from proxy.providers.catalog import PROVIDERS
from proxy.providers.provider import Auth, Operation, Provider
from proxy.wire.parameters import NAMES
from proxy.wire.quirks import STANDARD

MACHINERY = {"provider", "catalog", "phrases", "refusals", "models", "beta"}
VOCABULARIES = {"responses", "chat", "messages"}
FROM_CONFIGURATION = {"azure", "compatible"}

each_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=list(PROVIDERS))


def test_every_module_is_listed():
    modules = {module.name for module in pkgutil.iter_modules(proxy.providers.__path__)}
    assert modules - MACHINERY == set(PROVIDERS)


def test_the_catalog_cannot_be_changed():
    with pytest.raises(TypeError):
        PROVIDERS["new"] = PROVIDERS["openai"]  # type: ignore[index]


@each_provider
def test_addresses(provider: Provider):
    if provider.name in FROM_CONFIGURATION:
        assert provider.base_url is None
        return
    assert provider.base_url is not None
    address = urlsplit(provider.base_url)
    assert address.hostname
    assert not address.query
    assert not provider.base_url.endswith("/")
    if provider.is_local:
        assert (address.scheme, address.hostname) == ("http", "localhost")
    else:
        assert (address.scheme, address.port) == ("https", None)


@each_provider
def test_endpoints(provider: Provider):
    assert provider.endpoints
    assert set(provider.vocabularies) <= VOCABULARIES
    assert len(set(provider.vocabularies)) == len(provider.endpoints)
    assert provider.endpoint() is provider.endpoints[0]
    assert provider.endpoint("domain") is None
    for endpoint in provider.endpoints:
        assert provider.endpoint(endpoint.vocabulary) is endpoint
    paths = [endpoint.path for endpoint in provider.endpoints] + list(provider.operations().values())
    assert all(path.startswith("/") and not path.endswith("/") for path in paths)


@each_provider
def test_counting_is_offered_only_beside_its_vocabulary(provider: Provider):
    if Operation.COUNT_TOKENS in provider.operations():
        assert "messages" in provider.vocabularies
    if Operation.INPUT_TOKENS in provider.operations():
        assert "responses" in provider.vocabularies


@each_provider
def test_quirks(provider: Provider):
    for endpoint in provider.endpoints:
        quirks = endpoint.quirks
        assert quirks.drop_parameters <= NAMES
        assert (quirks.call_id_length is None) == (quirks.call_id_alphabet is None)
        assert quirks.temperature_maximum > 0
        assert quirks.usage_path
        hash(endpoint)


@each_provider
def test_headers_and_sources(provider: Provider):
    assert all(name == name.lower() and value for name, value in provider.headers)
    assert all(urlsplit(page).scheme == "https" for page in provider.documentation)
    if provider.name != "compatible":
        assert provider.documentation


@each_provider
def test_a_key_in_the_environment_is_enough_for_a_hosted_provider(provider: Provider):
    if provider.base_url is not None and not provider.is_local:
        assert provider.environment_key
        assert 1 <= len(provider.default_models) <= 2
    else:
        assert provider.default_models == ()


def test_environment_keys_are_unique():
    keys = [provider.environment_key for provider in PROVIDERS.values() if provider.environment_key]
    assert len(keys) == len(set(keys))


def test_the_official_vocabularies_have_no_quirks_at_home():
    for endpoint in PROVIDERS["openai"].endpoints:
        assert endpoint.quirks == STANDARD


def test_authentication():
    assert Auth.BEARER.headers("sk-fake") == {"authorization": "Bearer sk-fake"}
    assert Auth.X_API_KEY.headers("sk-fake") == {"x-api-key": "sk-fake"}
    assert Auth.API_KEY.headers("sk-fake") == {"api-key": "sk-fake"}
    assert Auth.NONE.headers("sk-fake") == {}
    assert Auth.BEARER.headers(None) == Auth.BEARER.headers("") == {}
