"""openai-python speaks Responses through Segue to every upstream, with and without a fallback."""

from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from proxy.demo.content import REASONING, REFUSAL, SEAL
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import ARGUMENTS, IMAGE, IMPATIENT, REASONS, RESPONSES_TOOLS, SAID, chain, dying, served_by

Gpt = Callable[[Stage], openai.OpenAI]


class Place(BaseModel):
    city: str


def create(client: openai.OpenAI, **question: Any) -> Any:
    return client.responses.create(**question)


def iterate(client: openai.OpenAI, **question: Any) -> Any:
    """The finished object; what the events said on the way must agree with it."""
    events = list(client.responses.create(**question, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    final = events[-1].response
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == final.output_text
    done = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
    assert done == [item.to_dict() for item in final.output]
    return final


def accumulate(client: openai.OpenAI, **question: Any) -> Any:
    with client.responses.stream(**question) as events:
        return events.get_final_response()


ways = pytest.mark.parametrize("way", [create, iterate, accumulate])


def calls_of(response: Any) -> list[Any]:
    return [item for item in response.output if item.type == "function_call"]


@ways
def test_text(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    answer = way(gpt(stage), model=stage.model, input="Hi there", metadata={"a": "b"}, temperature=0.5)
    assert (answer.output_text, answer.status, answer.model) == (SAID, "completed", stage.model)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == stage.tokens_of("demo")
    assert (answer.metadata, answer.temperature, answer.store) == ({"a": "b"}, 0.5, False)
    assert answer.segue["served_by"] == served_by(upstream) == stage.seen[0].served_by
    outcomes = [attempt["outcome"] for attempt in answer.segue["attempts"]]
    assert outcomes == (["failed", "failed", "served"] if falls_back else ["served"])
    assert len(stage.asked) == (3 if falls_back else 1), "what failed is tried once more"


@ways
def test_parallel_tools_and_their_results(
    open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool
) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    answer = way(gpt(stage), model=stage.model, input="Hi there", tools=RESPONSES_TOOLS)
    calls = calls_of(answer)
    assert [(call.name, call.arguments) for call in calls] == ARGUMENTS
    assert len({call.call_id for call in calls} | {call.id for call in calls}) == 4
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": said}
        for call, said in zip(calls, ("sunny", "noon"), strict=True)
    ]
    turn = [{"role": "user", "content": "Hi there"}, *(item.to_dict() for item in answer.output), *results]
    assert way(gpt(stage), model=stage.model, input=turn, tools=RESPONSES_TOOLS).output_text == (
        "The tools said: sunny; noon"
    )


@ways
def test_reasoning_there_and_back(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str, falls_back: bool) -> None:
    """What proves the reasoning leaves under our seal, and returns to its issuer as it was."""
    stage = open_stage(*chain(upstream, falls_back, "reasoning"))
    asked: Any = {"model": stage.model, "include": ["reasoning.encrypted_content"]}
    answer = way(gpt(stage), input="Hi there", **asked)
    reasoning, message = answer.output
    assert (reasoning.type, reasoning.summary[0].text) == ("reasoning", REASONING)
    assert message.content[0].text == SAID
    turn = [
        {"role": "user", "content": "Hi there"},
        *(item.to_dict() for item in answer.output),
        {"role": "user", "content": "And now?"},
    ]
    assert way(gpt(stage), input=turn, **asked).output_text == "You said: And now?"
    assert not any(b"sg1." in exchange.raw for exchange in stage.requests)


@ways
def test_reasoning_returns_to_who_reasoned_and_to_nobody_else(open_stage: OpenStage, gpt: Gpt, way: Any) -> None:
    """The same provider with another credential is somebody else."""
    stage = open_stage(("openai", "demo+reasoning"), ("other-responses", "demo+reasoning"))
    asked: Any = {"model": stage.model, "include": ["reasoning.encrypted_content"]}
    turn = next_turn(way(gpt(stage), input="Hi there", **asked), "sg1.")
    way(gpt(stage), input=turn, **asked)
    assert [item.get("encrypted_content") for item in stage.requests[-1].body["input"]] == [None, SEAL, None, None]
    stage.upstream.behave("demo+reasoning", "503", times=2)
    assert way(gpt(stage), input=turn, **asked).output_text == "You said: And now?"
    other = stage.requests[-1]
    assert other.credentials == {"authorization": "Bearer sk-fake-other-responses"}
    assert [item.get("type", "message") for item in other.body["input"]] == ["message"] * 3
    assert SEAL.encode() not in other.raw
    assert b"sg1." not in other.raw


@ways
def test_reasoning_of_another_vocabulary_returns_to_it(open_stage: OpenStage, gpt: Gpt, way: Any) -> None:
    stage = open_stage(("anthropic", "demo+reasoning"))
    asked: Any = {"model": stage.model, "include": ["reasoning.encrypted_content"]}
    turn = next_turn(way(gpt(stage), input="Hi there", **asked), "sg1.")
    assert way(gpt(stage), input=turn, **asked).output_text == "You said: And now?"
    assert stage.requests[-1].body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": REASONING, "signature": SEAL},
        {"type": "text", "text": SAID},
    ]


def next_turn(answer: Any, seal: str) -> Any:
    assert answer.output[0].encrypted_content.startswith(seal)
    said = [{"role": "user", "content": "Hi there"}, *(item.to_dict() for item in answer.output)]
    return [*said, {"role": "user", "content": "And now?"}]


@ways
def test_the_output_limit(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False))
    question: Any = {"model": stage.model, "input": "Hi there", "max_output_tokens": 2}
    if way is accumulate:
        with pytest.raises(RuntimeError, match=r"response\.completed"):
            way(gpt(stage), **question)
        return
    answer = way(gpt(stage), **question)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.output_text == SAID[:8]


