"""Answers that are not streamed misbehave as well."""

import json

import pytest

from tests.demo.seeing import VOCABULARIES, Client

SAID = "You said: Hi there"
every_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES)
NOT_STREAMED: dict[str, tuple[int, str]] = {
    "demo": (200, "clean"),
    "demo+cut-0": (200, "broken"),
    "demo+cut-1": (200, "broken"),
    "demo+eof-1": (200, "clean"),
    "demo+stall-1": (200, "silent"),
    "demo+hang-body": (200, "silent"),
    "demo+malformed-0": (200, "clean"),
    "demo+empty": (200, "clean"),
    "demo+hang": (0, "silent"),
    "demo+reset": (0, "broken"),
}


@every_vocabulary
@pytest.mark.parametrize("model", NOT_STREAMED)
async def test_not_streamed(client: Client, vocabulary: str, model: str) -> None:
    seen = await client.ask(vocabulary, model, stream=False)
    assert (seen.status, seen.end) == NOT_STREAMED[model]
    if model == "demo":
        assert SAID in seen.raw.decode()
        assert seen.json["model"] == "demo"
    elif seen.raw:
        with pytest.raises(json.JSONDecodeError):
            json.loads(seen.raw)


@every_vocabulary
async def test_error_in_a_whole_answer(client: Client, vocabulary: str) -> None:
    seen = await client.ask(vocabulary, "demo+error-200", stream=False)
    assert seen.status == 200
    assert seen.json["error"]["message"]


@pytest.mark.parametrize("vocabulary", ["completions", "embeddings"])
async def test_the_other_endpoints_misbehave_too(client: Client, vocabulary: str) -> None:
    assert (await client.ask(vocabulary, "demo+429-retry-after-3", stream=False)).headers["retry-after"] == "3"
    assert (await client.ask(vocabulary, "demo+cut-1", stream=False)).end == "broken"
