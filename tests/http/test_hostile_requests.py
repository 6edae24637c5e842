"""Requests nobody should send: every one gets an answer, none of them a 500, and the log keeps no secret."""

import json
import logging
from typing import Any

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire, question
from tests.pipeline.asking import PATHS, VOCABULARIES, ask, body


@pytest.fixture(scope="module")
def shared(open_shared: OpenStage) -> Stage:
    return open_shared(("chat", "first"))


def sent(stage: Stage, path: str, content: bytes, *lines: bytes) -> int:
    head = b"\r\n".join(
        [
            f"POST {path} HTTP/1.1".encode(),
            b"host: segue.test",
            f"authorization: Bearer {stage.key}".encode(),
            b"content-length: %d" % len(content),
            *lines,
            b"\r\n",
        ]
    )
    with Wire(stage, patience=3.0) as wire:
        wire.send(head + content)
        return wire.reply().status


@pytest.mark.parametrize(
    "name",
    [b"segue-fallback-events", b"segue-timeout-ms", b"content-encoding", b"segue-vocabulary", b"traceparent"],
)
def test_a_header_that_is_no_utf8_is_answered(shared: Stage, name: bytes):
    """Its surrogates cannot be encoded in our error body: that once left the connection open without an answer."""
    assert sent(shared, PATHS["chat"], question(), name + b": \xff\xfe") in (200, 400, 415)


@pytest.mark.parametrize("name", [b"anthropic-version", b"openai-beta", b"anthropic-beta"])
def test_a_forwarded_header_that_is_no_latin1(open_stage: OpenStage, name: bytes):
    stage = open_stage(("messages", "first"))
    content = json.dumps(body("messages", stream=False)).encode()
    assert sent(stage, PATHS["messages"], content, name + b": \xff\xfe") in (200, 400)
    assert sent(stage, PATHS["messages"], content, name + ": ☃".encode()) in (200, 400)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_timeout_beyond_all_numbers(shared: Stage, digits: int):
    answer = shared.raw("POST", PATHS["chat"], question(), {"segue-timeout-ms": "9" * digits})
    assert answer.status in (200, 400)


@pytest.mark.parametrize("name", ["segue-fallbacks", "segue-fallback-events", "segue-midstream"])
def test_a_word_that_a_header_does_not_know_is_refused(shared: Stage, name: str):
    answer = shared.raw("POST", PATHS["chat"], question(), {name: "maybe"})
    assert answer.status == 400
    assert json.loads(answer.content)["error"]["param"] == name
    assert shared.raw("POST", PATHS["chat"], question(), {"segue-fallbacks": " ON"}).status == 200


@pytest.mark.parametrize("depth", range(900, 1000, 3))
def test_nesting_is_refused_or_served(shared: Stage, depth: int):
    """What could be read but not written again is too deep as well."""
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    content = question()[:-1] + b', "metadata": ' + deep + b"}"
    assert shared.raw("POST", PATHS["chat"], content).status in (200, 400)


def test_http_1_0_keep_alive_streams_end_with_the_connection(shared: Stage):
    """Without chunks or a length the end of the connection is the only end there is."""
    with Wire(shared, patience=3.0) as wire:
        wire.send(wire.request(content=question(stream=True), version="1.0", connection="keep-alive"))
        assert wire.reply().body.endswith(b"data: [DONE]\n\n")


