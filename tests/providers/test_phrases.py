"""Providers' words become the causes of contract §7, and near misses do not."""

import pytest

from proxy.errors import Cause
from proxy.providers.phrases import cause_of, prompt_size
from proxy.providers.refusals import CODES, GENERAL_CODES, PHRASES, STATUSLESS_CODES

OVERFLOWS = [
    (400, "prompt is too long: 213462 tokens > 200000 maximum"),
    (400, "input length and `max_tokens` exceed context limit: 188059 + 20000 > 200000"),
    (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
    (400, "This model's maximum context length is 8192 tokens. However, you requested 9001 tokens."),
    (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens"),
    (400, "Please reduce the length of the messages or completion"),
    (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
    (400, "the request exceeds the available context size, try increasing it"),
    (500, "the input exceeds the context length"),
    (400, "tokens to keep from the initial prompt is greater than the context length"),
    (400, "The input (41000 tokens) is longer than the model's context length (40960 tokens)."),
    (200, "prompt is too long: 213462 tokens > 200000 maximum"),
    (400, "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested 9000."),
    (400, "Input length (265330) exceeds model's maximum context length (262144)."),
    (400, "Input length (100500 tokens) exceeds the maximum allowed length (99999 tokens). Use a shorter input."),
    (
        400,
        "You passed 10243 input tokens and requested 0 output tokens. However, the model's context length is only 9",
    ),
    (400, "The decoder prompt (length 100001) is longer than the maximum model length of 100000."),
    (400, "input (100500 tokens) is larger than the max context size (100000 tokens). skipping"),
    (400, "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it"),
    (400, "the prompt is longer than the context length currently available to the model"),
    (400, "However, the model is loaded with context length of only 45217 tokens, which is not enough."),
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens"),
    (422, "Input validation error: `inputs` must have less than 99999 tokens. Given: 100500"),
    (400, "too many tokens: total number of tokens (prompt and prediction) cannot exceed 2048 - received 6354."),
    (413, "Request body too large for gpt-4o model. Max size: 8000 tokens."),
    (400, "prompt token count of 93854 exceeds the limit of 90000"),
    (400, "prompt too long; exceeded max context length by 12 tokens"),
]
NOT_OVERFLOWS = [
    (429, "Rate limit reached for gpt-5.1 on tokens per min (TPM): Limit 30000, Used 22999, Requested 12528."),
    (200, "Rate limit reached: 30000 tokens per min, prompt is too long for what is left. Please try again in 11s."),
    (429, "This request would exceed your organization's rate limit of 30,000 input tokens per minute"),
    (429, "Too many requests: prompt is too long a wait"),
    (400, "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for this model"),
    (400, "max_tokens must be at least 1"),
    (400, "context must be a string"),
    (429, "Token limit per day reached"),
    (429, "Too many tokens, please wait before trying again."),
    (503, "Too many tokens: total number of tokens is high, please wait before trying again."),
    (413, "Request body too large"),
]


@pytest.mark.parametrize(("status", "message"), OVERFLOWS)
def test_context_overflow(status: int, message: str):
    assert cause_of(status, message=message) is Cause.CONTEXT_OVERFLOW


@pytest.mark.parametrize(("status", "message"), NOT_OVERFLOWS)
def test_no_context_overflow(status: int, message: str):
    assert cause_of(status, message=message) is not Cause.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    ("status", "code", "type_", "message", "cause"),
    [
        (400, "context_length_exceeded", "invalid_request_error", "", Cause.CONTEXT_OVERFLOW),
        (
            400,
            "",
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.",
            Cause.BILLING,
        ),
        (400, "", "", "You have reached your specified API usage limits. You will regain access soon.", Cause.BILLING),
        (429, "insufficient_quota", "insufficient_quota", "", Cause.BILLING),
        (429, "", "", "You exceeded your current quota, please check your plan and billing details.", Cause.BILLING),
        (429, "", "", "Your team t-1 has either used all available credits or reached its limit.", Cause.BILLING),
        (403, "", "", "Your newly created team doesn't have any credits or licenses yet.", Cause.BILLING),
        (402, "invalid_request_error", "unknown_error", "Insufficient Balance", Cause.BILLING),
        (400, "", "", "Incorrect API key provided: xa***ke.", Cause.CREDENTIAL_REJECTED),
        (401, "", "authentication_error", "invalid x-api-key", Cause.CREDENTIAL_REJECTED),
        (400, "content_filter", "", "The response was filtered", Cause.CONTENT_FILTER),
        (
            400,
            "invalid_prompt",
            "",
            "Your prompt was flagged as potentially violating our usage policy.",
            Cause.CONTENT_FILTER,
        ),
        (403, "", "", "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", Cause.CONTENT_FILTER),
        (404, "DeploymentNotFound", "", "", Cause.MODEL_UNAVAILABLE),
        (400, "", "", "acme/fake-1.0 is not a valid model ID", Cause.MODEL_UNAVAILABLE),
        (403, "organization_on_hold", "permission_error", "", Cause.CREDENTIAL_REJECTED),
        (400, "invalid_request_error", "", "Model Not Exist", Cause.MODEL_UNAVAILABLE),
        (498, "capacity_exceeded", "", "", Cause.MODEL_UNAVAILABLE),
        (400, "unsupported_parameter", "", "", Cause.UNSUPPORTED),
        (400, "", "", "Unsupported parameter: 'temperature' is not supported with this model.", Cause.UNSUPPORTED),
        (400, "", "", "This model does not support assistant message prefill.", Cause.UNSUPPORTED),
        (
            400,
            "",
            "",
            "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens",
            Cause.UNSUPPORTED,
        ),
        (400, "invalid_encrypted_content", "", "", Cause.FOREIGN_ITEM),
        (400, "", "", "messages.1.content.0: Invalid `signature` in `thinking` block", Cause.FOREIGN_ITEM),
        (404, "", "", "Item with id 'rs_1' not found. Items are not persisted.", Cause.FOREIGN_ITEM),
        (
            413,
            "rate_limit_exceeded",
            "tokens",
            "Request too large for model m on tokens per minute (TPM)",
            Cause.TOO_LARGE,
        ),
        (429, "rate_limit_exceeded", "requests", "Rate limit reached", Cause.RATE_LIMITED),
        (402, "openrouter_in_flight_budget", "", "Retry after in-flight requests settle.", Cause.RATE_LIMITED),
        (402, "openrouter_key_limit", "", "", Cause.BILLING),
        (
            429,
            "429",
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details. "
            "* Quota exceeded for metric: generate_content_free_tier_requests, limit: 20. Please retry in 17.9s.",
            Cause.RATE_LIMITED,
        ),
        (400, "400", "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", Cause.CREDENTIAL_REJECTED),
        (400, "400", "FAILED_PRECONDITION", "User location is not supported for the API use.", Cause.MODEL_UNAVAILABLE),
        (
            400,
            "",
            "invalid_request_error",
            "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
            Cause.CREDENTIAL_REJECTED,
        ),
        (400, "organization_restricted", "invalid_request_error", "", Cause.CREDENTIAL_REJECTED),
        (400, "", "", "The provided model identifier is invalid.", Cause.MODEL_UNAVAILABLE),
        (
            400,
            "",
            "",
            "Invocation of model ID x with on-demand throughput isn\u2019t supported. Retry with an inference profile.",
            Cause.MODEL_UNAVAILABLE,
        ),
        (400, "", "api_error", "registry.ollama.ai/library/llama3:8b does not support tools", Cause.UNSUPPORTED),
        (
            400,
            "400",
            "BadRequestError",
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
            Cause.UNSUPPORTED,
        ),
        (500, "500", "server_error", "tools param requires --jinja flag", Cause.UNSUPPORTED),
        (
            422,
            "",
            "",
            "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
            "`json_schema` is unavailable now at line 1 column 12992",
            Cause.UNSUPPORTED,
        ),
        (
            400,
            "",
            "",
            "Failed to deserialize the JSON body into the target type: messages[5]: invalid type: sequence, expected "
            "a string at line 1 column 33928",
            Cause.UNSUPPORTED,
        ),
        (400, "tool_use_failed", "invalid_request_error", "Failed to call a function.", Cause.BAD_GENERATION),
        (400, "400", "exceed_context_size_error", "", Cause.CONTEXT_OVERFLOW),
        (424, "", "generation", "Request failed during generation: CUDA error", Cause.SERVER_ERROR),
        (200, "server_is_overloaded", "service_unavailable_error", "", Cause.SERVER_ERROR),
        (200, "", "invalid_request_error", "messages: wrong", Cause.CALLERS_FAULT),
        (200, "invalid_image_url", "", "", Cause.CALLERS_FAULT),
        (200, "", "validation", "Input validation error: wrong", Cause.CALLERS_FAULT),
        (200, "invalid_prompt", "", "flagged as potentially violating our usage policy", Cause.CONTENT_FILTER),
        (200, "", "overloaded_error", "Overloaded", Cause.SERVER_ERROR),
        (200, "", "rate_limit_error", "Number of request tokens has exceeded your limit", Cause.RATE_LIMITED),
    ],
)
def test_words(status: int, code: str, type_: str, message: str, cause: Cause):
    assert cause_of(status, code, type_, message) is cause


@pytest.mark.parametrize(
    ("status", "code", "type_", "message"),
    [
        (400, "invalid_value", "invalid_request_error", "Invalid value for 'tool_choice'."),
        (400, "invalid_type", "invalid_request_error", "Invalid type for 'input': expected a string."),
        (422, "", "", "Input validation error"),
        (500, "", "", "Something went wrong"),
        (200, "", "", ""),
        # A number is a status for whoever reads the frame, not a word.
        (200, "429", "", "Provider returned error"),
        # Beside a status, a word that stands for anything says nothing.
        (404, "", "invalid_request_error", "No."),
        (503, "", "overloaded", "No."),
        (500, "invalid_request", "", "No."),
        # A caller's own text, quoted back, marks no credential.
        (400, "", "", "Invalid 'tools[0].name': 'your credit balance is too low' does not match the pattern."),
        (400, "", "", 'Invalid name "insufficient balance".'),
        (404, "", "", "The tool `invalid api key` is unknown"),
    ],
)
def test_words_that_say_nothing_special(status: int, code: str, type_: str, message: str):
    assert cause_of(status, code, type_, message) is None


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: " … ".join(phrase.parts))
def test_every_phrase_is_found_and_sourced(phrase):
    status = 429 if phrase.cause in (Cause.TOO_LARGE, Cause.RATE_LIMITED) else 400
    assert cause_of(status, message=f"Error: {' x '.join(phrase.parts).capitalize()}.") is phrase.cause
    assert phrase.source
    assert all(part == part.lower() for part in phrase.parts)


def test_codes_are_lower_case_and_mean_one_thing():
    every = [*CODES, *GENERAL_CODES, *STATUSLESS_CODES]
    assert len(set(every)) == len(every)
    assert all(code == code.lower() for code in every)


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ("prompt is too long: 213462 tokens > 200000 maximum", (213462, 200000)),
        ("This model's maximum context length is 8,192 tokens. However, you requested 9,001 tokens", (9001, 8192)),
        ("This model's maximum prompt length is 131072 but the request contains 537812 tokens", (537812, 131072)),
        ("Please reduce the length of the messages or completion", (None, None)),
        ("Current length is 42328 while limit is 40000", (42328, 40000)),
        ("The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)", (1196265, 1048575)),
        ("request (9412 tokens) exceeds the available context size (8192 tokens)", (9412, 8192)),
        ("You passed 10243 input tokens and requested 6142. However, the context length is only 9000", (10243, 9000)),
        ("`inputs` must have less than 99999 tokens. Given: 100500", (100500, 99999)),
        # Too long only together with the answer that was asked for: then no number is the prompt's.
        (
            "This model's maximum context length is 100000 tokens. However, you requested 32000 output tokens and your "
            "prompt contains at least 68001 input tokens",
            (None, None),
        ),
        (
            "This model's maximum context length is 100000 tokens. However, you requested 32000 output tokens and your "
            "prompt contains 123456 input tokens",
            (123456, 100000),
        ),
    ],
)
def test_the_size_of_an_overflow(message: str, size: tuple[int | None, int | None]):
    assert prompt_size(message) == size
