"""The official SDK, unmodified, reads what we write and what we relay."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import pytest

from proxy.canonical.account import Hop
from proxy.errors import AllUnavailable, StreamBroken
from proxy.vocabularies.messages.vocabulary import MESSAGES
from tests.vocabularies.messages.stage import CORPUS, WHOLE, encoded, encoder, events, relayed, steps

ASK: dict[str, Any] = {"model": "route", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def client(reply: httpx2.Response) -> Iterator[anthropic.Anthropic]:
    transport = httpx2.MockTransport(lambda request: reply)
    wired = httpx2.Client(transport=transport)
    with anthropic.Anthropic(
        api_key="sg-fake",
        base_url="http://segue.invalid",
        max_retries=0,
        http_client=wired,
    ) as made:
        yield made


def streaming(wire: bytes) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=wire)


def accumulated(wire: bytes) -> anthropic.types.Message:
    with client(streaming(wire)) as made, made.messages.stream(**ASK) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("name", WHOLE)
def test_it_accumulates_the_same_from_both_ways(name: str):
    ours, through = accumulated(encoded(events(CORPUS[name]))), accumulated(relayed(CORPUS[name]))
    assert ours.id == through.id
    assert ours.model == through.model == "route"
    same = {"model_context_window_exceeded": "max_tokens"}  # one canonical reason
    assert ours.stop_reason == same.get(str(through.stop_reason), through.stop_reason)
    assert ours.usage.output_tokens == through.usage.output_tokens
    assert ours.usage.input_tokens == through.usage.input_tokens

    def shown(message: anthropic.types.Message) -> list[dict[str, Any]]:
        kinds = ("text", "thinking", "redacted_thinking", "tool_use")
        blocks = [block.model_dump(exclude={"caller", "citations"}) for block in message.content if block.type in kinds]
        return [block for block in blocks if block]

    assert shown(ours) == shown(through)


def test_it_reads_a_document():
    document = encoder().document(events(CORPUS["tools"]))
    with client(httpx2.Response(200, json=document)) as made:
        message = made.messages.create(**ASK)
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use", "tool_use"]
    assert message.stop_reason == "tool_use"
    assert message.to_dict()["segue"]["served_by"] == "claude@first"


@pytest.mark.parametrize("mode", ["events", "comments"])
def test_notices_do_not_disturb_it(mode: str):
    writing = encoder(mode)
    writing.notice(Hop("a", "b", "rate_limit", 1, 3))
    wire = writing.relay(steps(CORPUS["text"]))
    assert accumulated(wire).content[0].to_dict()["text"] == "Grüße, “world” 🌍!\n"


def test_a_broken_stream_raises():
    writing = encoder()
    wire = writing.relay(steps(CORPUS["error"])) + writing.fail(StreamBroken("The provider broke off."))
    with pytest.raises(anthropic.APIStatusError, match="broke off"):
        accumulated(wire)


def test_an_error_body_raises_with_its_words():
    error = AllUnavailable("Nobody is there.")
    reply = httpx2.Response(MESSAGES.error_status(error), json=MESSAGES.error_body(error, "req-1"))
    with client(reply) as made, pytest.raises(anthropic.APIStatusError, match="Nobody is there") as raised:
        made.messages.create(**ASK)
    assert raised.value.status_code == 529
