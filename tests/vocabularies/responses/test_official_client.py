"""The unmodified official Python client, its accumulator included, on what we encode, relay and mend."""

from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import Response

from proxy.canonical.events import Failed
from proxy.errors import StreamBroken
from proxy.vocabularies.responses.vocabulary import RESPONSES
from tests.vocabularies.responses.corpus import STREAMS, WHOLE, decoded, events_of, frames, head, peer, wire

COMPLETED = [name for name in WHOLE if not name.startswith("incomplete")]


def client(body: bytes) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(
        api_key="not-a-key",
        base_url="http://segue.test/v1",
        http_client=httpx2.Client(transport=transport),
        max_retries=0,
    )


def final(body: bytes, **arguments: Any) -> Response:
    """What the accumulator makes of `body`."""
    with client(body).responses.stream(model="smart", input="hi", **arguments) as stream:
        return stream.get_final_response()


def relayed(stream: bytes, notices: str = "comments") -> bytes:
    return RESPONSES.encoder(head(notices)).relay(decoded(stream))


def encoded(stream: bytes) -> bytes:
    return RESPONSES.encoder(head()).encode([e for e in events_of(stream) if not isinstance(e, Failed)])


@pytest.mark.parametrize("write", [relayed, encoded])
@pytest.mark.parametrize("name", COMPLETED)
def test_the_accumulator_takes_the_whole_stream(name: str, write: Any):
    answer = final(write(STREAMS[name]))
    told = frames(STREAMS[name])[-1]["response"]["output"]
    texts = [part["text"] for item in told for part in item.get("content") or () if part["type"] == "output_text"]
    assert answer.status == "completed"
    assert answer.model == "smart"
    assert answer.output_text == "".join(texts)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_parallel_calls_reach_the_client():
    for write in (relayed, encoded):
        calls = [item for item in final(write(STREAMS["parallel_tools"])).output if item.type == "function_call"]
        assert [(call.name, call.arguments) for call in calls] == [
            ("get_weather", '{"city":"Köln"}'),
            ("get_time", "{}"),
        ]
        assert calls[0].call_id == "call_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8"


def test_the_accumulator_takes_every_event_it_is_given():
    for name in COMPLETED:
        with client(relayed(STREAMS[name])).responses.stream(model="smart", input="hi") as stream:
            kinds = [event.type for event in stream]
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-1] == "response.completed"


def test_extension_events_pass_the_python_accumulator():
    answer = final(relayed(STREAMS["text"], notices="events"))
    assert answer.output_text.startswith("Guten Tag")


@pytest.mark.parametrize(
    "kept",
    [
        ("response.output_text.delta", "response.completed"),
        ("response.output_item.added", "response.output_text.delta", "response.completed"),
        ("response.output_item.done", "response.completed"),
        ("response.completed",),
        ("response.created", "response.output_item.done", "response.completed"),
    ],
)
def test_r05_a_stream_with_holes_is_mended(kept: tuple[str, ...]):
    holed = wire(*[payload for payload in frames(STREAMS["text"]) if payload["type"] in kept])
    assert final(relayed(holed)).output_text == final(relayed(STREAMS["text"])).output_text


def test_a_failure_is_yielded_with_its_error():
    encoder = RESPONSES.encoder(head())
    whole = decoded(STREAMS["text"])
    body = encoder.relay(whole[:6]) + encoder.fail(StreamBroken("The answer broke off.", detail="stalled"))
    events = list(client(body).responses.create(model="smart", input="hi", stream=True))
    assert events[-1].type == "response.failed"
    error = events[-1].response.error
    assert error is not None
    assert (error.code, error.message) == ("server_error", "The answer broke off.")


def test_an_incomplete_answer_says_why():
    for write in (relayed, encoded):
        events = list(
            client(write(STREAMS["incomplete_length"])).responses.create(model="smart", input="hi", stream=True)
        )
        assert events[-1].type == "response.incomplete"
        details = events[-1].response.incomplete_details
        assert details is not None
        assert details.reason == "max_output_tokens"


@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers_satisfy_the_clients_strict_model(name: str):
    events = events_of(STREAMS[name])
    document = RESPONSES.encoder(head()).document(events)
    answer = Response.model_validate(document, strict=True)
    assert answer.status == document["status"]
    body = frames(STREAMS[name])[-1]["response"]
    relayed_body = RESPONSES.encoder(head()).relay_document(body, RESPONSES.read_document(body, peer()))
    assert Response.model_validate(relayed_body, strict=True).id == answer.id
