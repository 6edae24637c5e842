"""The samples are honest: the official SDKs, unmodified, read each good stream over a real socket as we say."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import anthropic
import openai
import pytest

from proxy.conformance.lint import lint
from tests.conformance import samples_others as others
from tests.conformance import samples_responses as responses
from tests.conformance.wire import render

COMPLETED = [
    responses.text, responses.tools, responses.custom_tool, responses.reasoning, responses.refusal, responses.citation,
    responses.fallback, responses.fallback_in_comments, responses.void_item, responses.void_item_told,
    responses.void_reasoning, responses.void_message,
]  # fmt: skip
CHAT = [others.chat_text, others.chat_tools, others.chat_reasoning, others.chat_two_choices, others.chat_fallback]
# Its accumulator keeps what was taken back; what it makes of that, tests/vocabularies tells.
MESSAGES = [sample for name, sample in others.GOOD_MESSAGES.items() if "broken" not in name and "restart" not in name]


@contextmanager
def serving(wire: bytes) -> Iterator[str]:
    """A server on loopback that answers any POST with this stream."""

    class Reply(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(wire)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Reply) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sg-fake", max_retries=0)


def _anthropic(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key="sg-fake", max_retries=0)


@pytest.mark.parametrize("sample", COMPLETED, ids=lambda sample: sample.__name__)
def test_openai_accumulates_a_response(sample):
    wire = render(sample())
    with serving(wire) as url, _openai(url) as client, client.responses.stream(model="gpt", input="hi") as stream:
        final = stream.get_final_response()
    report = lint(wire)
    calls = [item for item in final.output if item.type in ("function_call", "custom_tool_call")]
    assert final.output_text == report.text
    assert [(call.call_id, call.name) for call in calls] == [(call.id, call.name) for call in report.tool_calls]
    assert final.usage is not None
    assert final.usage.to_dict() == report.usage


@pytest.mark.parametrize(
    "sample", [responses.length, responses.length_amid_arguments, responses.failed, responses.exhausted]
)
def test_openai_iterates_to_an_unhappy_end(sample):
    wire = render(sample())
    with serving(wire) as url, _openai(url) as client, client.responses.stream(model="gpt", input="hi") as stream:
        assert [event.type for event in stream][-1] == lint(wire).terminal


@pytest.mark.parametrize("sample", CHAT, ids=lambda sample: sample.__name__)
def test_openai_accumulates_a_completion(sample):
    wire = render(sample())
    question = [{"role": "user", "content": "hi"}]
    with (
        serving(wire) as url,
        _openai(url) as client,
        client.chat.completions.stream(model="gpt", messages=question) as stream,
    ):
        final = stream.get_final_completion()
    report = lint(wire)
    calls = final.choices[0].message.tool_calls or []
    assert "".join(choice.message.content or "" for choice in final.choices) == report.text
    assert [(call.id, call.function.arguments) for call in calls] == [(c.id, c.arguments) for c in report.tool_calls]
    assert (final.usage and final.usage.to_dict()) == report.usage


def test_openai_raises_on_a_broken_completion():
    question = [{"role": "user", "content": "hi"}]
    with serving(render(others.chat_broken())) as url, _openai(url) as client:
        stream = client.chat.completions.create(model="gpt", messages=question, stream=True)
        with pytest.raises(openai.APIError, match=r"The provider stopped answering\."):
            list(stream)


def test_openai_reads_a_text_completion():
    with serving(render(others.text_completion())) as url, _openai(url) as client:
        stream = client.completions.create(model="gpt", prompt="hi", stream=True)
        assert "".join(chunk.choices[0].text for chunk in stream) == "Once upon"


@pytest.mark.parametrize("sample", MESSAGES, ids=lambda sample: sample.__name__)
def test_anthropic_accumulates_a_message(sample):
    wire = render(sample())
    question = [{"role": "user", "content": "hi"}]
    with (
        serving(wire) as url,
        _anthropic(url) as client,
        client.messages.stream(model="claude", max_tokens=9, messages=question) as stream,
    ):
        final = stream.get_final_message()
    report = lint(wire)
    assert "".join(block.text for block in final.content if block.type == "text") == report.text
    assert [block.id for block in final.content if block.type == "tool_use"] == [call.id for call in report.tool_calls]
    assert report.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (12, 7)


def test_anthropic_raises_on_a_broken_message():
    question = [{"role": "user", "content": "hi"}]
    with serving(render(others.messages_broken())) as url, _anthropic(url) as client:
        stream = client.messages.create(model="claude", max_tokens=9, messages=question, stream=True)
        with pytest.raises(anthropic.APIStatusError, match=r"The provider stopped answering\."):
            list(stream)
