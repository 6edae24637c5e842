"""Together: open models behind the chat vocabulary."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# together 3.1.1, types/chat/completion_create_params.py: these members are not in it. Temperature is described there as
# "from 0-1"; whether more is refused was not found, so the vocabulary's range stays.
_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            "audio",
            "metadata",
            "modalities",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
            "verbosity",
            "web_search_options",
        }
    ),
    # types/chat/chat_completion_chunk.py and chat_completion_assistant_message_param.py name both spellings.
    reasoning_field="reasoning",
    accepts_reasoning_history=True,
    max_tokens_parameter="max_tokens",
    system_role="system",
    stop_maximum=None,
)

TOGETHER = Provider(
    name="together",
    base_url="https://api.together.ai/v1",
    environment_key="TOGETHER_API_KEY",
    default_models=("deepseek-ai/DeepSeek-V4-Pro-0813", "openai/gpt-oss-120b"),  # genai-prices 0.2.3
    endpoints=(Endpoint("chat", "/chat/completions", _CHAT),),
    embeddings_path="/embeddings",
    completions_path="/completions",
    documentation=(
        "https://docs.together.ai/docs/inference/openai-compatibility",
        # Base URL and paths: openapi.yaml.
        "https://github.com/togethercomputer/openapi",
        "https://github.com/togethercomputer/together-py",
    ),
)
