"""OpenAI: the home of the responses and chat vocabularies."""

from proxy.providers.provider import Endpoint, Provider

OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    environment_key="OPENAI_API_KEY",
    # Both in openai 3.52.0, types/shared/chat_model.py.
    default_models=("gpt-6.1-sol", "gpt-6-luna"),
    endpoints=(
        Endpoint("responses", "/responses"),
        Endpoint("chat", "/chat/completions"),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
    input_tokens_path="/responses/input_tokens",
    documentation=(
        # Base URL, key variable and paths: openai 3.52.0, _data_residency.py, _client.py, resources/.
        "https://github.com/openai/openai-python",
    ),
)
