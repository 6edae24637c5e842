"""The official SDKs, unmodified, get the right objects from the upstream, streamed and not."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

from proxy.demo.content import REASONING, REFUSAL, SEAL
from proxy.demo.upstream import ScriptedUpstream
from tests.demo.seeing import TOOLS

SAID = "You said: Hi there"
MESSAGES: list[Any] = [{"role": "user", "content": "Hi there"}]


class Place(BaseModel):
    city: str
    inhabitants: int


@pytest.fixture
async def gpt(upstream: ScriptedUpstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{upstream.url}/openai/v1", api_key="sk-fake", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(upstream: ScriptedUpstream) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=upstream.url, api_key="sk-fake", max_retries=0) as client:
        yield client


# Responses


async def responses_final(gpt: openai.AsyncOpenAI, model: str, stream: bool, **more: Any) -> Any:
    if not stream:
        return await gpt.responses.create(model=model, input="Hi there", **more)
    async with gpt.responses.stream(model=model, input="Hi there", **more) as events:
        numbers = [event.sequence_number async for event in events if hasattr(event, "sequence_number")]
        assert numbers == sorted(numbers)
        return await events.get_final_response()


@pytest.mark.parametrize("stream", [True, False])
async def test_responses(gpt: openai.AsyncOpenAI, stream: bool) -> None:
    answer = await responses_final(gpt, "demo+reasoning+citations", stream, include=["reasoning.encrypted_content"])
    assert answer.output_text == SAID
    reasoning, message = answer.output
    assert (reasoning.summary[0].text, reasoning.encrypted_content) == (REASONING, SEAL)
    assert [note.url for note in message.content[0].annotations] == [f"https://example.com/source/{i}" for i in (1, 2)]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert 0 < answer.usage.output_tokens_details.reasoning_tokens < answer.usage.output_tokens
    assert len(answer.id) > 50
    assert len({answer.id, reasoning.id, message.id}) == 3


@pytest.mark.parametrize("stream", [True, False])
async def test_responses_tools(gpt: openai.AsyncOpenAI, stream: bool) -> None:
    custom = {"type": "custom", "name": "note"}
    tools = [{**TOOLS["responses"][0], "strict": False}, custom]
    answer = await responses_final(gpt, "demo+tools", stream, tools=tools)
    call, note = answer.output
    assert (call.name, call.arguments, note.input) == ("weather", '{"city":"value 1"}', "input 2 for note")
    assert call.call_id.startswith("call_")
    assert call.call_id != note.call_id
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
    ]
    more: list[Any] = [{"role": "user", "content": "Hi"}, call.to_dict(), *results]
    assert (await gpt.responses.create(model="demo+tools", input=more)).output_text == "The tools said: sunny"


@pytest.mark.parametrize("stream", [True, False])
async def test_responses_structured_and_refused(gpt: openai.AsyncOpenAI, stream: bool) -> None:
    parsed = await gpt.responses.parse(model="demo", input="Hi", text_format=Place)
    assert parsed.output_parsed == Place(city="You said: Hi", inhabitants=7)
    refused = await responses_final(gpt, "demo+refusal", stream)
    assert refused.output[0].content[0].refusal == REFUSAL


async def test_every_event_of_responses_fits_its_type(gpt: openai.AsyncOpenAI) -> None:
    kinds = set()
    custom: Any = {"type": "custom", "name": "note"}
    says = ("reasoning+citations", "reasoning-raw", "refusal", "tools", "length", "error-1", "failed-1")
    for model in [f"demo+{modifiers}" for modifiers in says]:
        tools: list[Any] = [TOOLS["responses"][0], custom] if "tools" in model else []
        async for event in await gpt.responses.create(model=model, input="Hi there", stream=True, tools=tools):
            type(event).model_validate(event.to_dict())
            kinds.add(event.type)
    assert len(kinds) == 25


async def test_responses_end_early(gpt: openai.AsyncOpenAI) -> None:
    answer = await gpt.responses.create(model="demo", input="Hi there, whole world", max_output_tokens=2)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.output_text == "You said"


async def test_counting_input(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    counted = await gpt.responses.input_tokens.count(model="demo", input="Hi there")
    used = (await gpt.responses.create(model="demo", input="Hi there")).usage
    assert used is not None
    assert counted.input_tokens == used.input_tokens
    assert (await claude.messages.count_tokens(model="demo", messages=MESSAGES)).input_tokens == counted.input_tokens


# Chat


async def chat_final(gpt: openai.AsyncOpenAI, model: str, stream: bool, **more: Any) -> Any:
    if not stream:
        return await gpt.chat.completions.create(model=model, messages=MESSAGES, **more)
    options: Any = {"include_usage": True}
    async with gpt.chat.completions.stream(model=model, messages=MESSAGES, stream_options=options, **more) as events:
        async for _ in events:
            pass
        return await events.get_final_completion()


@pytest.mark.parametrize("stream", [True, False])
async def test_chat(gpt: openai.AsyncOpenAI, stream: bool) -> None:
    answer = await chat_final(gpt, "demo+reasoning", stream)
    assert answer.choices[0].message.content == SAID
    assert answer.choices[0].message.reasoning_content == REASONING
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("stream", [True, False])
async def test_chat_choices_tools_and_refusal(gpt: openai.AsyncOpenAI, stream: bool) -> None:
    several = await chat_final(gpt, "demo", stream, n=2)
    assert [choice.message.content for choice in several.choices] == [SAID, SAID + " (2)"]
    called = await chat_final(gpt, "demo+tools", stream, tools=TOOLS["chat"])
    calls = called.choices[0].message.tool_calls
    assert [(call.function.name, call.function.arguments) for call in calls] == [
        ("weather", '{"city":"value 1"}'),
        ("time", '{"city":"value 2"}'),
    ]
    assert called.choices[0].finish_reason == "tool_calls"
    assert (await chat_final(gpt, "demo+refusal", stream)).choices[0].message.refusal == REFUSAL


async def test_chat_structured(gpt: openai.AsyncOpenAI) -> None:
    parsed = await gpt.chat.completions.parse(model="demo", messages=MESSAGES, response_format=Place)
    assert parsed.choices[0].message.parsed == Place(city=SAID, inhabitants=7)


async def test_chat_without_usage_asked(gpt: openai.AsyncOpenAI) -> None:
    stream = await gpt.chat.completions.create(model="demo", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_legacy_completions(gpt: openai.AsyncOpenAI) -> None:
    whole = await gpt.completions.create(model="demo", prompt="Hi there")
    stream = await gpt.completions.create(model="demo", prompt="Hi there", stream=True)
    assert whole.choices[0].text == "".join([chunk.choices[0].text async for chunk in stream]) == SAID


async def test_embeddings_are_the_same_in_both_encodings(gpt: openai.AsyncOpenAI) -> None:
    packed = await gpt.embeddings.create(model="demo", input=["Hi", "there"], dimensions=8)
    plain = await gpt.embeddings.create(model="demo", input=["Hi", "there"], dimensions=8, encoding_format="float")
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]
    assert packed.data[0].embedding != packed.data[1].embedding
    assert sum(x * x for x in plain.data[0].embedding) == pytest.approx(1)


async def test_models(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    assert [model.id async for model in gpt.models.list()] == [model.id async for model in claude.models.list()]
    assert (await gpt.models.retrieve("some/model")).id == "some/model"
    assert (await claude.models.retrieve("demo-small")).type == "model"


# Messages


async def messages_final(claude: anthropic.AsyncAnthropic, model: str, stream: bool, **more: Any) -> Any:
    if not stream:
        return await claude.messages.create(model=model, max_tokens=500, messages=MESSAGES, **more)
    async with claude.messages.stream(model=model, max_tokens=500, messages=MESSAGES, **more) as events:
        return await events.get_final_message()


@pytest.mark.parametrize("stream", [True, False])
async def test_messages(claude: anthropic.AsyncAnthropic, stream: bool) -> None:
    answer = await messages_final(claude, "demo+reasoning+citations", stream)
    thinking, text = answer.content
    assert (thinking.thinking, thinking.signature, text.text) == (REASONING, SEAL, SAID)
    assert [each.url for each in text.citations] == [f"https://example.com/source/{i}" for i in (1, 2)]
    assert (answer.stop_reason, answer.model) == ("end_turn", "demo+reasoning+citations")
    whole_prompt = answer.usage.input_tokens + answer.usage.cache_read_input_tokens
    assert whole_prompt == (await claude.messages.count_tokens(model="demo", messages=MESSAGES)).input_tokens


@pytest.mark.parametrize("stream", [True, False])
async def test_messages_tools(claude: anthropic.AsyncAnthropic, stream: bool) -> None:
    answer = await messages_final(claude, "demo+tools", stream, tools=TOOLS["messages"])
    assert [(block.name, block.input) for block in answer.content] == [
        ("weather", {"city": "value 1"}),
        ("time", {"city": "value 2"}),
    ]
    assert answer.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": answer.content[0].id, "content": "sunny"}
    turn = [*MESSAGES, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    after = await claude.messages.create(model="demo+tools", max_tokens=99, messages=turn, tools=TOOLS["messages"])  # type: ignore[arg-type]
    assert after.content[0].text == "The tools said: sunny"  # type: ignore[union-attr]


async def test_errors_become_the_sdks_exceptions(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(openai.RateLimitError) as limited:
        await gpt.chat.completions.create(model="demo+429-retry-after-7", messages=MESSAGES)
    assert limited.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.APIError, match="server had an error"):
        [_ async for _ in await gpt.chat.completions.create(model="demo+error-2", messages=MESSAGES, stream=True)]
    with pytest.raises(anthropic.OverloadedError):
        await claude.messages.create(model="demo+529", max_tokens=9, messages=MESSAGES)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        await messages_final(claude, "demo+error-2-529", stream=True)
