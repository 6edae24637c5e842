"""xAI: responses is "the preferred way of interacting with our models", chat is kept beside it."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Of the tiers only "default" and "priority" exist (xai-sdk 1.21.0, service_tier.py, over gRPC); whether REST takes the
# member was not found.
_RESPONSES = Quirks(drop_parameters=frozenset({"service_tier"}), system_role="system")

# "presencePenalty, frequencyPenalty and stop parameters are not supported by reasoning models. Adding them in the
# request would result in an error" (docs.x.ai's reasoning guide, read as copies in public repositories).
_CHAT = Quirks(
    drop_parameters=frozenset({"presence_penalty", "frequency_penalty", "stop", "service_tier"}),
    system_role="system",
)

XAI = Provider(
    name="xai",
    base_url="https://api.x.ai/v1",
    environment_key="XAI_API_KEY",
    default_models=("grok-4.7", "grok-4.3"),  # genai-prices 0.2.3
    endpoints=(
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("chat", "/chat/completions", _CHAT),
    ),
    documentation=(
        "https://docs.x.ai/developers/model-capabilities/text/generate-text",
        "https://docs.x.ai/developers/rest-api-reference/inference",
        # Its messages and completions endpoints, left out here, are deprecated or legacy.
        "https://docs.x.ai/developers/rest-api-reference/inference/legacy",
    ),
)
