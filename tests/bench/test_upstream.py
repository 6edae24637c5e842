"""The bench's upstream satisfies the official clients of all three vocabularies, at the pace its models name."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from bench.frames import WORD, stream
from bench.load import unchunk
from bench.upstream import BATCH, Pace, UnknownModelError, UpstreamProtocol, answer, pace_of, stream_script

VOCABULARIES = ("chat", "responses", "messages")


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = await asyncio.get_running_loop().create_server(UpstreamProtocol, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def payloads(wire: bytes) -> list[str]:
    frames = wire.decode().split("\n\n")
    assert frames.pop() == ""
    return [frame.rpartition("data: ")[2] for frame in frames]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_frame_is_json(vocabulary: str) -> None:
    opening, deltas, closing = stream(vocabulary, "stream-3", 3, include_usage=True)
    read = payloads(opening + b"".join(deltas) + closing)
    if vocabulary == "chat":
        assert read.pop() == "[DONE]"
    for payload in read:
        assert isinstance(json.loads(payload), dict)


@pytest.mark.parametrize(("vocabulary", "shortest"), [("chat", 280), ("responses", 280), ("messages", 120)])
def test_deltas_are_as_long_as_real_ones(vocabulary: str, shortest: int) -> None:
    delta = stream(vocabulary, "stream-1", 1, include_usage=True).deltas[0]
    assert shortest <= len(delta) <= 330


@pytest.mark.parametrize(
    ("model", "pace"),
    [
        ("fixed", Pace(1, 0, 0.0)),
        ("stream-7", Pace(7, 0, 0.0)),
        ("slow-50-20ms", Pace(50, 1, 0.02)),
        ("fast-500", Pace(500, BATCH, 0.004)),
    ],
)
def test_the_model_names_the_pace(model: str, pace: Pace) -> None:
    assert pace_of(model) == pace


@pytest.mark.parametrize("model", ["gpt-5", "stream-0", "stream-10001", "slow-5-10001ms", "slow-5", "fixed-1"])
def test_unbounded_or_unknown_models_are_refused(model: str) -> None:
    with pytest.raises(UnknownModelError):
        pace_of(model)
    assert answer(b"/v1/responses", json.dumps({"model": model}).encode()).writes[0].startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("model", ["stream-45", "slow-45-1ms", "fast-45"])
def test_the_pace_changes_no_byte_of_the_answer(model: str) -> None:
    writes = stream_script("chat", model, False).writes
    body = b"".join(writes).partition(b"\r\n\r\n")[2]
    opening, deltas, closing = stream("chat", model, 45, include_usage=False)
    assert unchunk(body) == opening + b"".join(deltas) + closing
    assert len(writes) == {"stream-45": 1, "slow-45-1ms": 46, "fast-45": 4}[model]


async def test_openai_accumulates_a_response(address: str) -> None:
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="sk-bench", max_retries=0) as client:
        async with client.responses.stream(model="slow-4-1ms", input="go") as events:
            final = await events.get_final_response()
        whole = await client.responses.create(model="stream-4", input="go")
    assert final.output_text == whole.output_text == WORD * 4
    assert final.usage is not None
    assert final.usage.output_tokens == 4


async def test_openai_accumulates_a_chat(address: str) -> None:
    question = [{"role": "user", "content": "go"}]
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="sk-bench", max_retries=0) as client:
        async with client.chat.completions.stream(
            model="fast-45",
            messages=question,  # type: ignore[arg-type]
            stream_options={"include_usage": True},
        ) as events:
            final = await events.get_final_completion()
        whole = await client.chat.completions.create(model="stream-45", messages=question)  # type: ignore[call-overload]
    assert final.choices[0].message.content == whole.choices[0].message.content == WORD * 45
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.completion_tokens == 45


async def test_anthropic_accumulates_a_message(address: str) -> None:
    async with AsyncAnthropic(base_url=address, api_key="sk-bench", max_retries=0) as client:
        question = [{"role": "user", "content": "go"}]
        async with client.messages.stream(model="stream-4", max_tokens=9, messages=question) as events:  # type: ignore[arg-type]
            final = await events.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 4
    assert await events.get_final_text() == WORD * 4


async def test_a_chunked_request_body_is_refused(address: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 411 ")
    writer.close()
