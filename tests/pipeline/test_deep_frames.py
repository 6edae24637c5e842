"""A provider's frame nested deeper than can be read is a malformed frame: skipped or failed, never our own 500."""

import json

import pytest

from tests.e2e.harness import OpenStage
from tests.pipeline.asking import TEXT, VOCABULARIES, ask, text

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "first"}
ENDS = {"responses": "response.failed", "chat": '"error"', "messages": "event: error", "domain": "event: error"}


def chunk(content: str) -> str:
    delta = {"role": "assistant", "content": content}
    return f"data: {json.dumps({**HEAD, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': None}]})}\n\n"


def nested(depth: int, of_a_delta: bool) -> str:
    """A content chunk with a member nobody needs: in the delta, where it is read, or beside it, where it is copied."""
    deep = '{"a":' * depth + "1" + "}" * depth
    inner = f',"x":{deep}' if of_a_delta else ""
    outer = "" if of_a_delta else f',"x":{deep}'
    return (
        'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"first","choices":'
        f'[{{"index":0,"delta":{{"content":"deep"{inner}}},"finish_reason":null}}]{outer}}}\n\n'
    )


@pytest.mark.parametrize("depth", [990, 5000])
@pytest.mark.parametrize("of_a_delta", [True, False])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_before_the_first_content_another_is_asked(
    open_stage: OpenStage, vocabulary: str, of_a_delta: bool, depth: int
):
    stage = open_stage(("chat", "first"), ("chat", "second"))
    stage.upstream.script("first", [{"write": nested(depth, of_a_delta) * 2}])
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    said = text(vocabulary, answer)
    assert said == TEXT or said.startswith("deep")


@pytest.mark.parametrize("depth", [990, 5000])
@pytest.mark.parametrize("of_a_delta", [True, False])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_after_content_the_stream_says_that_it_failed(
    open_stage: OpenStage, vocabulary: str, of_a_delta: bool, depth: int
):
    """Not with the head of another HTTP answer among its chunks (the stage checks every byte, too)."""
    stage = open_stage(("chat", "first"))
    stage.upstream.script("first", [{"write": chunk("Hi")}, {"sleep": 0.05}, {"write": nested(depth, of_a_delta)}])
    answer = ask(stage, vocabulary)
    assert answer.status == 200
    assert ENDS[vocabulary] in answer.content.decode()
