"""What clients get: chunks and bodies that the conformance checker and the official accumulators accept."""

import json

import httpx
import openai
import pytest

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.accumulate import fold
from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Failed,
    Finished,
    Opened,
    Signed,
    Started,
    StopReason,
    UsageReported,
)
from proxy.canonical.usage import Usage
from proxy.conformance.lint import lint, lint_document
from proxy.errors import RateLimited, StreamBroken
from proxy.vocabularies.chat.vocabulary import CHAT
from tests.vocabularies.chat.stage import CORPUS, encoded, events, head, payloads, steps

GOOD = [name for name in CORPUS if not isinstance(events(CORPUS[name])[-1], Failed)]
# The checker knows only the documented function calls; streamed custom calls are not in the specification.
LINTED = [name for name in GOOD if name != "openai-custom-tool"]
HOP = Hop("a/x", "b/y", "server_error", 1, 12, status=500)
EVERYTHING = [
    Started(),
    Opened(0, BlockKind.REASONING),
    Delta(0, "thin"),
    Signed(0, "sg1.o.signature.m.p"),
    Closed(0),
    Opened(1, BlockKind.TEXT),
    Delta(1, 'a"\n\u2028'),
    Cited(1, Citation("https://e.example", "E", start=0, end=1)),
    Cited(1, Citation("https://f.example", "F", start=0, end=1)),
    Closed(1),
    Opened(2, BlockKind.TOOL_CALL, "toolu_1", "add"),
    Opened(3, BlockKind.TOOL_CALL, "toolu_2", "mul"),
    Delta(3, '{"b":'),
    Delta(2, "{}"),
    Delta(3, "2}"),
    Closed(2),
    Closed(3),
    UsageReported(Usage(10, 4, 3, None, 1)),
    Finished(StopReason.TOOL_CALLS),
]


def _text(reason=StopReason.END):
    return [Started(), Opened(0, BlockKind.TEXT), Delta(0, "hi"), Closed(0), Finished(reason)]


def _accumulated(stream):
    """What openai-python's own accumulator makes of `stream`."""
    transport = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    )
    client = openai.OpenAI(
        api_key="not-a-key", base_url="http://proxy.invalid/v1", http_client=httpx.Client(transport=transport)
    )
    with client.chat.completions.stream(model="mine", messages=[{"role": "user", "content": "hi"}]) as events:
        for _ in events:
            pass
        try:
            return events.get_final_completion()
        except openai.LengthFinishReasonError as cut:
            return cut.completion


@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("name", LINTED)
def test_encoded_streams_are_conformant(name, usage):
    stream = encoded(events(CORPUS[name]), CHAT.encoder(head(usage=usage)))
    assert lint(stream, "chat").violations == []
    assert stream.endswith(b"data: [DONE]\n\n")
    assert ("segue" in payloads(stream)[-2]) is True
    assert any(payload.get("usage") for payload in payloads(stream)[:-1]) == (
        usage and any(isinstance(event, UsageReported) for event in events(CORPUS[name]))
    )


@pytest.mark.parametrize("name", GOOD)
def test_what_is_written_reads_the_same(name):
    said = events(CORPUS[name])
    again = events(encoded(said))
    assert _blocks(again) == _blocks(said)
    assert again[-1] == said[-1]


def _blocks(said):
    blocks = fold(said).blocks.values()
    return [(block.kind, block.name, block.choice, block.text) for block in blocks if block.text or block.name]


def test_the_accumulator_takes_everything():
    stream = encoded(EVERYTHING)
    assert lint(stream, "chat").violations == []
    message = _accumulated(stream).choices[0].message
    assert message.content == 'a"\n\u2028'
    assert [(call.function.name, call.function.arguments) for call in message.tool_calls] == [
        ("add", "{}"),
        ("mul", '{"b":2}'),
    ]
    assert all(call.id.startswith("call_") and len(call.id) == 29 for call in message.tool_calls)
    assert message.model_extra["reasoning_content"] == "thin"
    [detail] = message.model_extra["reasoning_details"]
    assert detail["data"] == "sg1.o.signature.m.p"
    assert (detail["start"], detail["end"]) == (0, 4)
    assert [entry.url_citation.url for entry in message.annotations] == ["https://e.example", "https://f.example"]


