"""Cerebras: very fast open models behind the chat vocabulary."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            # Accepted and never applied (measured: pydantic-ai 2.68.0, providers/cerebras.py).
            "logit_bias",
            # Absent from cerebras-cloud-sdk 1.91.0, types/chat/completion_create_params.py.
            "audio",
            "metadata",
            "modalities",
            "prompt_cache_retention",
            "safety_identifier",
            "store",
            "verbosity",
            "web_search_options",
        }
    ),
    reasoning_field="reasoning",  # types/chat/chat_completion.py, in messages and deltas
    accepts_reasoning_history=True,  # the assistant's message in completion_create_params.py
    system_role="system",
)

CEREBRAS = Provider(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    environment_key="CEREBRAS_API_KEY",
    default_models=("gpt-oss-120b", "qwen-3.8-27b"),  # genai-prices 0.2.3
    endpoints=(Endpoint("chat", "/chat/completions", _CHAT),),
    completions_path="/completions",
    documentation=(
        "https://inference-docs.cerebras.ai/capabilities/reasoning",
        # Base URL, key variable and paths: cerebras-cloud-sdk 1.91.0, _client.py, resources/.
        "https://github.com/Cerebras/cerebras-cloud-sdk-python",
    ),
)
