"""Fireworks: open models behind chat, responses and messages."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Members absent from fireworks-ai 1.2.28, types/chat/completion_create_params.py.
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
    stream_usage="always",  # "usage stats are returned on streaming responses too, in the final chunk"
    max_tokens_parameter="max_tokens",
    system_role="system",
)

FIREWORKS = Provider(
    name="fireworks",
    base_url="https://api.fireworks.ai/inference/v1",
    environment_key="FIREWORKS_API_KEY",
    default_models=("accounts/fireworks/models/kimi-k3", "accounts/fireworks/models/gpt-oss-120b"),
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
        "https://docs.fireworks.ai/api-reference/post-responses",
    ),
)
