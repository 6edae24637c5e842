"""Ollama: models on the operator's own machine; the key is ignored. Too long a prompt is silently cut there."""

from proxy.providers.provider import Auth, Endpoint, Provider
from proxy.wire.quirks import Quirks

# ollama/ollama, docs/api/openai-compatibility.mdx: what its list of request fields lacks or leaves unticked.
_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            "audio",
            "logit_bias",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
            "web_search_options",
        }
    ),
    reasoning_field="reasoning",
    max_tokens_parameter="max_tokens",
    system_role="system",
    accepts_strict_tools=False,  # pydantic-ai 2.68.0, providers/ollama.py
    required_tool_choice=None,  # tool_choice is unticked
    stop_maximum=None,
)

_RESPONSES = Quirks(drop_parameters=frozenset({"truncation"}), system_role="system", accepts_strict_tools=False)

# docs/api/anthropic-compatibility.mdx: metadata and tool_choice are unticked, counting tokens is not offered.
_MESSAGES = Quirks(drop_parameters=frozenset({"metadata"}), required_tool_choice=None, stop_maximum=None)

OLLAMA = Provider(
    name="ollama",
    base_url="http://localhost:11434/v1",
    auth=Auth.BEARER,  # only a proxy in front of it, or its cloud, asks for one
    environment_key="OLLAMA_API_KEY",
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("messages", "/messages", _MESSAGES),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
    is_local=True,
    documentation=(
        # docs/api/openai-compatibility.mdx, anthropic-compatibility.mdx and authentication.mdx.
        "https://github.com/ollama/ollama",
    ),
)
