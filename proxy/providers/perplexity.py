"""Perplexity: its Agent API through the responses alias. Sonar Chat Completions ended on 2026-09-27."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

PERPLEXITY = Provider(
    name="perplexity",
    base_url="https://api.perplexity.ai/v1",
    environment_key="PERPLEXITY_API_KEY",
    default_models=("perplexity/sonar",),
    endpoints=(Endpoint("responses", "/responses", Quirks(system_role="system")),),
    models_path=None,
    documentation=(
        # POST /v1/responses as an alias, the base URL and the key variable.
        "https://docs.perplexity.ai/docs/grounded-llm/openai-compatibility",
        # The end of Sonar Chat Completions, and the one model that is left of it.
        "https://docs.stigg.io/documentation/ai-agents/providers/perplexity",
        "https://www.truefoundry.com/docs/change-announcements/perplexity-agent-api-migration",
    ),
)
