"""Anthropic: the home of the messages vocabulary."""

from proxy.providers.provider import Auth, Endpoint, Provider
from proxy.wire.quirks import Quirks

# Temperature is 0.0 to 1.0 (Messages API reference); stop_sequences has no documented limit.
_MESSAGES = Quirks(temperature_maximum=1.0, stop_maximum=None)

ANTHROPIC = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com/v1",
    auth=Auth.X_API_KEY,
    environment_key="ANTHROPIC_API_KEY",
    # The model of the SDK's README, and the smallest of the same generation in its types/model.py.
    default_models=("claude-opus-5-5", "claude-haiku-5-5"),
    headers=(("anthropic-version", "2023-06-01"),),
    endpoints=(Endpoint("messages", "/messages", _MESSAGES),),
    count_tokens_path="/messages/count_tokens",
    documentation=(
        "https://platform.claude.com/docs/en/api/messages",
        # Base URL, headers, key variable and paths: anthropic 2.11.0, _client.py, resources/messages.
        "https://github.com/anthropics/anthropic-sdk-python",
    ),
)
