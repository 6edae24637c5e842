"""The unmodified official clients read answers that broke and went on: their accumulators, and, after a restart in a
vocabulary whose accumulators only ever add, a client that begins again at the void mark."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import anthropic
import httpx2
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from tests.e2e import node
from tests.vocabularies import corpus
from tests.vocabularies.breaking import Telling, answer, cuts, several_blocks, several_parts

QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]
CLIENTS = ("responses", "chat", "messages")
CUTS = 4  # a handful of places, spread over the stream


def broken(downstream: str, origin: str, *, anew: bool) -> list[Telling]:
    """Tellings cut at some places; `origin`: relay | encode."""
    upstream = downstream if origin == "relay" else {"responses": "messages"}.get(downstream, "responses")
    begun = {"responses": several_parts, "messages": several_blocks}.get(upstream)
    stream = begun() if begun is not None else corpus.recording(upstream, "reasoning").stream
    found = []
    for steps in cuts(upstream, stream):
        telling = Telling(downstream)
        telling.hear(upstream, steps)
        if anew or telling.can_go_on:
            found.append(telling)
    chosen = [found[place * (len(found) - 1) // (CUTS - 1)] for place in range(CUTS)]
    for telling in chosen:
        telling.begin_anew(answer("chat", "text")) if anew else telling.go_on(answer("chat", "text"))
    return chosen


CASES = [(downstream, origin) for downstream in CLIENTS for origin in ("relay", "encode")]


def transport(stream: bytes) -> httpx2.Client:
    reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)
    return httpx2.Client(transport=httpx2.MockTransport(lambda request: reply))


def of_openai(stream: bytes) -> openai.OpenAI:
    return openai.OpenAI(api_key="no", base_url="http://segue.test/v1", http_client=transport(stream), max_retries=0)


def of_anthropic(stream: bytes) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="no", base_url="http://segue.test", http_client=transport(stream), max_retries=0)


def accumulated(downstream: str, stream: bytes) -> str:
    """The text the official accumulator ends with."""
    if downstream == "responses":
        with of_openai(stream).responses.stream(model="smart", input="Hi") as told:
            return told.get_final_response().output_text
    if downstream == "chat":
        with of_openai(stream).chat.completions.stream(model="smart", messages=QUESTION) as spoken:
            return spoken.get_final_completion().choices[0].message.content or ""
    with of_anthropic(stream).messages.stream(model="smart", max_tokens=9, messages=QUESTION) as said:
        return "".join(block.text for block in said.get_final_message().content if block.type == "text")


@pytest.mark.parametrize(("downstream", "origin"), CASES)
def test_accumulators_read_a_resumed_answer_whole(downstream: str, origin: str):
    for telling in broken(downstream, origin, anew=False):
        assert accumulated(downstream, telling.wire) == telling.text


@pytest.mark.parametrize("origin", ["relay", "encode"])
def test_openais_accumulator_reads_the_new_answer_of_a_restarted_response(origin: str):
    for telling in broken("responses", origin, anew=True):
        assert accumulated("responses", telling.wire) == telling.text
        with of_openai(telling.wire).responses.stream(model="smart", input="Hi") as stream:
            kinds = [event.type for event in stream]
        assert kinds[-1] == "response.completed"


@pytest.mark.parametrize("origin", ["relay", "encode"])
def test_a_client_of_chat_begins_again_at_the_mark(origin: str):
    for telling in broken("chat", origin, anew=True):
        state: Any = None
        for chunk in of_openai(telling.wire).chat.completions.create(model="smart", messages=QUESTION, stream=True):
            if state is None or "fallback_start" in (chunk.model_extra or {}).get("segue", {}):
                state = ChatCompletionStreamState()
            state.handle_chunk(chunk)
        [choice] = state.get_final_completion().choices
        assert (choice.message.role, choice.message.content) == ("assistant", telling.text)
        assert accumulated("chat", telling.wire).endswith(telling.text)  # what it must not be fooled into: an exception


@pytest.mark.parametrize("origin", ["relay", "encode"])
def test_a_client_of_messages_begins_again_at_the_mark(origin: str):
    for telling in broken("messages", origin, anew=True):
        client = of_anthropic(telling.wire)
        text = ""
        for event in client.messages.create(model="smart", max_tokens=9, messages=QUESTION, stream=True):
            if event.type == "content_block_stop" and (event.model_extra or {}).get("segue") == {"void": True}:
                text = ""
            elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
        assert text == telling.text
        assert accumulated("messages", telling.wire).endswith(telling.text)


class Server(NamedTuple):
    """Where the scripts in tests/node find us; `streams`: route -> what any POST that names it as model is answered."""

    url: str
    key: str
    streams: dict[str, Telling]


@pytest.fixture
def server() -> Iterator[Server]:
    streams: dict[str, Telling] = {}

    class Reply(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            self.wfile.write(streams[asked["model"]].wire)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Reply) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Server(f"http://127.0.0.1:{listening.server_port}", "sg-fake", streams)
        finally:
            listening.shutdown()
            thread.join()


@pytest.mark.parametrize("anew", [False, True], ids=["resume", "restart"])
def test_the_clients_of_node(server: Server, anew: bool):
    for downstream, origin in CASES:
        for number, telling in enumerate(broken(downstream, origin, anew=anew)):
            server.streams[f"{downstream}-{origin}-{number}"] = telling
    got = node.run("midstream.mjs", server, server.streams)
    for route, telling in server.streams.items():
        seen = got[route]
        assert seen["obedient"] == telling.text, route
        assert seen["vercel"]["errors"] == []
        adds_only = anew and not route.startswith("responses")
        assert seen["accumulated"].endswith(telling.text) if adds_only else seen["accumulated"] == telling.text, route
        assert seen["vercel"]["text"].endswith(telling.text) if anew else seen["vercel"]["text"] == telling.text, route
