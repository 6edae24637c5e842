"""Groq: fast open models behind the chat vocabulary, and a beta of responses."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(
    drop_parameters=frozenset(
        {
            # A 400 when supplied (console.groq.com/docs/openai, "Currently Unsupported"); n may only be 1.
            "logprobs",
            "logit_bias",
            "top_logprobs",
            "n",
            # "Not yet supported by any of our models" or "not currently supported" (groq 1.7.0,
            # types/chat/completion_create_params.py).
            "frequency_penalty",
            "presence_penalty",
            "metadata",
            "store",
            # auto, on_demand, flex and performance instead of OpenAI's (same file).
            "service_tier",
            # Absent from that file; an unknown member is a 400, "property … is unsupported" (fanenr/chatbot issue 21).
            "audio",
            "modalities",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "verbosity",
            "web_search_options",
        }
    ),
    # types/chat/chat_completion_chunk.py and chat_completion_assistant_message_param.py.
    reasoning_field="reasoning",
    accepts_reasoning_history=True,
    usage_path=("x_groq", "usage"),
    system_role="system",
    prefill="plain",  # "any text-to-text model powered by Groq": console.groq.com/docs/prefilling
)

GROQ = Provider(
    name="groq",
    base_url="https://api.groq.com/openai/v1",
    environment_key="GROQ_API_KEY",
    default_models=("openai/gpt-oss-120b", "openai/gpt-oss-20b"),
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", Quirks(system_role="system")),
    ),
    embeddings_path="/embeddings",
    documentation=(
        # The responses endpoint.
        "https://console.groq.com/docs/openai",
        # Base URL, key variable and the other paths: groq 1.7.0, _client.py, resources/.
        "https://github.com/groq/groq-python",
    ),
)
