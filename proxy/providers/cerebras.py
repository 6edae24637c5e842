"""Cerebras: very fast open models behind the chat vocabulary."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            # Accepted and never applied (measured in pydantic-ai, providers/cerebras.py).
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
    accepts_reasoning_history=True,
    system_role="system",
)

CEREBRAS = Provider(
    name="cerebras",
    base_url="https://api.cerebras.ai/v1",
    environment_key="CEREBRAS_API_KEY",
    default_models=("gpt-oss-120b", "qwen-3.8-27b"),
    endpoints=(Endpoint("chat", "/chat/completions", _CHAT),),
    completions_path="/completions",
    documentation=(
        "https://inference-docs.cerebras.ai/capabilities/reasoning",
        "https://inference-docs.cerebras.ai/models/openai-oss",
        "https://github.com/Cerebras/cerebras-cloud-sdk-python",
    ),
)
