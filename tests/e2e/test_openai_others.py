"""openai-python at the endpoints beside generation, and the asynchronous client at all of them."""

from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.e2e.configuration import VOCABULARIES
from tests.e2e.harness import OpenStage, Stage
from tests.e2e.plays import MESSAGES, SAID, chain

Gpt = Callable[[Stage], openai.OpenAI]


@pytest.mark.parametrize("first", ["demo", "demo+503"])
def test_embeddings(open_stage: OpenStage, gpt: Gpt, first: str) -> None:
    """The SDK asks for base64 by itself and decodes it."""
    stage = open_stage(("chat", first), ("openai", "demo"))
    packed = gpt(stage).embeddings.create(model=stage.model, input=["Hi", "there"], dimensions=8)
    plain = gpt(stage).embeddings.create(
        model=stage.model, input=["Hi", "there"], dimensions=8, encoding_format="float"
    )
    assert [each.embedding for each in packed.data] == [each.embedding for each in plain.data]
    assert [len(each.embedding) for each in packed.data] == [8, 8]
    assert packed.model == stage.model
    assert stage.requests[0].body["encoding_format"] == "base64"


def test_models(open_stage: OpenStage, gpt: Gpt) -> None:
    stage = open_stage(routes={"plain": [("chat", "demo")], "with/slash:tag": [("chat", "demo")]})
    client = gpt(stage)
    assert sorted(model.id for model in client.models.list()) == ["plain", "with/slash:tag"]
    assert client.models.retrieve("with/slash:tag").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("none")


def test_counting_tokens(open_stage: OpenStage, gpt: Gpt, upstream: str) -> None:
    """Asked of a provider that counts, estimated otherwise."""
    stage = open_stage(routes={"counted": [("openai", "demo")], "estimated": [(upstream, "demo")]})
    counted = gpt(stage).responses.input_tokens.count(model="counted", input="Hi there")
    assert counted.input_tokens == 5
    assert (stage.requests[0].path, stage.requests[0].body["model"]) == ("/v1/responses/input_tokens", "demo")
    estimated = gpt(stage).responses.input_tokens.count(model="estimated", input="Hi there")
    assert 0 < estimated.input_tokens < 50
    assert len(stage.requests) == 1


def test_legacy_completions(open_stage: OpenStage, gpt: Gpt, upstream: str, falls_back: bool) -> None:
    stage = open_stage(*chain(upstream, falls_back))
    whole = gpt(stage).completions.create(model=stage.model, prompt="Hi there")
    chunks = list(gpt(stage).completions.create(model=stage.model, prompt="Hi there", stream=True))
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks) == SAID
    assert whole.object == "text_completion"
    assert {chunk.model for chunk in chunks} == {stage.model}


async def test_the_asynchronous_client(open_stage: OpenStage, upstream: str, falls_back: bool) -> None:
    """Chat and Responses, created, streamed and accumulated."""
    stage = open_stage(*chain(upstream, falls_back))
    chat: Any = {"model": stage.model, "messages": MESSAGES}
    responses: Any = {"model": stage.model, "input": "Hi there"}
    async with openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key) as client:
        assert (await client.chat.completions.create(**chat)).choices[0].message.content == SAID
        chunks = [chunk async for chunk in await client.chat.completions.create(**chat, stream=True)]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == SAID
        async with client.chat.completions.stream(**chat) as accumulated:
            assert (await accumulated.get_final_completion()).choices[0].message.content == SAID
        assert (await client.responses.create(**responses)).output_text == SAID
        events = [event async for event in await client.responses.create(**responses, stream=True)]
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == SAID
        async with client.responses.stream(**responses) as collected:
            assert (await collected.get_final_response()).output_text == SAID


async def test_the_asynchronous_client_that_leaves(open_stage: OpenStage, upstream: str) -> None:
    """The upstream is told at once, and nothing stays behind."""
    stage = open_stage((upstream, "demo+long-1000+delay-20"))
    async with openai.AsyncOpenAI(base_url=f"{stage.url}/v1", api_key=stage.key) as client:
        stream = await client.chat.completions.create(model=stage.model, messages=MESSAGES, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
    stage.settle()
    assert [exchange.outcome for exchange in stage.requests] == ["disconnected"]
    assert stage.metric("segue_requests_total", outcome="cancelled") == 1


def test_every_vocabulary_counts_the_same_tokens(open_stage: OpenStage, gpt: Gpt) -> None:
    """Whoever answers, and whoever asks."""
    stage = open_stage(routes={vocabulary: [(vocabulary, "demo")] for vocabulary in VOCABULARIES})
    used = set()
    for route in VOCABULARIES:
        chat = gpt(stage).chat.completions.create(model=route, messages=MESSAGES).usage
        responses = gpt(stage).responses.create(model=route, input="Hi there").usage
        assert chat is not None
        assert responses is not None
        used |= {(chat.prompt_tokens, chat.completion_tokens), (responses.input_tokens, responses.output_tokens)}
    assert len(used) == 1
    assert stage.metric("segue_tokens_total", kind="input") == 6 * next(iter(used))[0]