@pytest.mark.parametrize("name", LINTED)
@pytest.mark.parametrize("way", ["encode", "relay"])
@pytest.mark.filterwarnings("ignore:Pydantic serializer")
def test_the_accumulator_takes_the_corpus(name, way):
    encoder = CHAT.encoder(head())
    stream = encoder.encode(events(CORPUS[name])) if way == "encode" else encoder.relay(steps(CORPUS[name]))
    final = _accumulated(stream)
    said = events(CORPUS[name])
    texts = {event.block for event in said if isinstance(event, Opened) and event.kind is BlockKind.TEXT}
    text = "".join(event.text for event in said if isinstance(event, Delta) and event.block in texts)
    if way == "encode" or name != "mistral-thinking":  # content lists are relayed as they come
        assert "".join(choice.message.content or "" for choice in final.choices) == text
    assert final.model == "mine"


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "stop"),
        (StopReason.LENGTH, "length"),
        (StopReason.CONTENT_FILTER, "content_filter"),
        (StopReason.STOP_SEQUENCE, "stop"),
        (StopReason.PAUSE, "stop"),
        (StopReason.REFUSAL, "content_filter"),
        (StopReason.TOOL_CALLS, "stop"),
    ],
)
def test_finish_reasons(reason, word):
    chunks = payloads(encoded(_text(reason)))
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, word]
    document = CHAT.encoder(head()).document(_text(reason))
    assert document["choices"][0]["finish_reason"] == word


def test_a_refusal_in_words_is_an_ordinary_stop():
    said = [Started(), Opened(0, BlockKind.REFUSAL), Delta(0, "no"), Closed(0), Finished(StopReason.REFUSAL)]
    document = CHAT.encoder(head()).document(said)
    assert document["choices"][0]["finish_reason"] == "stop"
    assert document["choices"][0]["message"]["refusal"] == "no"
    assert document["choices"][0]["message"]["content"] is None


def test_failure_is_an_error_frame_without_done():
    encoder = CHAT.encoder(head())
    stream = encoder.encode(_text()[:3]) + encoder.fail(StreamBroken("The provider's answer broke off."))
    assert lint(stream, "chat").violations == []
    assert payloads(stream)[-1]["error"] == {
        "message": "The provider's answer broke off.",
        "type": "server_error",
        "param": None,
        "code": "server_error",
    }
    assert encoder.fail(StreamBroken("again")) == encoder.encode(_text()) == encoder.ping() == b""
    with pytest.raises(openai.APIError):
        _accumulated(stream)


def test_a_failure_before_anything_opens_the_stream_first():
    encoder = CHAT.encoder(head())
    assert encoder.notice(HOP) == b""
    stream = encoder.fail(RateLimited("Too many requests.", scope="requests"))
    assert lint(stream, "chat").violations == []
    first, error = payloads(stream)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert error["error"]["code"] == "rate_limit_exceeded"
    assert b": segue {" in stream


@pytest.mark.parametrize("mode", ["events", "comments", "none"])
def test_notices(mode):
    encoder = CHAT.encoder(head(notices=mode))
    assert encoder.notice(HOP) == b""
    stream = encoder.opening() + encoder.notice(Exhausted(("a/x",), "all failed", ())) + encoder.encode(_text())
    report = lint(stream, "chat")
    assert [v for v in report.violations if not v.rule.startswith("notice.hop")] == []
    assert len(report.notices) == (0 if mode == "none" else 2)
    assert encoder.opening() == b""
    if mode == "events":
        notice = payloads(stream)[1]
        assert (notice["segue_event"], notice["choices"], notice["to_model"]) == ("fallback_start", [], "b/y")
    final = _accumulated(stream)
    assert final.choices[0].message.content == "hi"


def test_ping_is_a_comment():
    assert CHAT.encoder(head()).ping() == b": ping\n\n"


@pytest.mark.parametrize("name", GOOD)
def test_documents_are_conformant(name):
    document = CHAT.encoder(head()).document(events(CORPUS[name]))
    if name != "openai-custom-tool":
        assert [v for v in lint_document(document, "chat") if v.rule != "chat.usage"] == []
    assert document["model"] == "mine"
    assert document["segue"]["served_by"] == "upstream/up-model"
    json.dumps(document)


def test_document_says_everything():
    document = CHAT.encoder(head()).document(EVERYTHING)
    assert lint_document(document, "chat") == []
    message = document["choices"][0]["message"]
    assert message["content"] == 'a"\n\u2028'
    assert message["reasoning_content"] == "thin"
    assert message["reasoning_details"] == [
        {"type": "reasoning.encrypted", "data": "sg1.o.signature.m.p", "index": 0, "start": 0, "end": 4}
    ]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["add", "mul"]
    assert [entry["url_citation"]["url"] for entry in message["annotations"]] == [
        "https://e.example",
        "https://f.example",
    ]
    assert document["usage"]["prompt_tokens_details"]["cached_tokens"] == 3
