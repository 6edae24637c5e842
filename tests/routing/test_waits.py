"""How long to wait, in every form in which providers say it; the samples are what providers sent, with their source."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.canonical.events import Failed, FaultKind
from proxy.routing.failures import of_failed, of_status
from proxy.routing.waits import LONGEST, asked, until
from proxy.wire.codec import UpstreamError

NOON = 1794571200.0  # Fri, 13 Nov 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 2.5 ", 2.5),
        ("-3", -3.0),
        ("0", 0.0),
        ("86401", 86401.0),
        # A moment, in seconds and in milliseconds since 1970.
        ("1794571230", 30.0),
        ("1794571230000", 30.0),
        ("1794571140", -60.0),
        # The three forms of an HTTP date (RFC 9110, 5.6.7), all of them GMT.
        ("Fri, 13 Nov 2026 12:00:30 GMT", 30.0),
        ("Friday, 13-Nov-26 12:00:30 GMT", 30.0),
        ("Fri Nov 13 12:00:30 2026", 30.0),
        ("Fri, 13 Nov 2026 11:00:00 GMT", -3600.0),
        # RFC 3339.
        ("2026-11-13T12:00:30Z", 30.0),
        ("2026-11-13T07:00:30.5-05:00", 30.5),
        # Go durations.
        ("1m30s", 90.0),
        ("6h0m0s", 21600.0),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("2m59.56s", 179.56),
        ("1h", 3600.0),
        ("500µs", 0.0005),
        ("3us1ns", 0.000003001),
        ("2d", 172800.0),
        ("120s", 120.0),
    ],
)
def test_every_form_of_a_wait(value: str, seconds: float):
    assert until(value, NOON) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "soon", "inf", "-inf", "nan", "1e999", "6m0", "9ms9", "-1m", "1h 2m", "0x10", "s", "m5"]
)
def test_what_is_no_wait(value: str):
    assert until(value, NOON) is None


@given(st.text())
def test_no_text_is_an_error(value: str):
    wait = until(value, NOON)
    assert wait is None or float("-inf") < wait < float("inf")


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2060, 1, 1)))
def test_a_date_is_read_alike_in_each_of_its_forms(moment: datetime):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    forms = [
        format_datetime(moment, usegmt=True),
        moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        moment.strftime("%a %b %d %H:%M:%S %Y"),
        moment.isoformat(),
        moment.isoformat().replace("+00:00", "Z"),
    ]
    assert {until(form, NOON) for form in forms} == {moment.timestamp() - NOON}


units = st.sampled_from(["h", "m", "s", "ms"])


@given(st.lists(st.tuples(st.integers(0, 99), units), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_pieces(pieces: list[tuple[int, str]]):
    seconds = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}
    written = "".join(f"{amount}{unit}" for amount, unit in pieces)
    assert until(written, NOON) == pytest.approx(sum(amount * seconds[unit] for amount, unit in pieces))


NAMES = st.sampled_from(
    [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        "x-ratelimit-reset-tokens",
        "x-ratelimit-remaining-tokens",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-requests-remaining",
        "reset",
    ]
)
VALUES = st.text() | st.floats().map(str) | st.integers().map(str) | st.sampled_from(["1m", "0", "-1", "1e308", "nan"])


@given(st.dictionaries(NAMES, VALUES), st.text(), VALUES, st.booleans())
def test_whatever_they_say_the_wait_is_bounded(headers: dict[str, str], message: str, body: str, is_limit: bool):
    wait = asked(headers, NOON, message=f"Please try again in {message}", body=body, is_limit=is_limit)
    assert wait is None or 0 <= wait <= LONGEST


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Fri, 13 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 13 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "1e308"}, 86400.0),
        ({"retry-after": "9" * 300}, 86400.0),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86400.0),
        ({"retry-after": "86401"}, 86400.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "1e308"}, 86400.0),
        ({"retry-after-ms": "inf"}, None),
        ({"retry-after": "3", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 3.0),
    ],
)
def test_c02_retry_after_counts_before_anything_else(headers: dict[str, str], seconds: float | None):
    assert of_status(429, UpstreamError("No."), headers, NOON).retry_after == seconds


def test_c03_each_failure_is_told_its_own_wait():
    """Nothing of the first answer is left in the second one's."""
    first = of_status(429, UpstreamError("No."), {"retry-after": "60"}, NOON)
    second = of_status(429, UpstreamError("No."), {"retry-after-ms": "200"}, NOON)
    third = of_status(429, UpstreamError("No."), {}, NOON)
    assert [fault.retry_after for fault in (first, second, third)] == [60.0, 0.2, None]


class Sample(NamedTuple):
    """Headers as a provider sent them, and the wait that follows from them."""

    source: str
    headers: dict[str, str]
    seconds: float | None


