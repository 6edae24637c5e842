"""DeepSeek: chat at home, with responses and messages for other people's clients."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

# An assistant turn with tool calls is refused without reasoning_content while thinking is on, which is the default
# (guides/thinking_mode), and a JSON schema as response_format with "This response_format type is unavailable now".
_CHAT = Quirks(
    accepts_reasoning_history=True,
    max_tokens_parameter="max_tokens",  # the newer name is silently ignored (api/create-chat-completion)
    system_role="system",
    accepts_strict_tools=False,  # only on the beta address
    structured_output="json_object",
    stop_maximum=16,  # "up to 16 sequences"
)

# guides/responses_api: stateless, made for Codex; honours json_schema.
_RESPONSES = Quirks(system_role="system")

# guides/anthropic_api: container, mcp_servers and metadata but for user_id are ignored; so are both anthropic headers.
_MESSAGES = Quirks(drop_parameters=frozenset({"container", "mcp_servers"}), stop_maximum=None)

DEEPSEEK = Provider(
    name="deepseek",
    base_url="https://api.deepseek.com",
    environment_key="DEEPSEEK_API_KEY",
    default_models=("deepseek-v4-pro", "deepseek-flash"),
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", _RESPONSES),
        Endpoint("messages", "/anthropic/v1/messages", _MESSAGES),
    ),
    documentation=(
        "https://api-docs.deepseek.com/api/create-chat-completion",
        "https://api-docs.deepseek.com/guides/thinking_mode",
        "https://api-docs.deepseek.com/guides/responses_api",
        "https://api-docs.deepseek.com/guides/anthropic_api",
    ),
)
