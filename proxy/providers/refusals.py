"""The words with which providers say why they refused: error codes and phrases per cause, each with where it was read.

Everything is lower case. A phrase is a tuple of parts that must all occur in the message.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from proxy.errors import Cause


class Phrase(NamedTuple):
    cause: Cause
    parts: tuple[str, ...]
    source: str


class Code(NamedTuple):
    cause: Cause
    words: tuple[str, ...]
    source: str


_OPENAI = "developers.openai.com/docs/guides/error-codes"
_OPENAI_SDK = "openai 3.52.0, types/responses/response_error.py"
_CODEX = "openai/codex, codex-rs/codex-api/src/sse/responses.rs (recorded errors)"
_CLAUDE = "platform.claude.com/docs/en/api/errors"
_CLAUDE_TYPES = "anthropic 2.11.0, types/shared/error_type.py"
_CLAUDE_SDK = "anthropic 2.11.0, types/shared/error_details.py and the files it imports"
_AZURE = "vibrantlabsai/ragas issue 649 (Azure OpenAI, 400)"
_ROUTER = "OpenRouterTeam/docs, api_reference/errors-and-debugging.mdx"
_MISTRAL = "mistralai/platform-docs-public, public/resources/error-glossary.md"
_DEEPSEEK = "api-docs.deepseek.com/quick_start/error_codes"
_FIXTURES = "tests of several public repositories quote it alike; no page or thread found"
_OVERFLOWS = "badlogic/pi-mono, packages/ai/src/utils/overflow.ts (examples per provider)"
_NEWER_OVERFLOWS = "earendil-works/pi, packages/ai/src/utils/overflow.ts (examples per provider)"
_TGI = "huggingface/text-generation-inference, router/src/validation.rs"
_TGI_TYPES = "huggingface/text-generation-inference, router/src/infer/mod.rs"
_VLLM = "vllm-project/vllm, vllm/renderers/params.py"
_LIMITS = "OpenRouterTeam/docs, api_reference/limits.mdx"
_PYDANTIC = "pydantic-ai 2.68.0, providers/ (measured)"

# Codes that leave no doubt, whatever the message says.
_CODES = (
    Code(Cause.CONTEXT_OVERFLOW, ("context_length_exceeded",), _CODEX),
    Code(Cause.CONTEXT_OVERFLOW, ("exceed_context_size_error",), "antirez/ds4 pull 150 (as llama.cpp says it)"),
    Code(Cause.CONTENT_FILTER, ("content_filter", "responsibleaipolicyviolation"), _AZURE),
    Code(Cause.CONTENT_FILTER, ("content_policy_violation", "refusal"), _ROUTER),
    Code(
        Cause.CONTENT_FILTER,
        ("bio_policy", "misalignment_policy_violation", "image_content_policy_violation"),
        _OPENAI_SDK,
    ),
    Code(Cause.BILLING, ("insufficient_quota",), _CODEX),
    Code(Cause.BILLING, ("billing_hard_limit_reached",), "dfinke/PowerShellAI issue 127 (OpenAI)"),
    Code(
        Cause.BILLING,
        ("billing_not_active", "credit_balance_exhausted"),
        "openai 3.52.0, types/beta/session_turn_error.py",
    ),
    Code(Cause.BILLING, ("billing_error",), _CLAUDE),
    Code(
        Cause.BILLING,
        (
            "enforced_spend_limit_reached",
            "contract_spend_limit_reached",
            "linked_organization_spend_limit_reached",
            "linked_organization_billing_unavailable",
        ),
        _CLAUDE_SDK,
    ),
    Code(Cause.RATE_LIMITED, ("openrouter_in_flight_budget",), _LIMITS + " (402, with Retry-After)"),
    Code(Cause.BILLING, ("openrouter_key_limit", "openrouter_credits"), _LIMITS + " (402)"),
    Code(Cause.BILLING, ("payment_required",), _ROUTER),
    Code(Cause.CREDENTIAL_REJECTED, ("invalid_api_key",), _ROUTER + " (as OpenAI says it)"),
    Code(Cause.CREDENTIAL_REJECTED, ("authentication_error",), _CLAUDE_TYPES),
    Code(Cause.CREDENTIAL_REJECTED, ("organization_on_hold",), _CLAUDE_SDK),
    Code(Cause.CREDENTIAL_REJECTED, ("organization_restricted",), "crewAIInc/crewAI issue 783 (Groq, 400)"),
    Code(Cause.CREDENTIAL_REJECTED, ("authentication",), _ROUTER),
    Code(Cause.MODEL_UNAVAILABLE, ("model_not_found",), _ROUTER),
    Code(Cause.MODEL_UNAVAILABLE, ("unsupported_country_region_territory",), "home-assistant/core issue 120072 (403)"),
    Code(Cause.MODEL_UNAVAILABLE, ("deploymentnotfound",), "MicrosoftDocs/azure-docs issue 114013 (404)"),
    Code(Cause.MODEL_UNAVAILABLE, ("unknown_model",), _MISTRAL),
    Code(Cause.MODEL_UNAVAILABLE, ("capacity_exceeded",), "developersdigest.tech/errors/api/groq-api (498)"),
    Code(Cause.MODEL_UNAVAILABLE, ("model_not_available",), "HeyPuter/puter issue 3168 (Together, 400)"),
    Code(Cause.MODEL_UNAVAILABLE, ("model_decommissioned",), "atiilla/sqlmap-ai issue 3 (Groq, 400)"),
    Code(Cause.MODEL_UNAVAILABLE, ("data_residency_mismatch",), _OPENAI_SDK),
    Code(Cause.UNSUPPORTED, ("unsupported_parameter",), "appatalks/eva-agent issue 83 (OpenAI, 400)"),
    Code(Cause.UNSUPPORTED, ("unsupported_value",), "quelmap-inc/quelmap issue 4 (OpenAI, 400)"),
    Code(Cause.UNSUPPORTED, ("string_too_long",), _ROUTER),
    Code(Cause.UNSUPPORTED, ("unsupported_image_media_type",), _OPENAI_SDK),
    Code(Cause.UNSUPPORTED, ("unsupported_image_format",), _ROUTER),
    Code(Cause.BAD_GENERATION, ("tool_use_failed",), "groq/groq-typescript issue 28 (400)"),
    Code(Cause.BAD_GENERATION, ("json_validate_failed",), _FIXTURES + " (Groq, 400)"),
    Code(Cause.FOREIGN_ITEM, ("invalid_encrypted_content",), "openai/codex issue 8145"),
    Code(Cause.FOREIGN_ITEM, ("compaction_signature_invalid",), _CLAUDE_SDK),
    Code(Cause.TOO_LARGE, ("request_too_large",), _CLAUDE),
    Code(Cause.TOO_LARGE, ("payload_too_large",), _ROUTER),
    Code(Cause.RATE_LIMITED, ("ramp_limit_exceeded",), _CLAUDE_SDK),
)

# Codes and types so general that a phrase in the message knows better.
_GENERAL = (
    Code(Cause.RATE_LIMITED, ("rate_limit_exceeded",), _OPENAI_SDK),
    Code(Cause.RATE_LIMITED, ("rate_limit_error",), _CLAUDE_TYPES),
    Code(Cause.RATE_LIMITED, ("slow_down",), "developersdigest.tech/errors/api/openai-api (429)"),
    Code(Cause.SERVER_ERROR, ("server_error", "vector_store_timeout"), _OPENAI_SDK),
    Code(
        Cause.SERVER_ERROR,
        ("server_is_overloaded", "service_unavailable_error"),
        "tontinton/maki pull 897 (OpenAI, 200)",
    ),
    Code(
        Cause.SERVER_ERROR,
        ("generation", "incomplete_generation", "incomplete_generation_stream", "stream_serialization_error"),
        _TGI_TYPES + " (424, 500)",
    ),
    Code(Cause.SERVER_ERROR, ("overloaded_error", "api_error", "timeout_error"), _CLAUDE_TYPES),
    Code(Cause.SERVER_ERROR, ("provider_overloaded", "provider_unavailable", "server", "timeout"), _ROUTER),
    Code(Cause.MODEL_UNAVAILABLE, ("not_found_error",), _CLAUDE_TYPES),
)

# What decides only where no status does, as in a stream: beside one, these words stand for anything.
_STATUSLESS = (
    Code(Cause.CALLERS_FAULT, ("invalid_request_error",), _CLAUDE_TYPES),
    Code(Cause.CALLERS_FAULT, ("invalid_request", "unprocessable"), _ROUTER),
    Code(Cause.CALLERS_FAULT, ("validation", "template_error", "tool_error"), _TGI_TYPES + " (422)"),
    Code(
        Cause.CALLERS_FAULT,
        (
            "invalid_prompt",
            "invalid_image",
            "invalid_image_format",
            "invalid_base64_image",
            "invalid_image_url",
            "invalid_image_mode",
            "image_too_large",
            "image_too_small",
            "image_parse_error",
            "image_file_too_large",
            "image_file_not_found",
            "empty_image_file",
            "failed_to_download_image",
        ),
        _OPENAI_SDK,
    ),
    Code(Cause.RATE_LIMITED, ("overloaded",), _TGI_TYPES + " (429)"),
    Code(Cause.MODEL_UNAVAILABLE, ("permission_error",), _CLAUDE_TYPES),
    Code(Cause.MODEL_UNAVAILABLE, ("permission_denied",), _ROUTER),
)

PHRASES = (
    # One request above the minute's allowance: waiting does not help, another target may.
    Phrase(
        Cause.TOO_LARGE,
        ("request too large for", "tokens per min"),
        "continuedev/continue issues 11717 (OpenAI, 429) and 10218 (Groq, 413)",
    ),
    # In the words of an exhausted account, but about requests per minute or day.
    Phrase(Cause.RATE_LIMITED, ("quota exceeded for metric",), _FIXTURES + " (Gemini, 429)"),
    Phrase(Cause.RATE_LIMITED, ("exceeded your current quota", "please retry in"), _FIXTURES + " (Gemini, 429)"),
    Phrase(Cause.BILLING, ("credit balance is too low",), "anthropics/claude-code issue 4207"),
    Phrase(
        Cause.BILLING,
        ("reached your specified api usage limits",),
        "anthropics/claude-code issue 2127; 400: " + _CLAUDE,
    ),
    Phrase(Cause.BILLING, ("reached your specified workspace api usage limits",), _FIXTURES + "; 400: " + _CLAUDE),
    Phrase(Cause.BILLING, ("exceeded your current quota", "billing"), _CODEX),
    Phrase(Cause.BILLING, ("insufficient balance",), _DEEPSEEK),
    Phrase(Cause.BILLING, ("insufficient credits",), "OpenRouterTeam/docs, PaymentRequiredResponseErrorData"),
    Phrase(Cause.BILLING, ("used all available credits",), "continuedev/continue issue 10373 (xAI, 429)"),
    Phrase(Cause.BILLING, ("doesn't have any credits",), "continuedev/continue issue 12670 (xAI, 403)"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("incorrect api key provided",), _OPENAI),
    Phrase(Cause.CREDENTIAL_REJECTED, ("invalid api key",), "Gitlawb/openclaude issue 1356 (a gateway, 401)"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("invalid x-api-key",), "cline/cline issue 12 (Anthropic, 401)"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("authentication fails",), _DEEPSEEK),
    Phrase(
        Cause.CREDENTIAL_REJECTED,
        ("please pass a valid api key",),
        "cequence-io/openai-scala-client issue 109, google-gemini/gemini-cli issue 25198 (400)",
    ),
    Phrase(
        Cause.CREDENTIAL_REJECTED,
        ("this credential is only authorized for use with",),
        "anthropics/claude-code issue 8046 (400)",
    ),
    Phrase(Cause.CONTENT_FILTER, ("content management policy",), "openai/openai-python issue 331 (Azure, 400)"),
    Phrase(Cause.CONTENT_FILTER, ("flagged as potentially violating our usage policy",), "openai/codex issue 38849"),
    Phrase(Cause.CONTENT_FILTER, ("output blocked by content filtering policy",), "anthropics/claude-code issue 13986"),
    Phrase(Cause.CONTENT_FILTER, ("content exists risk",), "666ghj/BettaFish issue 108 (DeepSeek, 400)"),
    Phrase(
        Cause.CONTENT_FILTER,
        ("content violates usage guidelines",),
        "UKGovernmentBEIS/inspect_ai pull 2267 (xAI, 403)",
    ),
    Phrase(
        Cause.CONTENT_FILTER,
        ("requires moderation", "flagged"),
        "OpenRouter's former list of 403s, as copies in public repositories have it",
    ),
    Phrase(Cause.FOREIGN_ITEM, ("encrypted content", "could not be"), "openai/codex issue 8145"),
    Phrase(
        Cause.FOREIGN_ITEM, ("invalid", "signature", "in", "thinking", "block"), "ding113/claude-code-hub issue 518"
    ),
    Phrase(Cause.FOREIGN_ITEM, ("item with id", "not found"), "can1357/oh-my-pi issue 41 (OpenAI, 404)"),
    Phrase(Cause.FOREIGN_ITEM, ("was provided without its required",), "pydantic-ai, docs/capabilities/thinking.md"),
    Phrase(Cause.UNSUPPORTED, ("not supported with this model",), "appatalks/eva-agent issue 83"),
    Phrase(Cause.UNSUPPORTED, ("does not support", "with this model"), "QwenLM/qwen-code issue 921"),
    Phrase(Cause.UNSUPPORTED, ("not supported on this model",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("does not support assistant message prefill",), "anomalyco/opencode issue 13768"),
    Phrase(Cause.UNSUPPORTED, ("maximum allowed number of output tokens",), _FIXTURES + " (Anthropic, 400)"),
    Phrase(Cause.UNSUPPORTED, ("this model supports at most",), "tailcallhq/forgecode issue 1185 (OpenAI, 400)"),
    Phrase(Cause.UNSUPPORTED, ("thinking mode does not support",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("response_format type is unavailable",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("reasoning is mandatory for this endpoint",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("is not a multimodal model",), "studio-dots-ai/dots.ocr issue 61 (vLLM, 400)"),
    Phrase(
        Cause.UNSUPPORTED,
        ("tool choice requires --enable-auto-tool-choice",),
        "langchain4j/langchain4j issue 3475 (vLLM, 400)",
    ),
    Phrase(Cause.UNSUPPORTED, ("cannot be greater than max_model_len",), _VLLM),
    Phrase(Cause.UNSUPPORTED, ("does not support tools",), "ollama/ollama issue 5793 (400)"),
    Phrase(Cause.UNSUPPORTED, ("tools param requires --jinja",), "AstrBotDevs/AstrBot issue 758 (llama.cpp, 500)"),
    Phrase(Cause.UNSUPPORTED, ("unsupported param: tools",), "ggml-org/llama.cpp issue 10920 (500)"),
    Phrase(Cause.UNSUPPORTED, ("response_format.type", "is unavailable now"), "browser-use/web-ui issue 65 (DeepSeek)"),
    Phrase(
        Cause.UNSUPPORTED,
        ("failed to deserialize", "invalid type: sequence, expected a string"),
        "QwenLM/qwen-code issue 2158 (DeepSeek, 400)",
    ),
    Phrase(
        Cause.UNSUPPORTED,
        ("failed to deserialize", "did not match any variant of untagged enum"),
        "browser-use/web-ui issue 314 (DeepSeek), router-for-me/CLIProxyAPI issue 4282 (xAI, 422)",
    ),
    Phrase(Cause.MODEL_UNAVAILABLE, ("model not exist",), "ConardLi/easy-dataset issue 9 (DeepSeek, 400)"),
    Phrase(
        Cause.MODEL_UNAVAILABLE,
        ("unable to access non-serverless model",),
        "HeyPuter/puter issue 3168 (Together, 400)",
    ),
    Phrase(Cause.MODEL_UNAVAILABLE, ("is not a valid model id",), _ROUTER + " (400)"),
    Phrase(Cause.MODEL_UNAVAILABLE, ("country, region, or territory not supported",), _OPENAI),
    Phrase(
        Cause.MODEL_UNAVAILABLE,
        ("user location is not supported",),
        "FoundationAgents/OpenManus issue 803 (Gemini, 400)",
    ),
    Phrase(Cause.MODEL_UNAVAILABLE, ("provided model identifier is invalid",), "MattJColes/lgtmaybe pull 70 (Bedrock)"),
    Phrase(
        Cause.MODEL_UNAVAILABLE,
        ("invocation of model id", "on-demand throughput"),
        "terricain/aioboto3 issue 352 (Bedrock, 400)",
    ),
    Phrase(Cause.MODEL_UNAVAILABLE, ("doesn't support on-demand throughput",), "konveyor/kai issue 411 (Bedrock, 400)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("prompt is too long",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceed context limit",), "anthropics/claude-code issue 228"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("input is too long for requested model",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the context window",), _CODEX),
    Phrase(Cause.CONTEXT_OVERFLOW, ("maximum context length is",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("maximum prompt length is",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("reduce the length of the messages",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("too large for model with", "maximum context length"), _OVERFLOWS),
    Phrase(
        Cause.CONTEXT_OVERFLOW, ("longer than the model's context length",), "QwenLM/Qwen3 issue 1321 (SGLang, 400)"
    ),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the available context size",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("greater than the context length",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the context length",), "ollama/ollama, llm/llama_server.go"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("input token count", "exceeds the maximum"), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("context window exceeds limit",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeded model token limit",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("prompt token count of", "exceeds the limit of"), "jjleng/copilot-more issue 35"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the model's maximum context length",), _NEWER_OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds model's maximum context length",), _NEWER_OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the maximum allowed input length",), _NEWER_OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("prompt too long; exceeded",), _NEWER_OVERFLOWS),
    Phrase(
        Cause.CONTEXT_OVERFLOW, ("input length", "exceeds the maximum allowed length"), _FIXTURES + " (SGLang, 400)"
    ),
    Phrase(Cause.CONTEXT_OVERFLOW, ("the model's context length is only",), _VLLM),
    Phrase(Cause.CONTEXT_OVERFLOW, ("longer than the maximum model length",), _FIXTURES + " (vLLM, 400)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("larger than the max context size",), _FIXTURES + " (llama.cpp, 400)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("longer than the context length",), _FIXTURES + " (Ollama, 400)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("loaded with context length of only",), _FIXTURES + " (LM Studio, 400)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("`inputs` tokens + `max_new_tokens` must be",), _TGI),
    Phrase(Cause.CONTEXT_OVERFLOW, ("`inputs` must have less than",), _TGI),
    Phrase(
        Cause.CONTEXT_OVERFLOW,
        ("too many tokens: total number of tokens",),
        "cohere-ai/sandbox-topically issue 4 (400)",
    ),
    Phrase(
        Cause.CONTEXT_OVERFLOW,
        ("request body too large for", "max size", "tokens"),
        "cline/cline issue 995 (GitHub Models, 413)",
    ),
)

# What is about requests or tokens per time is never about the length of one prompt.
RATE_WORDS = (
    "rate limit",
    "too many requests",
    "tokens per min",
    "per minute",
    "throttl",
    "try again in",
    "please wait before trying again",  # Bedrock's "Too many tokens, …" (earendil-works/pi, overflow.ts)
)


def _indexed(rows: tuple[Code, ...]) -> Mapping[str, Cause]:
    return MappingProxyType({word: row.cause for row in rows for word in row.words})


CODES = _indexed(_CODES)
GENERAL_CODES = _indexed(_GENERAL)
STATUSLESS_CODES = _indexed(_STATUSLESS)
