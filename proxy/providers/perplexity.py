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
        "https://docs.perplexity.ai/docs/agent-api/openai-compatibility.md",
        "https://docs.perplexity.ai/docs/agent-api/models",
        # The end of Sonar Chat Completions.
        "https://docs.stigg.io/documentation/ai-agents/providers/perplexity",
    ),
)
