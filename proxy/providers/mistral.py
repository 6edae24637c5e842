"""Mistral: chat with its own ideas about ids, seeds and reasoning, and a stateless responses endpoint."""

from string import ascii_letters, digits

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Parameters: mistralai 3.7.0, client/models/chatcompletionrequest.py; members it does not list are refused with a 422.
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
    # Some models and self-hosted templates refuse anything but nine alphanumerics
    # (https://github.com/pydantic/pydantic-ai/issues/9096).
    call_id_length=9,
    call_id_alphabet=ascii_letters + digits,
    stream_usage="always",  # no stream_options; the last chunk carries usage
    max_tokens_parameter="max_tokens",
    system_role="system",
    required_tool_choice="any",
    # "temperature outside 0 to 1 range" is the error glossary's example of a 400.
    temperature_maximum=1.0,
    stop_maximum=None,
)

# client/models/createresponserequest.py: store and background may only be false, top_logprobs only 0.
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
    temperature_maximum=1.0,
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
        "https://docs.mistral.ai/api",
        "https://docs.mistral.ai/resources/error-glossary.md",
        "https://github.com/mistralai/client-python",
    ),
)