SAMPLES = [
    Sample(
        "thoughtbot.com/blog/openai-rate-limits (OpenAI)",
        {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"},
        1.0,
    ),
    Sample(
        "community.openai.com/t/1268905 (OpenAI), its tokens used up",
        {
            "x-ratelimit-limit-requests": "5000",
            "x-ratelimit-limit-tokens": "160000",
            "x-ratelimit-remaining-requests": "4999",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-remaining-tokens_usage_based": "0",
            "x-ratelimit-reset-requests": "12ms",
            "x-ratelimit-reset-tokens": "9.5s",
            "x-ratelimit-reset-tokens_usage_based": "9s",
        },
        9.5,
    ),
    Sample(
        "groq/groq-typescript issue 28 (Groq), nothing used up",
        {
            "x-ratelimit-limit-requests": "14400",
            "x-ratelimit-limit-tokens": "6000",
            "x-ratelimit-remaining-requests": "14399",
            "x-ratelimit-remaining-tokens": "5843",
            "x-ratelimit-reset-requests": "6s",
            "x-ratelimit-reset-tokens": "1.57s",
        },
        1.57,
    ),
    Sample(
        "agentgateway, crates/agentgateway/src/http/outlierdetection.rs (Cerebras)",
        {
            "x-ratelimit-reset-requests-day": "33011.382867097855",
            "x-ratelimit-reset-tokens-minute": "11.1",
        },
        11.1,
    ),
    Sample(
        "the same, its day used up",
        {
            "x-ratelimit-remaining-requests-day": "0",
            "x-ratelimit-remaining-tokens-minute": "900",
            "x-ratelimit-reset-requests-day": "33011.382867097855",
            "x-ratelimit-reset-tokens-minute": "11.1",
        },
        33011.382867097855,
    ),
    Sample(
        "anthropics/anthropic-sdk-typescript issue 357 (Anthropic): the later of two that are used up",
        {
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-13T12:00:05Z",
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2026-11-13T12:00:41Z",
        },
        41.0,
    ),
    Sample(
        "the same: only one is used up",
        {
            "anthropic-ratelimit-requests-remaining": "12",
            "anthropic-ratelimit-requests-reset": "2026-11-13T12:00:41Z",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-13T12:00:05+00:00",
        },
        5.0,
    ),
    Sample(
        "OpenRouterTeam/docs, api_reference/limits.mdx; Gitlawb/openclaude issue 936 (OpenRouter: milliseconds)",
        {"x-ratelimit-limit": "50", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1794571260000"},
        60.0,
    ),
    Sample(
        "docs.github.com/rest/rate-limit (seconds since 1970)",
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1794571290"},
        90.0,
    ),
    Sample(
        "ietf-wg-httpapi/ratelimit-headers issue 25 (seconds)",
        {"ratelimit-limit": "5000", "ratelimit-remaining": "0", "ratelimit-reset": "36000"},
        36000.0,
    ),
    Sample(
        "openai/openai-dotnet issue 838 (Azure without figures)",
        {
            "x-ratelimit-limit-tokens": "-1",
            "x-ratelimit-remaining-tokens": "-1",
            "x-ratelimit-reset-tokens": "0",
        },
        None,
    ),
    Sample("a moment that has passed", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1794571100"}, None),
    Sample("no word of a wait", {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "9"}, None),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.source)
def test_windows_of_an_allowance(sample: Sample):
    assert of_status(429, UpstreamError("No."), sample.headers, NOON).retry_after == sample.seconds
    # Every answer has these headers: a server that failed did not ask for a pause with them.
    assert of_status(500, UpstreamError("No."), sample.headers, NOON).retry_after is None


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        # openai/codex, codex-rs/codex-api/src/sse/responses.rs
        (
            "Rate limit reached for gpt-5.1 on tokens per min (TPM): Limit 30000. Please try again in 11.054s. Visit",
            11.054,
        ),
        # gitlab.com/wally-the-wobot/wally issue 62
        ("Rate limit reached on tokens_usage_based per min: Limit 10000. Please try again in 41.724s.", 41.724),
        # tests of several public repositories quote Groq so
        ("Rate limit reached for model `m`. Please try again in 2m59.56s.", 179.56),
        ("Please try again in 577.5ms.", 0.5775),
        ("Please try again in 1h12m3s.", 4323.0),
        # alex-wolf-ps/dbchatprov2 issue 2, dyad-sh/dyad issue 1849, Azure-Samples/azure-search-openai-demo issue 177
        ("Requests have exceeded token rate limit. Please retry after 26 seconds. Please go here:", 26.0),
        ("Please retry after 86400 seconds.", 86400.0),
        ("Rate limit is exceeded. Try again in 30 seconds.", 30.0),
        # tests of several public repositories quote Gemini so
        ("Quota exceeded for metric: x, limit: 20\nPlease retry in 17.900138489s.", 17.900138489),
        ("Please try again in 1 minute and 5 seconds.", 65.0),
        ("Try again in 5 moons.", None),
        ("Please try again later.", None),
        ("The tool said: come back in 5s", None),
    ],
)
def test_the_words_of_an_error(message: str, seconds: float | None):
    error = UpstreamError(message)
    assert of_status(429, error, {}, NOON).retry_after == pytest.approx(seconds)
    # A message names the window that was hit; the headers name them all.
    windows = {"x-ratelimit-reset-requests": "1ms"}
    assert of_status(429, error, windows, NOON).retry_after == pytest.approx(0.001 if seconds is None else seconds)
    assert of_status(429, error, {"retry-after": "2"}, NOON).retry_after == 2.0
    assert asked({}, NOON, message=message, is_limit=False) is None


def test_a_wait_that_stands_in_the_body():
    """google.rpc, error_details.proto (`RetryInfo`)."""
    assert of_status(429, UpstreamError("No.", wait="17s"), {}, NOON).retry_after == 17.0
    assert of_status(429, UpstreamError("No. Please retry in 9s", wait="17s"), {}, NOON).retry_after == 17.0
    assert of_status(429, UpstreamError("No.", wait="17s"), {"retry-after": "3"}, NOON).retry_after == 3.0
    assert of_status(503, UpstreamError("No.", wait="10.918"), {}, NOON).retry_after == 10.918


def test_a_rate_limit_inside_a_stream_has_its_wait_too():
    limited = Failed(FaultKind.REPORTED, "Rate limit reached. Please try again in 1.2s.", code="rate_limit_exceeded")
    assert of_failed(limited).retry_after == 1.2
    assert of_failed(Failed(FaultKind.REPORTED, "Slow.", status=429, wait="3s")).retry_after == 3.0
    assert of_failed(Failed(FaultKind.REPORTED, "It broke. Please try again in 1.2s.")).retry_after is None
