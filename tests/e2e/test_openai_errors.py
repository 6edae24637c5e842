"""What openai-python raises when Segue refuses or no candidate can answer, and that it does not run the chain again."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.e2e.configuration import VOCABULARIES, Pair
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import MESSAGES, SAID, chain

Gpt = Callable[[Stage], openai.OpenAI]


def ask_chat(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=MESSAGES, **more)


def ask_responses(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.responses.create(model=model, input="Hi there", **more)


both = pytest.mark.parametrize("ask", [ask_chat, ask_responses])
streamed = pytest.mark.parametrize("stream", [False, True])


@both
@streamed
def test_a_wrong_key(open_stage: OpenStage, ask: Any, stream: bool) -> None:
    stage = open_stage(("chat", "demo"))
    with (
        openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sg-wrong") as client,
        pytest.raises(openai.AuthenticationError) as raised,
    ):
        ask(client, stage.model, stream=stream)
    assert raised.value.code == "invalid_api_key"
    assert (stage.asked, len(stage.seen)) == ([], 1)


@both
@streamed
def test_an_unknown_model(open_stage: OpenStage, gpt: Gpt, ask: Any, stream: bool) -> None:
    stage = open_stage(("chat", "demo"))
    with pytest.raises(openai.NotFoundError, match="no-such-model") as raised:
        ask(gpt(stage), "no-such-model", stream=stream)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert (stage.asked, len(stage.seen)) == ([], 1)


@pytest.mark.parametrize(
    ("ask", "wrong", "named"),
    [
        (ask_chat, {"extra_body": {"temperature": "hot"}}, "temperature"),
        (ask_chat, {"extra_body": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}}, "messages[0]"),
        (ask_responses, {"extra_body": {"temperature": "hot"}}, "temperature"),
        (ask_responses, {"previous_response_id": "resp_1"}, "previous_response_id"),
        (ask_responses, {"background": True}, "background"),
    ],
)
def test_a_wrong_field_is_named(open_stage: OpenStage, gpt: Gpt, ask: Any, wrong: dict[str, Any], named: str) -> None:
    stage = open_stage(("chat", "demo"))
    with pytest.raises(openai.BadRequestError) as raised:
        ask(gpt(stage), stage.model, **wrong)
    assert (raised.value.param or "").startswith(named)
    assert (stage.asked, len(stage.seen)) == ([], 1)


@both
@streamed
def test_everybody_is_rate_limited(open_stage: OpenStage, gpt: Gpt, ask: Any, stream: bool) -> None:
    """With a wait too long to sit out: each candidate is asked once, though the SDK would retry by itself."""
    stage = open_stage(*((vocabulary, "demo+429-retry-after-30") for vocabulary in VOCABULARIES))
    with pytest.raises(openai.RateLimitError) as raised:
        ask(gpt(stage), stage.model, stream=stream)
    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert 25 <= int(raised.value.response.headers["retry-after"]) <= 30
    assert stage.asked == ["demo+429-retry-after-30"] * 3


@both
@streamed
@pytest.mark.parametrize(
    ("death", "tries"), [("503", 2), ("401", 1), ("html-200", 2), ("error-200", 2), ("billing", 1), ("reset", 2)]
)
def test_nobody_can_answer(open_stage: OpenStage, gpt: Gpt, ask: Any, stream: bool, death: str, tries: int) -> None:
    """Masked, and never tried again by the SDK."""
    stage = open_stage(("responses", f"demo+{death}"), ("messages", f"demo+{death}"))
    with pytest.raises(openai.InternalServerError) as raised:
        ask(gpt(stage), stage.model, stream=stream)
    assert raised.value.status_code == 502
    assert stage.asked == [f"demo+{death}"] * 2 * tries
    assert "127.0.0.1" not in str(raised.value)


@both
@streamed
def test_the_callers_own_fault_comes_back_at_once(
    open_stage: OpenStage, gpt: Gpt, ask: Any, stream: bool, upstream: str
) -> None:
    stage = open_stage((upstream, "demo+context-overflow"), (f"other-{upstream}", "demo+context-overflow"))
    with pytest.raises(openai.BadRequestError) as raised:
        ask(gpt(stage), stage.model, stream=stream)
    assert raised.value.code == "context_length_exceeded"
    assert len(stage.asked) == 1


def test_fallbacks_can_be_switched_off(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    stage = open_stage(*chain(upstream, True))
    with pytest.raises(openai.InternalServerError):
        ask_chat(gpt(stage), stage.model, extra_headers={"segue-fallbacks": "off"})
    assert "demo" not in stage.asked


def test_a_short_wait_is_left_to_the_sdk(open_stage: OpenStage, gpt: Gpt) -> None:
    """Once it has been sat out already, and in vain."""
    stage = open_stage(("chat", "demo"))
    stage.upstream.behave("demo", "429-retry-after-1", times=2)
    assert ask_chat(gpt(stage), stage.model).choices[0].message.content == SAID
    assert [each.status for each in stage.seen] == [429, 200]
    assert "x-should-retry" not in stage.seen[0].headers
    assert stage.metric("segue_client_retries_total") == 1


def eager(*pairs: Pair) -> dict[str, Any]:
    return {Stage.model: {"candidates": pairs, "announce": "eager"}}


def test_nobody_can_answer_though_the_stream_is_open(open_stage: OpenStage, gpt: Gpt) -> None:
    """With `announce: eager` the status is 200 before anybody was asked."""
    stage = open_stage(routes=eager(("responses", "demo+503"), ("chat", "demo+cut-0")))
    events = list(ask_responses(gpt(stage), stage.model, stream=True))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "segue:fallback_start",
        "segue:fallback_exhausted",
        "response.failed",
    ]
    with pytest.raises(openai.APIError):
        list(ask_chat(gpt(stage), stage.model, stream=True))
    assert [each.status for each in stage.seen] == [200, 200]
    assert stage.metric("segue_chains_exhausted_total") == 2
