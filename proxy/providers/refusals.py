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


_OPENAI = "OpenAI, docs/guides/error-codes"
_OPENAI_SDK = "openai 3.52.0, types/responses/response_error.py"
_CODEX = "openai/codex, codex-rs/codex-api/src/sse/responses.rs (recorded errors)"
_CLAUDE = "platform.claude.com/docs/en/api/errors"
_CLAUDE_SDK = "anthropic 2.11.0, types/shared/*_error_details.py"
_AZURE = "learn.microsoft.com, Azure OpenAI content filtering"
_ROUTER = "openrouter.ai/docs/client-sdks/python/components/apierrortype"
_GROQ = "console.groq.com/docs/errors, docs/flex-processing"
_MISTRAL = "docs.mistral.ai/resources/error-glossary"
_DEEPSEEK = "api-docs.deepseek.com/quick_start/error_codes"
_REPORTED = "the message as users of that provider report it (public issues and test fixtures)"
_OVERFLOWS = "badlogic/pi-mono, packages/ai/src/utils/overflow.ts (one example per provider)"
_PYDANTIC = "pydantic-ai, providers/ and profiles/ (measured)"

# Codes that leave no doubt, whatever the message says.
_CODES = (
    Code(Cause.CONTEXT_OVERFLOW, ("context_length_exceeded",), _CODEX),
    Code(Cause.CONTENT_FILTER, ("content_filter", "responsibleaipolicyviolation"), _AZURE),
    Code(Cause.CONTENT_FILTER, ("content_policy_violation", "refusal"), _ROUTER),
    Code(
        Cause.CONTENT_FILTER,
        ("bio_policy", "misalignment_policy_violation", "image_content_policy_violation"),
        _OPENAI_SDK,
    ),
    Code(Cause.BILLING, ("insufficient_quota",), _CODEX),
    Code(Cause.BILLING, ("billing_hard_limit_reached", "billing_not_active", "credit_balance_exhausted"), _OPENAI),
    Code(Cause.BILLING, ("billing_error",), _CLAUDE),
    Code(
        Cause.BILLING,
        (
            "enforced_spend_limit_reached",
            "contract_spend_limit_reached",
            "linked_organization_spend_limit_reached",
            "linked_organization_billing_unavailable",
            "organization_on_hold",
        ),
        _CLAUDE_SDK,
    ),
    Code(Cause.BILLING, ("payment_required",), _ROUTER),
    Code(Cause.CREDENTIAL_REJECTED, ("invalid_api_key",), _OPENAI),
    Code(Cause.CREDENTIAL_REJECTED, ("authentication_error",), _CLAUDE),
    Code(Cause.CREDENTIAL_REJECTED, ("authentication",), _ROUTER),
    Code(Cause.MODEL_UNAVAILABLE, ("model_not_found", "unsupported_country_region_territory"), _OPENAI),
    Code(Cause.MODEL_UNAVAILABLE, ("deploymentnotfound",), "Azure OpenAI, code DeploymentNotFound of its 404"),
    Code(Cause.MODEL_UNAVAILABLE, ("unknown_model",), _MISTRAL),
    Code(Cause.MODEL_UNAVAILABLE, ("capacity_exceeded",), _GROQ),
    Code(Cause.MODEL_UNAVAILABLE, ("model_not_available", "model_decommissioned"), _REPORTED),
    Code(Cause.UNSUPPORTED, ("unsupported_parameter", "unsupported_value"), _REPORTED),
    Code(Cause.UNSUPPORTED, ("string_too_long",), _ROUTER),
    Code(Cause.FOREIGN_ITEM, ("invalid_encrypted_content",), _REPORTED),
    Code(Cause.FOREIGN_ITEM, ("compaction_signature_invalid",), _CLAUDE_SDK),
    Code(Cause.TOO_LARGE, ("request_too_large",), _CLAUDE),
    Code(Cause.TOO_LARGE, ("payload_too_large",), _ROUTER),
    Code(Cause.RATE_LIMITED, ("ramp_limit_exceeded",), _CLAUDE_SDK),
)

# Codes and types so general that a phrase in the message knows better.
_GENERAL = (
    Code(Cause.RATE_LIMITED, ("rate_limit_exceeded",), _OPENAI_SDK),
    Code(Cause.RATE_LIMITED, ("rate_limit_error",), _CLAUDE),
    Code(Cause.RATE_LIMITED, ("slow_down",), _OPENAI),
    Code(Cause.SERVER_ERROR, ("server_error",), _OPENAI_SDK),
    Code(Cause.SERVER_ERROR, ("overloaded_error", "api_error", "timeout_error"), _CLAUDE),
    Code(Cause.SERVER_ERROR, ("provider_overloaded", "provider_unavailable", "server", "timeout"), _ROUTER),
    Code(Cause.MODEL_UNAVAILABLE, ("not_found_error",), _CLAUDE),
)

