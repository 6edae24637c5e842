"""Routes out of the provider keys in the environment."""

import pytest

from proxy.canonical.origin import Origins
from proxy.providers.catalog import PROVIDERS
from proxy.runtime import keys
from proxy.runtime.environment import Discovered, configuration_from_environment
from proxy.runtime.problems import ConfigurationError

BOTH = {"OPENAI_API_KEY": "sk-openai", "ANTHROPIC_API_KEY": "sk-anthropic"}


def discover(environment: dict[str, str]) -> Discovered:
    return configuration_from_environment(environment)


def chains(found: Discovered) -> dict[str, list[str]]:
    return {
        name: [target.name for target in route.candidates]
        for name, route in found.configuration.snapshot.routes.items()
    }


def test_a_route_for_each_model_and_two_chains():
    openai, anthropic = (PROVIDERS[name].default_models for name in ("openai", "anthropic"))
    found = discover(BOTH)
    assert found.sources == ("openai", "anthropic")
    assert chains(found) == {
        "default": [f"openai/{openai[0]}", f"anthropic/{anthropic[0]}"],
        "fast": [f"openai/{openai[1]}", f"anthropic/{anthropic[1]}"],
        **{model: [f"openai/{model}"] for model in openai},
        **{model: [f"anthropic/{model}"] for model in anthropic},
    }


def test_the_printed_key_opens_every_route():
    found = discover(BOTH)
    snapshot = found.configuration.snapshot
    key = snapshot.find_key(keys.digest(snapshot.pepper, found.key))
    assert key is not None
    assert all(key.may_use(route) for route in snapshot.routes)


def test_one_model_at_two_providers_is_one_chain():
    found = discover({"GROQ_API_KEY": "a", "TOGETHER_API_KEY": "b", "GROQ_MODELS": "m, x", "TOGETHER_MODELS": "m"})
    assert chains(found)["m"] == ["groq/m", "together/m"]
    assert chains(found)["fast"] == ["groq/x", "together/m"]


def test_servers_of_ones_own_count_when_their_models_are_named():
    found = discover({"OLLAMA_MODELS": "qwen3:8b", "COMPATIBLE_MODELS": "c", "COMPATIBLE_BASE_URL": "http://h:1/v1"})
    assert found.sources == ("ollama", "compatible")
    [local] = found.configuration.snapshot.routes["qwen3:8b"].candidates
    assert (local.base_url, local.headers) == ("http://localhost:11434/v1", ())
    assert found.configuration.snapshot.routes["c"].candidates[0].base_url == "http://h:1/v1"


def test_an_address_for_clients_is_not_taken_for_the_providers():
    found = discover({**BOTH, "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1", "COMPATIBLE_MODELS": "no-address"})
    assert found.sources == ("openai", "anthropic")
    assert found.configuration.snapshot.routes["default"].candidates[0].base_url == PROVIDERS["openai"].base_url


def test_a_given_secret_is_used():
    tag = discover({**BOTH, "SEGUE_SECRET": "a secret for tests only"}).configuration.snapshot.origins.tag(
        "o", "encrypted", "x"
    )
    assert Origins(b"a secret for tests only").read(tag) is not None


def test_nothing_found_names_the_variables():
    with pytest.raises(ConfigurationError) as raised:
        discover({"OPENAI_API_KEY": "  "})
    assert "OPENAI_API_KEY" in str(raised.value)
    assert "segue demo" in str(raised.value)


def test_a_bad_key_is_named_not_shown():
    with pytest.raises(ConfigurationError) as raised:
        discover({"OPENAI_API_KEY": "sk two"})
    assert "providers.openai.api_key" in str(raised.value)
    assert "sk two" not in str(raised.value)
