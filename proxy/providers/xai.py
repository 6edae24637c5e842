"""xAI: responses is the recommended vocabulary, chat is deprecated there."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# "Not supported, maintained for compatibility": the request body in the REST reference.
_RESPONSES = Quirks(drop_parameters=frozenset({"service_tier"}), system_role="system")

# The three are refused by reasoning models, which all current ones are (docs/guides/reasoning).
_CHAT = Quirks(
    drop_parameters=frozenset({"presence_penalty", "frequency_penalty", "stop", "service_tier"}),
    system_role="system",
)

XAI = Provider(
    name="xai",
    base_url="https://api.x.ai/v1",
    environment_key="XAI_API_KEY",
    default_models=("grok-4.7", "grok-4.3"),
    endpoints=(
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("chat", "/chat/completions", _CHAT),
    ),
    documentation=(
        "https://docs.x.ai/developers/rest-api-reference/inference",
        "https://docs.x.ai/developers/model-capabilities/text/comparison.md",
        "https://docs.x.ai/developers/model-capabilities/text/reasoning",
    ),
)
