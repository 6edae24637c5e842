"""OpenRouter: many providers behind one address, in all three vocabularies."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# What a model does not know, the router leaves out by itself, so nothing is dropped here. Silence is filled with
# comments (": OPENROUTER PROCESSING"), and an error after the first byte comes inside a 200.
_CHAT = Quirks(
    reasoning_field="reasoning",
    accepts_reasoning_history=True,
    max_tokens_parameter="max_tokens",  # the only name its reference lists
    system_role="system",
)

# Stateless: store true and previous_response_id are refused (api_reference/responses/error-handling).
_RESPONSES = Quirks(system_role="system")

OPENROUTER = Provider(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    environment_key="OPENROUTER_API_KEY",
    default_models=("openrouter/auto",),  # lets the router choose
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    documentation=(
        "https://openrouter.ai/docs/api/api-reference/chat/create-a-chat-completion",
        "https://openrouter.ai/docs/api_reference/responses/error-handling",
        "https://openrouter.ai/docs/guides/community/anthropic-agent-sdk",
        "https://openrouter.ai/docs/api/reference/errors-and-debugging.md",
    ),
)
