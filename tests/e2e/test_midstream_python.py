"""Answers that break and go on: openai-python, anthropic-python, openai-agents and LangChain read one whole answer, by
every way of theirs to read a stream; and after a restart that was asked for, they end with the new one."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import agents
import anthropic
import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.e2e.breaks import HEIRS, RESTART, WAYS, broken, open_breaking
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import MESSAGES, SAID

Gpt = Callable[[Stage], openai.OpenAI]
Claude = Callable[[Stage], anthropic.Anthropic]

heirs = pytest.mark.parametrize("heir", HEIRS)
VOID = "word0 word1 word2 "


@pytest.fixture(params=["continue", "restart"])
def opened(open_stage: OpenStage, upstream: str, request: pytest.FixtureRequest) -> Callable[[str, str], Stage]:
    """A stage whose answers break; its route says `continue`, or `restart`, for which these clients did not ask."""

    def opened(heir: str, way: str = "cut-3") -> Stage:
        return open_breaking(open_stage, {Stage.model: broken(upstream, heir, way)}, request.param)

    return opened


def gone_on(stage: Stage) -> None:
    """The answers were put together from two, and nothing was taken back."""
    assert stage.asked.count("second+prefill") == len(stage.seen)
    assert not any(b'"discard":true' in each.content for each in stage.seen)


@heirs
@pytest.mark.parametrize("way", WAYS)
def test_openai_responses(opened: Any, gpt: Gpt, heir: str, way: str) -> None:
    stage = opened(heir, way)
    question: Any = {"model": stage.model, "input": "Hi there"}
    events = list(gpt(stage).responses.create(**question, stream=True))
    final = events[-1].response
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
    assert [event.text for event in events if event.type == "response.output_text.done"] == [SAID]
    assert [event.item.to_dict() for event in events if event.type == "response.output_item.done"] == [
        item.to_dict() for item in final.output
    ]
    assert (final.output_text, final.status) == (SAID, "completed")
    with gpt(stage).responses.stream(**question) as accumulated:
        snapshots = [event.snapshot for event in accumulated if event.type == "response.output_text.delta"]
        assert accumulated.get_final_response().output_text == snapshots[-1] == SAID
    gone_on(stage)


@heirs
@pytest.mark.parametrize("way", WAYS)
def test_openai_chat(opened: Any, gpt: Gpt, heir: str, way: str) -> None:
    stage = opened(heir, way)
    question: Any = {"model": stage.model, "messages": MESSAGES}
    chunks = list(gpt(stage).chat.completions.create(**question, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == SAID
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    with gpt(stage).chat.completions.stream(**question, stream_options={"include_usage": True}) as accumulated:
        for _ in accumulated:
            pass
        completion = accumulated.get_final_completion()
    assert completion.choices[0].message.content == SAID
    assert completion.usage.completion_tokens > 0
    gone_on(stage)


@heirs
@pytest.mark.parametrize("way", WAYS)
def test_anthropic(opened: Any, claude: Claude, heir: str, way: str) -> None:
    stage = opened(heir, way)
    question: Any = {"model": stage.model, "messages": MESSAGES, "max_tokens": 500}
    with claude(stage).messages.stream(**question) as accumulated:
        assert "".join(accumulated.text_stream) == SAID
        message = accumulated.get_final_message()
    assert ([block.text for block in message.content], message.stop_reason) == ([SAID], "end_turn")
    assert message.usage.output_tokens > 0
    gone_on(stage)


@pytest.fixture
async def clients() -> AsyncIterator[list[openai.AsyncOpenAI]]:
    made: list[openai.AsyncOpenAI] = []
    yield made
    for client in made:
        await client.close()


@heirs
@pytest.mark.parametrize("kind", [agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel])
async def test_agents(opened: Any, clients: list[openai.AsyncOpenAI], heir: str, kind: Any) -> None:
    stage = opened(heir)
    clients.append(openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key))
    agent = agents.Agent(name="Traveller", model=kind(model=stage.model, openai_client=clients[0]))
    run = agents.Runner.run_streamed(agent, "Hi there", run_config=agents.RunConfig(tracing_disabled=True))
    deltas = [
        event.data.delta
        async for event in run.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert "".join(deltas) == SAID
    assert run.final_output == SAID
    gone_on(stage)


@heirs
@pytest.mark.parametrize("uses_responses", [False, True], ids=["chat", "responses"])
def test_langchain(opened: Any, heir: str, uses_responses: bool) -> None:
    stage = opened(heir)
    model = ChatOpenAI(
        model=stage.model,
        base_url=f"{stage.url}/v1",
        api_key=SecretStr(stage.key),
        use_responses_api=uses_responses,
    )
    chunks = list(model.stream("Hi there"))
    assert "".join(chunk.text for chunk in chunks) == SAID
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.text == SAID
    gone_on(stage)


def restarting(open_stage: OpenStage, upstream: str) -> Stage:
    """The void answer says something else than the one that stands."""
    first, second = broken(upstream, "chat")
    return open_breaking(open_stage, {Stage.model: [first | {"model": "first+long-9+cut-3"}, second]}, "restart")


def test_openai_responses_after_a_restart(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    """The finished object, both ways to it, and whoever reads items when they are done."""
    stage = restarting(open_stage, upstream)
    client = gpt(stage).with_options(default_headers=RESTART)
    question: Any = {"model": stage.model, "input": "Hi there"}
    events = list(client.responses.create(**question, stream=True))
    final = events[-1].response
    assert (final.output_text, final.status) == (SAID, "completed")
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.to_dict() for item in done] == [item.to_dict() for item in final.output]
    assert [(item.status, [part.text for part in item.content]) for item in done] == [
        ("incomplete", []),
        ("completed", [SAID]),
    ]
    with client.responses.stream(**question) as accumulated:
        assert accumulated.get_final_response().output_text == SAID
    again = [{"role": "user", "content": "Hi there"}, *(item.to_dict() for item in final.output)]
    assert client.responses.create(model=stage.model, input=[*again, {"role": "user", "content": "And?"}]).output_text
    assert VOID.strip() not in str(stage.requests[-1].body)


def test_openai_chat_after_a_restart(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    """The chunk that says so is one every program can read; who asked starts again with it."""
    stage = restarting(open_stage, upstream)
    client = gpt(stage).with_options(default_headers=RESTART)
    text, restarts = "", 0
    for chunk in client.chat.completions.create(model=stage.model, messages=MESSAGES, stream=True):
        if "fallback_start" in (getattr(chunk, "segue", None) or {}):
            text, restarts = "", restarts + 1
        text += chunk.choices[0].delta.content or ""
    assert (text, restarts) == (SAID, 1)


def test_anthropic_after_a_restart(open_stage: OpenStage, claude: Claude, upstream: str) -> None:
    """The void blocks stay where they are; the answer is what stands behind the last of them. The raw events say which
    that is; the helper's events leave out what they do not know."""
    stage = restarting(open_stage, upstream)
    client = claude(stage).with_options(default_headers=RESTART)
    question: Any = {"model": stage.model, "messages": MESSAGES, "max_tokens": 500}
    voided = [
        event.index
        for event in client.messages.create(**question, stream=True)
        if event.type == "content_block_stop" and (getattr(event, "segue", None) or {}).get("void")
    ]
    assert voided == [0]
    with client.messages.stream(**question) as accumulated:
        message = accumulated.get_final_message()
    assert [block.text for block in message.content] == [VOID, SAID]
