"""OpenRouter: many providers behind one address, in all three vocabularies."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# What a model does not know, the router ignores by itself (api_reference/overview), so nothing is dropped here. An
# error after the first byte comes inside a 200 (api_reference/errors-and-debugging). Of both names of the output limit
# max_tokens is the deprecated one (openrouter 1.3.84, components/chatrequest.py).
_CHAT = Quirks(
    reasoning_field="reasoning",  # guides/best-practices/reasoning-tokens
    accepts_reasoning_history=True,
    system_role="system",
    # "Assistant Prefill" (api_reference/overview) is passed on to whoever serves the model, and some of those refuse it
    # (aj47/SpeakMCP pull 1037): so `prefill` is left to the operator.
)

# Stateless: store true and previous_response_id are refused (api_reference/responses/overview).
_RESPONSES = Quirks(system_role="system")

OPENROUTER = Provider(
    name="openrouter",
    base_url="https://openrouter.ai/api/v1",
    environment_key="OPENROUTER_API_KEY",
    default_models=("openrouter/auto",),  # lets the router choose: guides/routing/routers/auto-router
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    documentation=(
        # The pages named above, and the paths in openapi/openapi.yaml.
        "https://github.com/OpenRouterTeam/docs",
    ),
)
