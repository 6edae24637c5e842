"""vLLM: any model on the operator's own hardware; the key is whatever the server was started with."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(
    drop_parameters=frozenset({"user"}),  # "is ignored": docs/serving/openai_compatible_server.md
    reasoning_field="reasoning",  # older servers say reasoning_content (pydantic-ai 2.68.0, profiles/openai.py)
    max_tokens_parameter="max_tokens",
    system_role="system",
    stop_maximum=None,
    # vllm/entrypoints/openai/chat_completion/protocol.py; the messages endpoint has no such member and starts anew.
    prefill="continue_final_message",
)

VLLM = Provider(
    name="vllm",
    base_url="http://localhost:8000/v1",
    environment_key="VLLM_API_KEY",
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", Quirks(system_role="system")),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
    count_tokens_path="/messages/count_tokens",
    is_local=True,
    documentation=(
        # docs/serving/openai_compatible_server.md; the messages endpoints: vllm/entrypoints/anthropic/api_router.py.
        "https://github.com/vllm-project/vllm",
    ),
)