def test_broken_http_leaves_no_key_and_no_body_in_the_log(
    shared: Stage, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    """aiohttp quotes the line it could not read."""
    caplog.set_level(logging.DEBUG)
    key = shared.key.encode()
    for broken in (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + key + b"\x01\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}my private words",
    ):
        with Wire(shared) as wire:
            wire.send(broken)
            wire.rest()
    formatter = logging.Formatter()
    logged = capsys.readouterr().err + "".join(formatter.format(record) for record in caplog.records)
    assert shared.key not in logged
    assert "private words" not in logged


def test_a_name_that_is_not_found_is_not_echoed_without_end(shared: Stage):
    answer = shared.raw("POST", PATHS["chat"], question(model="x" * 1_000_000))
    assert answer.status == 404
    assert len(answer.content) < 4096


@pytest.mark.parametrize("header", ["retry-after", "retry-after-ms"])
@pytest.mark.parametrize("value", ["1e308", "1e300", "9" * 300, "Fri, 31 Dec 9999 23:59:59 GMT"], ids=range(4))
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_no_provider_asks_for_a_pause_without_end(open_stage: OpenStage, vocabulary: str, header: str, value: str):
    stage = open_stage(("chat", "first"))
    refusal = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    stage.upstream.script(
        "first",
        [
            {"status": 429, "headers": {"content-type": "application/json", header: value}},
            {"write": json.dumps(refusal)},
        ],
    )
    answer = ask(stage, vocabulary)
    assert answer.status == 429
    assert answer.json
    assert 0 < int(answer.headers["retry-after"]) <= 24 * 3600


def deep(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


ARGUMENTS = {
    "chat": '"messages": [{{"role": "user", "content": "x"}}, {{"role": "assistant", "tool_calls": [{{"id": "call_1", '
    '"type": "function", "function": {{"name": "f", "arguments": {text}}}}}]}}, '
    '{{"role": "tool", "tool_call_id": "call_1", "content": "ok"}}]',
    "messages": '"messages": [{{"role": "user", "content": "x"}}, {{"role": "assistant", "content": [{{"type": '
    '"tool_use", "id": "toolu_1", "name": "f", "input": {value}}}]}}, {{"role": "user", "content": [{{"type": '
    '"tool_result", "tool_use_id": "toolu_1", "content": "ok"}}]}}]',
    "responses": '"input": [{{"role": "user", "content": "x"}}, {{"type": "function_call", "call_id": "call_1", '
    '"name": "f", "arguments": {text}}}, {{"type": "function_call_output", "call_id": "call_1", "output": "ok"}}]',
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("upstream", ARGUMENTS)
@pytest.mark.parametrize("vocabulary", ARGUMENTS)
def test_depth_anywhere_on_any_way(open_stage: OpenStage, vocabulary: str, upstream: str, stream: bool):
    """A call's arguments are text on one wire and an object on the other."""
    stage = open_stage((upstream, "first"))
    for depth in (100, 240, 245, 900, 960, 970, 980, 985, 990, 1000, 100_000):
        nested = deep(depth)
        called = ARGUMENTS[vocabulary].format(text=json.dumps(nested), value=nested)
        plain = body(vocabulary, stream)
        for member in (f'"metadata": {nested}', called):
            replaced = {name: value for name, value in plain.items() if name != member.split('"')[1]}
            content = f"{json.dumps(replaced)[:-1]}, {member}}}".encode()
            answer = stage.raw("POST", PATHS[vocabulary], content)
            assert answer.status == 200 if depth == 100 else answer.status in (200, 400)


@pytest.mark.parametrize(
    "member",
    [
        {"reasoning_effort": "y" * 100_000},
        {"response_format": {"type": "y" * 100_000}},
        {"tools": [{"type": "y" * 100_000}]},
        {"messages": [{"role": "user", "content": [{"type": "y" * 100_000}]}]},
    ],
    ids=lambda member: next(iter(member)),
)
def test_no_value_is_echoed_without_end(open_stage: OpenStage, member: dict[str, Any]):
    stage = open_stage(("messages", "first"))
    answer = stage.raw("POST", PATHS["chat"], question(**member))
    assert (answer.status, len(answer.content) < 4096) == (400, True)


def test_names_the_client_chose_go_back_in_a_header(open_stage: OpenStage):
    """Lines, characters and lengths no header has."""
    stage = open_stage(("messages", "first"))
    answer = ask(stage, "chat", stream=False, **{"a\r\nset-cookie: b": 1, "☃": 2, "long" * 100_000: 3})
    assert answer.status == 200
    assert "set-cookie" not in answer.headers
    assert len(answer.headers["segue-dropped"]) < 1100


@pytest.mark.parametrize(
    ("broken", "connection"),
    [(b"GET / HTTP/1.1\r\nbad header\r\n\r\n", "first"), (b"\x16\x03\x01\x02\x00\r\n\r\n", "tls")],
    ids=["a header", "no http"],
)
def test_what_is_no_http_is_answered_in_json(shared: Stage, broken: bytes, connection: str):
    with Wire(shared) as wire:
        wire.send(broken)
        reply = wire.reply()
        assert wire.rest() == b""
    assert reply.status == 400
    assert reply.json["error"]["message"] == "The request is not valid HTTP."
    assert reply.headers["x-request-id"] == reply.json["request_id"]


def test_unreadable_requests_are_counted_not_listed(open_stage: OpenStage, capsys: pytest.CaptureFixture[str]):
    stage = open_stage(("chat", "first"))
    for _ in range(20):
        with Wire(stage) as wire:
            wire.send(b"GET / HTTP/1.1\r\nbad header\r\n\r\n")
            assert wire.reply().status == 400
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "unreadable" in line]
    assert told
    assert len(told) <= 3
    assert (told[0]["level"], told[0]["count"]) == ("warning", 1)


def test_nobody_of_http_1_0_is_told_to_continue(shared: Stage):
    with Wire(shared) as wire:
        wire.send(wire.request(content=question(), version="1.0", expect="100-continue"))
        assert wire.reply().status == 200


@pytest.mark.parametrize("value", [True, 0, "8"], ids=str)
def test_dimensions_are_a_positive_integer(shared: Stage, value: object):
    answer = shared.raw("POST", "/v1/embeddings", {"model": shared.model, "input": "x", "dimensions": value})
    assert (answer.status, answer.json["error"]["param"]) == (400, "dimensions")
