"""LM Studio: models on the operator's own machine, in all three vocabularies."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(max_tokens_parameter="max_tokens", system_role="system", stop_maximum=None)

LMSTUDIO = Provider(
    name="lmstudio",
    base_url="http://localhost:1234/v1",
    environment_key="LM_API_TOKEN",  # both bearer and x-api-key are accepted
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", Quirks(system_role="system")),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
    is_local=True,
    documentation=(
        # 1_developer/0_core/authentication.mdx, 3_openai-compat and 4_anthropic-compat.
        "https://github.com/lmstudio-ai/docs",
    ),
)
