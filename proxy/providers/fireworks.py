"""Fireworks: open models behind chat, responses and messages."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Members absent from fireworks-ai 1.2.30, types/chat/completion_create_params.py; so is stream_options.
_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            "audio",
            "modalities",
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "verbosity",
            "web_search_options",
        }
    ),
    accepts_reasoning_history=True,  # reasoning_content in types/shared/chat_message.py
    # "Usage stats are returned on streaming responses too, in the final chunk": Fireworks' documentation, as
    # developersdigest.tech/reference/api-compatibility/fireworks renders it.
    stream_usage="always",
    max_tokens_parameter="max_tokens",  # the newer name is an alias of it
    system_role="system",  # "one of system, user, or assistant": types/shared_params/chat_message.py
)

FIREWORKS = Provider(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    environment_key="FIREWORKS_API_KEY",
    default_models=(
        "accounts/fireworks/models/kimi-k3",
        "accounts/fireworks/models/gpt-oss-120b",
    ),  # genai-prices 0.2.3
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", Quirks(system_role="system")),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
    documentation=(
        "https://docs.fireworks.ai/tools-sdks/openai-compatibility",
        "https://docs.fireworks.ai/tools-sdks/anthropic-compatibility.md",
        "https://docs.fireworks.ai/guides/response-api",
        # Embeddings are not in the SDK: the list of operations of a gateway in front of it.
        "https://docs.getbifrost.ai/providers/supported-providers/fireworks",
    ),
)
