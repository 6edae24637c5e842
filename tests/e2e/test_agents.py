"""Frameworks built on the official SDKs: an agent of openai-agents and LangChain's ChatOpenAI."""

from collections.abc import AsyncIterator
from typing import Any

import agents
import openai
import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import ARGUMENTS, CHAT_TOOLS, SAID, chain


class Place(BaseModel):
    city: str


@pytest.fixture
async def clients() -> AsyncIterator[list[openai.AsyncOpenAI]]:
    opened: list[openai.AsyncOpenAI] = []
    yield opened
    for client in opened:
        await client.close()


def agent(stage: Stage, kind: Any, clients: list[openai.AsyncOpenAI]) -> Any:
    """With two tools, both of which the upstream calls at once."""
    client = openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key)
    clients.append(client)

    async def weather(city: str) -> str:
        return f"sunny in {city}"

    async def time(city: str) -> str:
        return f"noon in {city}"

    return agents.Agent(
        name="Traveller",
        instructions="Use your tools.",
        model=kind(model=stage.model, openai_client=client),
        tools=[agents.function_tool(weather), agents.function_tool(time)],
    )


kinds = pytest.mark.parametrize("kind", [agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel])
QUIET = agents.RunConfig(tracing_disabled=True)
FINAL = "The tools said: sunny in value 1; noon in value 2"


@kinds
async def test_an_agent_completes_its_run(
    open_stage: OpenStage, clients: list[openai.AsyncOpenAI], kind: Any, upstream: str, falls_back: bool
) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    result = await agents.Runner.run(agent(stage, kind, clients), "Hi there", run_config=QUIET)
    assert result.final_output == FINAL
    assert stage.asked.count("demo+tools") == 2


@kinds
async def test_an_agent_completes_its_streamed_run(
    open_stage: OpenStage, clients: list[openai.AsyncOpenAI], kind: Any, upstream: str, falls_back: bool
) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    result = agents.Runner.run_streamed(agent(stage, kind, clients), "Hi there", run_config=QUIET)
    names = [event.name async for event in result.stream_events() if event.type == "run_item_stream_event"]
    assert result.final_output == FINAL
    assert (names.count("tool_called"), names.count("tool_output")) == (2, 2)


apis = pytest.mark.parametrize("uses_responses", [False, True], ids=["chat", "responses"])


def langchain(stage: Stage, uses_responses: bool) -> ChatOpenAI:
    return ChatOpenAI(
        model=stage.model,
        base_url=f"{stage.url}/v1",
        api_key=SecretStr(stage.key),
        use_responses_api=uses_responses,
    )


@apis
def test_langchain(open_stage: OpenStage, uses_responses: bool, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    model = langchain(stage, uses_responses)
    answer = model.invoke("Hi there")
    assert answer.text == SAID
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    assert "".join(chunk.text for chunk in model.stream("Hi there")) == SAID
    assert model.with_structured_output(Place).invoke("Hi there") == Place(city=SAID)


@apis
def test_langchain_with_tools(open_stage: OpenStage, uses_responses: bool, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back, "tools"))
    model = langchain(stage, uses_responses).bind_tools(CHAT_TOOLS)
    question = HumanMessage("Hi there")
    asked = model.invoke([question])
    assert [call["name"] for call in asked.tool_calls] == [name for name, _ in ARGUMENTS]
    assert [call["args"] for call in asked.tool_calls] == [{"city": "value 1"}, {"city": "value 2"}]
    results = [
        ToolMessage(said, tool_call_id=call["id"])
        for call, said in zip(asked.tool_calls, ("sunny", "noon"), strict=True)
    ]
    assert model.invoke([question, asked, *results]).text == "The tools said: sunny; noon"
