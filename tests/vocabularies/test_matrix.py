"""Four vocabularies in front of three: what the client reads is what the provider said, however the bytes were cut,
streamed or not, and it conforms."""

import re
from typing import Any

import pytest

from proxy.canonical.events import TERMINAL
from proxy.conformance.lint import lint, lint_document
from proxy.demo.content import Reasoning, words
from tests.vocabularies import corpus, facts

CELLS = [(downstream, upstream, feature) for upstream, feature in corpus.CASES for downstream in corpus.DOWNSTREAM]
# Usage is nested in streams only, and a document has no frame that could be malformed.
WHOLE = [cell for cell in CELLS if cell[0] != "domain" and cell[2] not in ("malformed before content", "usage nested")]
SIZES = (1, 7, 64)
OURS = re.compile(r"call_[0-9A-Za-z]{24}\Z")
# The demo's stop words -> what each client may be told. A provider that only says "stop" after a refusal is repeated.
STOPS: dict[str, dict[str, set[str]]] = {
    "responses": {
        "stop": {"completed"},
        "tools": {"completed"},
        "refusal": {"completed"},
        "length": {"max_output_tokens"},
        "filtered": {"content_filter"},
    },
    "chat": {
        "stop": {"stop"},
        "tools": {"tool_calls"},
        "refusal": {"stop", "content_filter"},
        "length": {"length"},
        "filtered": {"content_filter"},
    },
    "messages": {
        "stop": {"end_turn"},
        "tools": {"tool_use"},
        "refusal": {"end_turn", "refusal"},
        "length": {"max_tokens"},
        "filtered": {"refusal"},
    },
    "domain": {stop: {"done"} for stop in ("stop", "tools", "refusal", "length", "filtered")},
}


@pytest.mark.parametrize(("downstream", "upstream", "feature"), CELLS)
def test_a_stream_says_what_the_provider_said(downstream: str, upstream: str, feature: str):
    recorded = corpus.recording(upstream, feature)
    stream = corpus.told(downstream, upstream, [recorded.stream], feature)
    assert_conforms(stream, downstream, upstream)
    assert_says(facts.of_stream(downstream, stream), downstream, upstream, feature)


@pytest.mark.parametrize(("downstream", "upstream", "feature"), CELLS)
def test_the_bytes_do_not_depend_on_the_cuts(downstream: str, upstream: str, feature: str):
    stream = corpus.recording(upstream, feature).stream
    whole = corpus.told(downstream, upstream, [stream], feature)
    for size in SIZES:
        assert corpus.told(downstream, upstream, corpus.pieces(stream, size), feature) == whole


@pytest.mark.parametrize(("downstream", "upstream", "feature"), WHOLE)
def test_a_document_says_what_the_provider_said(downstream: str, upstream: str, feature: str):
    body = document(downstream, upstream, feature)
    wrong = [str(violation) for violation in lint_document(body, downstream)]
    assert feature == "no usage" or not wrong  # what the provider did not count cannot be told
    assert_says(facts.of_document(downstream, body), downstream, upstream, feature)


@pytest.mark.parametrize(("downstream", "upstream", "feature"), WHOLE)
def test_the_document_and_the_stream_agree(downstream: str, upstream: str, feature: str):
    stream = corpus.recording(upstream, feature).stream
    streamed = facts.of_stream(downstream, corpus.told(downstream, upstream, [stream], feature))
    whole = facts.of_document(downstream, document(downstream, upstream, feature))
    ignored = {"call_ids": []} if feature != "no usage" else {"call_ids": [], "usage": None}
    assert whole._replace(**ignored) == streamed._replace(**ignored)


def assert_conforms(stream: bytes, downstream: str, upstream: str) -> None:
    """A provider's own extensions pass to clients of its own wire, for whom they are not ours to judge."""
    verdict = lint(stream, downstream)
    passed_on = ("unknown-event", "chat.fields") if downstream == upstream else ()
    wrong = [str(violation) for violation in verdict.violations if not violation.rule.endswith(passed_on)]
    assert not wrong


def document(downstream: str, upstream: str, feature: str) -> dict[str, Any]:
    """The answer of a client that did not ask for a stream."""
    body = corpus.recording(upstream, feature).document
    events = corpus.UPSTREAM[upstream].read_document(body, corpus.peer(feature))
    assert isinstance(events[-1], TERMINAL)
    encoder = corpus.encoder(downstream, stream=False)
    return encoder.relay_document(body, events) if downstream == upstream else encoder.document(events)


def assert_says(said: facts.Facts, downstream: str, upstream: str, feature: str) -> None:
    truth = corpus.recording(upstream, feature).truth
    spoken, calls = facts.expected(truth)
    assert said.spoken == spoken
    # Anthropic has one word for a refusal, whoever refuses.
    stop = "refusal" if (upstream, truth.stop) == ("messages", "filtered") else truth.stop
    assert said.stop in STOPS[downstream][stop]
    thoughts = "".join(words(part) for part in truth.parts if isinstance(part, Reasoning))
    assert said.reasoning == thoughts
    if downstream != "domain":  # its clients see what tools the provider ran, never calls of their own
        assert said.calls == calls
        assert all(OURS.match(call_id) for call_id in said.call_ids)
        assert len(set(said.call_ids)) == len(calls)
    if feature == "citations":
        assert said.sources == [f"https://example.com/source/{number}" for number in (1, 2)]
    if feature != "no usage":
        assert said.usage is not None
        tells_reasoning = "messages" not in (downstream, upstream)
        assert said.usage.input == truth.usage.input
        assert said.usage.cached == truth.usage.cached
        assert said.usage.output == truth.usage.output
        assert said.usage.reasoning == (truth.usage.reasoning if tells_reasoning else 0)


@pytest.mark.parametrize(("downstream", "upstream"), [(d, u) for d in corpus.DOWNSTREAM for u in corpus.UPSTREAM])
def test_hand_written_streams_conform_too(downstream: str, upstream: str):
    for stream in corpus.fixtures(upstream).values():
        if is_whole(upstream, stream):
            assert_conforms(corpus.told(downstream, upstream, corpus.pieces(stream, 64)), downstream, upstream)


def is_whole(upstream: str, stream: bytes) -> bool:
    return type(corpus.events(upstream, stream)[-1]).__name__ == "Finished"
