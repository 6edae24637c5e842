"""The older wire in front of any provider: text in, text out."""

import httpx
import openai
import pytest

from proxy.canonical.account import Account, Hop
from proxy.canonical.events import (
    BlockKind,
    Closed,
    Delta,
    Finished,
    Opened,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.request import Text, Turn
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint, lint_document, lint_error
from proxy.errors import InvalidRequest, StreamBroken, UnsupportedParameter
from proxy.vocabularies.completions.vocabulary import COMPLETIONS
from proxy.wire.codec import Head

SAID = [
    Started(),
    Opened(0, BlockKind.REASONING),
    Delta(0, "hm"),
    Closed(0),
    Opened(1, BlockKind.TEXT),
    Delta(1, "one "),
    Delta(1, "two"),
    Closed(1),
    UsageReported(Usage(3, 2)),
    Finished(StopReason.LENGTH),
]


def encoder(*, usage=True, notices="comments"):
    body = {"model": "mine", "prompt": "count", "stream": True, "stream_options": {"include_usage": usage}}
    account = Account(served_by="up/m")
    return COMPLETIONS.encoder(Head(COMPLETIONS.read_request(body), "seed", 1750000000, "req_1", account, notices))


def test_a_prompt_is_one_user_turn():
    request = COMPLETIONS.read_request({"model": "m", "prompt": ["hi"], "max_tokens": 3, "stop": "x", "zap": 1})
    assert request.turns == (Turn("user", (Text("hi"),)),)
    assert request.parameters == {"max_output_tokens": 3, "stop": ["x"]}
    assert request.unknown == ("zap",)
    assert (request.vocabulary, request.stream, request.stream_usage) == ("completions", False, False)


@pytest.mark.parametrize(
    "members",
    [
        {"echo": True},
        {"suffix": "x"},
        {"best_of": 2},
        {"n": 2},
        {"logprobs": 1},
        {"prompt": ["a", "b"]},
        {"prompt": [1, 2]},
        {"prompt": [[1, 2]]},
        {"prompt": []},
    ],
)
def test_what_only_completion_models_can_do_is_refused_by_name(members):
    with pytest.raises(UnsupportedParameter) as raised:
        COMPLETIONS.read_request({"model": "m", "prompt": "p"} | members)
    assert raised.value.param == next(iter(members))


@pytest.mark.parametrize("members", [{"prompt": None}, {"model": None}, {"stop": [1]}, {"temperature": 9}])
def test_complaints_name_the_field(members):
    with pytest.raises(InvalidRequest) as raised:
        COMPLETIONS.read_request({"model": "m", "prompt": "p"} | members)
    assert raised.value.param == next(iter(members))


@pytest.mark.parametrize("usage", [True, False])
def test_streams_are_conformant_and_the_sdk_reads_them(usage):
    stream = encoder(usage=usage).encode(SAID)
    assert lint(stream, "chat").violations == []
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    )
    client = openai.OpenAI(
        api_key="not-a-key", base_url="http://proxy.invalid/v1", http_client=httpx.Client(transport=transport)
    )
    chunks = list(client.completions.create(model="mine", prompt="count", stream=True))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "one two"
    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == ([5] if usage else [])
    assert chunks[-1].model_extra["segue"]["served_by"] == "up/m"
    assert chunks[0].id.startswith("cmpl-")


def test_documents_are_conformant():
    document = encoder().document(SAID)
    assert lint_document(document, "chat") == []
    assert document["choices"][0] == {"text": "one two", "index": 0, "logprobs": None, "finish_reason": "length"}


def test_a_broken_stream_ends_in_an_error_frame():
    broken = encoder()
    stream = broken.encode(SAID[:6]) + broken.fail(StreamBroken("It broke."))
    assert lint(stream, "chat").violations == []
    assert b"[DONE]" not in stream
    assert broken.encode(SAID) == broken.ping() == broken.fail(StreamBroken("again")) == b""
    assert lint_error(COMPLETIONS.error_body(StreamBroken("x"), "req_1"), "chat") == []


def test_notices_are_comments():
    hop = Hop("a", "b", "server_error", 1, 5)
    told = b': segue {"event":"fallback_start"'
    begun = encoder()
    assert begun.opening() == b""
    assert begun.notice(hop).startswith(told)
    assert encoder(notices="none").notice(hop) == b""


def test_notices_before_anything_else_wait_for_it():
    """Else the first failure would decide for status 200, whatever comes of the others."""
    hop = Hop("a", "b", "server_error", 1, 5)
    for write in (
        lambda made: made.encode(SAID),
        lambda made: made.opening(),
        lambda made: made.fail(StreamBroken("It broke.")),
    ):
        waiting = encoder()
        assert waiting.notice(hop) == b""
        wire = write(waiting)
        assert wire.startswith(b': segue {"event":"fallback_start"')
        assert wire.count(b"fallback_start") == 1
