"""Mistral: chat with its own ideas about ids, seeds and reasoning, and a stateless responses endpoint."""

from string import ascii_letters, digits

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Parameters: mistralai 3.7.0, client/models/chatcompletionrequest.py; members it does not list are refused with a 422
# (extra_forbidden: mistralai/platform-docs-public issue 7).
# Reasoning comes as parts of type "thinking" inside a list-valued content (client/models/thinkchunk.py).
_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            "logit_bias",
            "seed",  # its own is called random_seed
            "user",
            "store",
            "audio",
            "modalities",
            "prompt_cache_retention",
            "safety_identifier",
            "verbosity",
            "web_search_options",
        }
    ),
    # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9" (nearai/ironclaw issue 1241).
    call_id_length=9,
    call_id_alphabet=ascii_letters + digits,
    stream_usage="always",  # no stream_options; the last chunk carries usage
    max_tokens_parameter="max_tokens",
    system_role="system",
    required_tool_choice="any",
    temperature_maximum=1.5,  # ChatCompletionRequest in mistralai/platform-docs-public, openapi.yaml
    stop_maximum=None,
    # Without the mark: "Expected last role User or Tool (or Assistant with prefix True)" (QuantumNous/new-api issue
    # 2858). The text comes back at the head of the answer (SillyTavern issue 2557, vercel/ai pull 3256).
    prefill="prefix",
    prefill_echoed=True,
)

# client/models/createresponserequest.py: store and background may only be false, top_logprobs only 0, truncation only
# "disabled"; the other members here are not in it.
_RESPONSES = Quirks(
    drop_parameters=frozenset(
        {
            "include",
            "safety_identifier",
            "service_tier",
            "prompt_cache_retention",
            "user",
            "top_logprobs",
            "truncation",
            "context_management",
        }
    ),
    system_role="system",
    temperature_maximum=1.0,  # the error glossary's example of a 400: "temperature outside 0 to 1 range"
)

MISTRAL = Provider(
    name="mistral",
    base_url="https://api.mistral.ai/v1",
    environment_key="MISTRAL_API_KEY",
    default_models=("mistral-large-latest", "mistral-small-latest"),
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
    ),
    embeddings_path="/embeddings",
    input_tokens_path="/responses/input_tokens",
    documentation=(
        # openapi.yaml and public/resources/error-glossary.md.
        "https://github.com/mistralai/platform-docs-public",
        # Base URL, key variable and paths: mistralai 3.7.0.
        "https://github.com/mistralai/client-python",
    ),
)
