"""Facts about models are found by prefix, and only where they belong."""

import pytest

from proxy.providers.catalog import PROVIDERS
from proxy.providers.models import MODELS, SAMPLING_PARAMETERS, model_facts, quirks_of
from proxy.wire.parameters import NAMES
from proxy.wire.quirks import STANDARD


def test_prefixes_are_unique_and_lower_case():
    prefixes = [model.prefix for model in MODELS]
    assert len(prefixes) == len(set(prefixes))
    assert all(prefix == prefix.lower() for prefix in prefixes)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("gpt-5", "gpt-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5"),
        ("gpt-5-chat-latest", "gpt-5-chat"),
        ("gpt-5.4-mini-2026-03-17", "gpt-5.4-mini"),
        ("gpt-5.6-luna", "gpt-5.6"),
        ("gpt-5.4-pro-2026-03-05", "gpt-5.4-pro"),
        ("gpt-5.1-chat-latest", "gpt-5.1-chat"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5-20260701", "claude-opus-5"),
        ("claude-opus-4-5@20251101", "claude-opus-4-5"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("accounts/fireworks/models/kimi-k3", "kimi-k3"),
        ("gpt-oss-20b:free", "gpt-oss-20b"),
    ],
)
def test_known_models(name: str, prefix: str):
    facts = model_facts(name)
    assert facts is not None
    assert facts.prefix == prefix


@pytest.mark.parametrize("name", ["", "gpt-5.9", "gpt-50", "o1x", "my-gpt-5", "claude-opus", "llama3.2", "gpt-5/other"])
def test_unknown_models(name: str):
    assert model_facts(name) is None


def test_prefill_is_accepted_only_where_it_was_measured():
    assert {model.prefix for model in MODELS if model.accepts_prefill} == {
        "claude-opus-4-5",
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
    }


def test_f07_who_refuses_a_prefill_is_never_given_one():
    """Whatever the endpoint does for other models; and without a word about the model the endpoint's own holds."""
    vllm = PROVIDERS["vllm"].endpoints[0].quirks
    assert vllm.prefill == "continue_final_message"
    for name in ("claude-opus-4-6", "claude-sonnet-5-5", "claude-haiku-5-5", "openai/gpt-oss-120b"):
        assert quirks_of(name, vllm).prefill is None
    assert quirks_of("mistral-large-4", vllm).prefill == "continue_final_message"
    assert quirks_of("claude-haiku-4-5", vllm).prefill == "continue_final_message"
    assert quirks_of("claude-haiku-4-5-20251001", STANDARD).prefill == "plain"
    assert quirks_of("claude-2", PROVIDERS["anthropic"].endpoints[0].quirks).prefill is None


def test_a_prefill_is_the_exception():
    """Each of these has its source beside it; everybody else is not known to go on with an answer."""
    assert {
        (provider.name, endpoint.vocabulary): endpoint.quirks.prefill
        for provider in PROVIDERS.values()
        for endpoint in provider.endpoints
        if endpoint.quirks.prefill is not None
    } == {
        ("deepseek", "chat"): "prefix",
        ("groq", "chat"): "plain",
        ("mistral", "chat"): "prefix",
        ("vllm", "chat"): "continue_final_message",
    }


def test_numbers_are_plausible():
    for model in MODELS:
        if model.context_window is not None and model.max_output is not None:
            assert 0 < model.max_output <= model.context_window


def test_sampling_settings_are_dropped_where_they_are_refused():
    assert quirks_of("claude-opus-5-5", STANDARD).drop_parameters == SAMPLING_PARAMETERS
    cerebras = PROVIDERS["cerebras"].endpoints[0].quirks
    assert quirks_of("openai/gpt-oss-120b", cerebras) is cerebras
    assert quirks_of("some-model", STANDARD) is STANDARD
    assert SAMPLING_PARAMETERS <= NAMES


def test_a_tool_cannot_be_demanded_where_that_is_refused():
    assert quirks_of("claude-sonnet-5-5", STANDARD).required_tool_choice is None
    assert quirks_of("claude-sonnet-5", STANDARD).required_tool_choice == "required"


def test_default_models_of_the_two_homes_are_known():
    for name in ("openai", "anthropic"):
        assert all(model_facts(model) for model in PROVIDERS[name].default_models)


def test_how_thinking_is_turned_off_and_which_efforts_there_are():
    assert quirks_of("claude-sonnet-5-5", STANDARD).thinking_off == "between_tools"
    assert quirks_of("claude-opus-5-5", STANDARD).thinking_off == "never"
    assert quirks_of("claude-haiku-4-5", STANDARD).thinking_off == "disabled"
    assert quirks_of("claude-opus-4-6", STANDARD).efforts == ("low", "medium", "high", "max")
    assert quirks_of("gpt-5.1", STANDARD).efforts == ("none", "low", "medium", "high")
    assert quirks_of("gpt-5-mini", STANDARD).efforts == ("minimal", "low", "medium", "high")
    assert quirks_of("gpt-5.2", STANDARD).efforts is None