@ways
def test_a_refusal(open_stage: OpenStage, gpt: Gpt, way: Any, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False, "refusal"))
    answer = way(gpt(stage), model=stage.model, input="Hi there")
    part = answer.output[0].content[0]
    assert getattr(part, "refusal", None) or part.text == REFUSAL
    assert part.type == ("output_text" if upstream == "messages" else "refusal")


def test_structured_output(open_stage: OpenStage, gpt: Gpt, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    question: Any = {"model": stage.model, "input": "Hi there", "text_format": Place}
    assert gpt(stage).responses.parse(**question).output_parsed == Place(city=SAID)
    with gpt(stage).responses.stream(**question) as events:
        assert events.get_final_response().output_parsed == Place(city=SAID)


def test_an_image_arrives_untouched(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    stage = open_stage(*chain(upstream, False))
    content = [{"type": "input_text", "text": "Hi there"}, {"type": "input_image", "image_url": IMAGE}]
    question: Any = [{"role": "user", "content": content}]
    assert gpt(stage).responses.create(model=stage.model, input=question).output_text == SAID
    assert IMAGE.partition(",")[2].encode() in stage.requests[0].raw
    assert (IMAGE.encode() in stage.requests[0].raw) is (upstream != "messages")


def test_the_stream_tells_of_the_fallback(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    stage = open_stage(*chain(upstream, True))
    events: list[Any] = list(gpt(stage).responses.create(model=stage.model, input="Hi there", stream=True))
    (notice,) = [event for event in events if event.type == "segue:fallback_start"]
    dead, dying_model = dying(upstream)
    assert (notice.from_model, notice.to_model) == (f"{dead}/{dying_model}", served_by(upstream))
    assert notice.reason == REASONS[dead]
    assert [event.type for event in events][:3] == ["response.created", "response.in_progress", "segue:fallback_start"]


@pytest.mark.parametrize("cut", ["cut-2", "eof-2", "error-2", "malformed2-2", "stall-2"])
def test_a_stream_that_breaks_never_looks_complete(open_stage: OpenStage, gpt: Gpt, upstream: str, cut: str) -> None:
    stage = open_stage(*chain(upstream, False, cut), defaults=IMPATIENT)
    events = list(gpt(stage).responses.create(model=stage.model, input="Hi there", stream=True))
    assert [event.delta for event in events if event.type == "response.output_text.delta"] == ["You", " sai"]
    assert events[-1].type == "response.failed"
    assert events[-1].response.status == "failed"
    assert events[-1].response.error is not None
    assert events[-1].response.error.code == "server_error"
    with pytest.raises(RuntimeError, match=r"response\.completed"):
        accumulate(gpt(stage), model=stage.model, input="Hi there")
