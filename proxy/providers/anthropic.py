"""Anthropic: the home of the messages vocabulary."""

from proxy.providers.provider import Auth, Endpoint, Provider
from proxy.wire.quirks import Quirks

# Temperature "ranges from 0.0 to 1.0", stop_sequences has no limit: anthropic 0.125.0, types/message_create_params.py.
_MESSAGES = Quirks(temperature_maximum=1.0, stop_maximum=None)

ANTHROPIC = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com/v1",
    auth=Auth.X_API_KEY,
    environment_key="ANTHROPIC_API_KEY",
    # The model of the README of anthropic 2.11.0, and the haiku of the same generation in its types/model.py.
    default_models=("claude-opus-5-5", "claude-haiku-5-5"),
    # The version this vocabulary speaks. From 2026-10-21 on (what anthropic 2.x sends) temperature, top_p and top_k are
    # a 400: platform.claude.com/docs/en/api/migration-2026-10-21.
    headers=(("anthropic-version", "2023-06-01"),),
    endpoints=(Endpoint("messages", "/messages", _MESSAGES),),
    count_tokens_path="/messages/count_tokens",
    documentation=(
        "https://platform.claude.com/docs/en/api/versioning",
        # Base URL, key variable, headers and paths: anthropic 2.11.0, _client.py, resources/messages.
        "https://github.com/anthropics/anthropic-sdk-python",
    ),
)