PHRASES = (
    # One request above the minute's allowance: waiting does not help, another target may.
    Phrase(Cause.TOO_LARGE, ("request too large for", "tokens per min"), "OpenAI and Groq, 429 and 413 of that name"),
    Phrase(Cause.BILLING, ("credit balance is too low",), "anthropics/claude-code issue 4207"),
    Phrase(Cause.BILLING, ("reached your specified api usage limits",), _REPORTED + "; 400: " + _CLAUDE),
    Phrase(Cause.BILLING, ("reached your specified workspace api usage limits",), _REPORTED + "; 400: " + _CLAUDE),
    Phrase(Cause.BILLING, ("exceeded your current quota", "billing"), _CODEX),
    Phrase(Cause.BILLING, ("insufficient balance",), _DEEPSEEK),
    Phrase(Cause.BILLING, ("insufficient credits",), "openrouter.ai/docs/errors"),
    Phrase(Cause.BILLING, ("used all available credits",), "continuedev/continue issue 10373 (xAI, 429)"),
    Phrase(Cause.BILLING, ("doesn't have any credits",), "continuedev/continue issue 12670 (xAI, 403)"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("incorrect api key provided",), _OPENAI + "; xAI says it with a 400"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("invalid api key",), _GROQ),
    Phrase(Cause.CREDENTIAL_REJECTED, ("invalid x-api-key",), "Anthropic's 401, as reported"),
    Phrase(Cause.CREDENTIAL_REJECTED, ("authentication fails",), _DEEPSEEK),
    Phrase(Cause.CONTENT_FILTER, ("content management policy",), "microsoft/azurechat issue 351"),
    Phrase(Cause.CONTENT_FILTER, ("flagged as potentially violating our usage policy",), _REPORTED),
    Phrase(Cause.CONTENT_FILTER, ("output blocked by content filtering policy",), _REPORTED),
    Phrase(Cause.CONTENT_FILTER, ("content exists risk",), _REPORTED),
    Phrase(Cause.CONTENT_FILTER, ("content violates usage guidelines",), _REPORTED),
    Phrase(Cause.CONTENT_FILTER, ("requires moderation", "flagged"), "openrouter.ai/docs/errors"),
    Phrase(Cause.FOREIGN_ITEM, ("encrypted content", "could not be"), _REPORTED),
    Phrase(
        Cause.FOREIGN_ITEM, ("invalid", "signature", "in", "thinking", "block"), "ding113/claude-code-hub issue 518"
    ),
    Phrase(Cause.FOREIGN_ITEM, ("item with id", "not found"), _REPORTED),
    Phrase(Cause.FOREIGN_ITEM, ("was provided without its required",), "community.openai.com, reasoning items"),
    Phrase(Cause.UNSUPPORTED, ("not supported with this model",), "appatalks/eva-agent issue 83"),
    Phrase(Cause.UNSUPPORTED, ("does not support", "with this model"), "QwenLM/qwen-code issue 921"),
    Phrase(Cause.UNSUPPORTED, ("not supported on this model",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("does not support assistant message prefill",), "anomalyco/opencode issue 19981"),
    Phrase(Cause.UNSUPPORTED, ("maximum allowed number of output tokens",), _REPORTED),
    Phrase(Cause.UNSUPPORTED, ("this model supports at most",), _REPORTED),
    Phrase(Cause.UNSUPPORTED, ("thinking mode does not support",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("response_format type is unavailable",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("reasoning is mandatory for this endpoint",), _PYDANTIC),
    Phrase(Cause.UNSUPPORTED, ("is not a multimodal model",), _REPORTED),
    Phrase(Cause.MODEL_UNAVAILABLE, ("model not exist",), _REPORTED + " (DeepSeek, 400)"),
    Phrase(Cause.MODEL_UNAVAILABLE, ("unable to access non-serverless model",), _REPORTED),
    Phrase(Cause.MODEL_UNAVAILABLE, ("is not a valid model id",), _REPORTED + " (OpenRouter, 400)"),
    Phrase(Cause.MODEL_UNAVAILABLE, ("country, region, or territory not supported",), _OPENAI),
    Phrase(Cause.CONTEXT_OVERFLOW, ("prompt is too long",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceed context limit",), _REPORTED),
    Phrase(Cause.CONTEXT_OVERFLOW, ("input is too long for requested model",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the context window",), _CODEX),
    Phrase(Cause.CONTEXT_OVERFLOW, ("maximum context length is",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("maximum prompt length is",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("reduce the length of the messages",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("too large for model with", "maximum context length"), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("longer than the model's context length",), _REPORTED),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the available context size",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("greater than the context length",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeds the context length",), _REPORTED + " (Ollama)"),
    Phrase(Cause.CONTEXT_OVERFLOW, ("input token count", "exceeds the maximum"), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("context window exceeds limit",), _OVERFLOWS),
    Phrase(Cause.CONTEXT_OVERFLOW, ("exceeded model token limit",), _OVERFLOWS),
)

# What is about requests or tokens per time is never about the length of one prompt.
RATE_WORDS = ("rate limit", "too many requests", "tokens per min", "per minute", "throttl", "try again in")


def _indexed(rows: tuple[Code, ...]) -> Mapping[str, Cause]:
    return MappingProxyType({word: row.cause for row in rows for word in row.words})


CODES = _indexed(_CODES)
GENERAL_CODES = _indexed(_GENERAL)
