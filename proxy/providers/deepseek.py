"""DeepSeek: chat at home, with responses and messages for other people's clients."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# Refused, as pydantic-ai 2.68.0, providers/deepseek.py, measured: an assistant turn with tool calls but without
# reasoning_content while thinking is on, which is the default; a JSON schema as response_format.
_CHAT = Quirks(
    accepts_reasoning_history=True,
    max_tokens_parameter="max_tokens",  # the newer name is silently ignored (same file)
    system_role="system",  # "unknown variant `developer`" (decolua/9router issue 773)
    # Strict tools only at /beta: guides/tool_calls. "Up to 16 sequences": the chat reference. Both pages were read as
    # copies in public repositories.
    accepts_strict_tools=False,
    structured_output="json_object",
    stop_maximum=16,
    # "Chat Prefix Completion (Beta)": guides/chat_prefix_completion; that both models offer it: quick_start/pricing.
    # Read as copies in public repositories.
    prefill="prefix",
    prefill_path="/beta/chat/completions",
)

# Stateless (docs.rs/openai-interface 0.8.1, responses); honours json_schema (pydantic-ai, the same file).
_RESPONSES = Quirks(system_role="system")

# guides/anthropic_api, its table read as a copy in a public repository: container, mcp_servers and metadata but for
# user_id are ignored; so is anthropic-version.
_MESSAGES = Quirks(drop_parameters=frozenset({"container", "mcp_servers"}), stop_maximum=None)

DEEPSEEK = Provider(
    name="deepseek",
    base_url="https://api.deepseek.com",
    environment_key="DEEPSEEK_API_KEY",
    default_models=("deepseek-v4-pro", "deepseek-flash"),  # pydantic-ai 2.68.0, providers/deepseek.py
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("messages", "/anthropic/v1/messages", _MESSAGES),
    ),
    documentation=(
        "https://api-docs.deepseek.com",
        "https://api-docs.deepseek.com/guides/anthropic_api",
    ),
)
