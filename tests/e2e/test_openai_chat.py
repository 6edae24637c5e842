"""openai-python speaks Chat Completions through Segue to every upstream, with and without a fallback."""

import collections
from collections.abc import Callable
from typing import Any, NamedTuple

import openai
import pytest
from pydantic import BaseModel

from proxy.demo.content import REASONING
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import ARGUMENTS, CHAT_TOOLS, IMAGE, IMPATIENT, MESSAGES, SAID, chain, served_by

Gpt = Callable[[Stage], openai.OpenAI]
WITH_USAGE: Any = {"include_usage": True}


class Place(BaseModel):
    city: str


class Told(NamedTuple):
    """What a program would have understood."""

    text: str | None
    finish: str | None
    calls: list[tuple[str, str]]
    call_ids: list[str]
    reasoning: str
    tokens: int
    model: str


def create(client: openai.OpenAI, **question: Any) -> Told:
    return told(client.chat.completions.create(**question))


def accumulate(client: openai.OpenAI, **question: Any) -> Told:
    with client.chat.completions.stream(**question, stream_options=WITH_USAGE) as events:
        for _ in events:
            pass
        return told(events.get_final_completion())


def told(completion: Any) -> Told:
    (choice,) = completion.choices
    calls = choice.message.tool_calls or []
    return Told(
        choice.message.content or "",
        choice.finish_reason,
        [(call.function.name, call.function.arguments) for call in calls],
        [call.id for call in calls],
        getattr(choice.message, "reasoning_content", None) or "",
        completion.usage.total_tokens,
        completion.model,
    )


def iterate(client: openai.OpenAI, **question: Any) -> Told:
    """As most programs do: by hand."""
    text, reasoning, finish, tokens, model = "", "", None, 0, ""
    calls: dict[int, dict[str, str]] = {}
    for chunk in client.chat.completions.create(**question, stream=True, stream_options=WITH_USAGE):
        model = chunk.model
        tokens = chunk.usage.total_tokens if chunk.usage else tokens
        for choice in chunk.choices:
            assert finish is None
            finish = choice.finish_reason
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            for part in choice.delta.tool_calls or []:
                call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
                call["arguments"] += part.function.arguments or ""
    pairs = [(call["name"], call["arguments"]) for _, call in sorted(calls.items())]
    return Told(text, finish, pairs, [call["id"] for call in calls.values()], reasoning, tokens, model)


ways = pytest.mark.parametrize("way", [create, iterate, accumulate])


@ways
def test_text(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    answer = way(gpt(stage), model=stage.model, messages=MESSAGES)
    assert (answer.text, answer.finish, answer.model) == (SAID, "stop", stage.model)
    assert answer.tokens == sum(stage.tokens_of("demo"))
    assert len(stage.asked) == (3 if falls_back else 1), "what failed is tried once more"
    assert stage.seen[0].served_by == served_by(upstream)


@ways
def test_parallel_tools_and_their_results(
    open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool
) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    question: Any = {"model": stage.model, "messages": MESSAGES, "tools": CHAT_TOOLS}
    answer = way(gpt(stage), **question)
    assert (answer.calls, answer.finish) == (ARGUMENTS, "tool_calls")
    assert len(set(answer.call_ids)) == 2
    calls = [
        {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for call_id, (name, arguments) in zip(answer.call_ids, answer.calls, strict=True)
    ]
    results = [
        {"role": "tool", "tool_call_id": call_id, "content": said}
        for call_id, said in zip(answer.call_ids, ("sunny", "noon"), strict=True)
    ]
    question["messages"] = [*MESSAGES, {"role": "assistant", "tool_calls": calls}, *results]
    assert way(gpt(stage), **question).text == "The tools said: sunny; noon"


@ways
def test_reasoning(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back, "reasoning"))
    answer = way(gpt(stage), model=stage.model, messages=MESSAGES)
    assert (answer.reasoning, answer.text) == (REASONING, SAID)


@pytest.mark.parametrize("way", [create, iterate])  # the accumulator raises LengthFinishReasonError, as it should
def test_the_output_limit(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False))
    answer = way(gpt(stage), model=stage.model, messages=MESSAGES, max_completion_tokens=2)
    assert (answer.text, answer.finish) == (SAID[:8], "length")


def test_structured_output(open_stage: OpenStage, gpt: Gpt, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    question: Any = {"model": stage.model, "messages": MESSAGES, "response_format": Place}
    assert gpt(stage).chat.completions.parse(**question).choices[0].message.parsed == Place(city=SAID)
    with gpt(stage).chat.completions.stream(**question) as events:
        assert events.get_final_completion().choices[0].message.parsed == Place(city=SAID)


def test_an_image_arrives_untouched(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False))
    picture: Any = {"type": "image_url", "image_url": {"url": IMAGE}}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Hi there"}, picture]}]
    assert create(gpt(stage), model=stage.model, messages=messages).text == SAID
    assert IMAGE.partition(",")[2].encode() in stage.requests[0].raw
    assert (IMAGE.encode() in stage.requests[0].raw) is (upstream != "messages")


def test_without_usage_asked_there_is_none(open_stage: OpenStage, gpt: Gpt, upstream: str, falls_back: bool) -> None:
    """And no chunk without choices: programs write `chunk.choices[0]`."""
    stage = open_stage(*chain(upstream, falls_back))
    chunks = list(gpt(stage).chat.completions.create(model=stage.model, messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert stage.tokens_of("demo")[0] > 0


@pytest.mark.parametrize("cut", ["cut-2", "eof-2", "error-2", "malformed2-2", "stall-2"])
def test_a_stream_that_breaks_raises(open_stage: OpenStage, gpt: Gpt, upstream: str, cut: str) -> None:
    stage = open_stage(*chain(upstream, False, cut), defaults=IMPATIENT)
    stream = gpt(stage).chat.completions.create(model=stage.model, messages=MESSAGES, stream=True)
    chunks: list[Any] = []
    with pytest.raises(openai.APIError):
        collections.deque(map(chunks.append, stream))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID[:7]
    assert len(stage.asked) == 1
    assert b"[DONE]" not in stage.seen[0].content


@pytest.mark.parametrize(
    ("silence", "detail"),
    [("hang", "headers_timeout"), ("hang-body", "ttft_timeout"), ("stall-0", "ttft_timeout")],
)
def test_a_silent_candidate_is_left(open_stage: OpenStage, gpt: Gpt, silence: str, detail: str) -> None:
    stage = open_stage(("chat", f"demo+{silence}"), ("messages", "demo"), defaults=IMPATIENT)
    assert iterate(gpt(stage), model=stage.model, messages=MESSAGES).text == SAID
    attempts = [payload["segue"]["attempts"] for payload in stage.seen[0].payloads if "segue" in payload]
    assert [(each["reason"], each["detail"]) for each in attempts[0][:1]] == [("network_error", detail)]
    stage.settle()
    assert [exchange.outcome for exchange in stage.requests] == ["disconnected", "disconnected", "finished"]
