"""What never leaves: keys in log lines or error bodies, a provider's ids and addresses, our own tracebacks."""

import json
import logging
from typing import Any

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import PATHS, SAID, VOCABULARIES, ask, body, speaks

LEAKY = (
    "Key sk-proj-abcdefghijkl0123456789 of org-abcdef123456 failed at https://10.0.0.7:8443/v1 "
    "(request req_0123456789abcdef)."
)
TRACES = ("sk-proj-abc", "org-abcdef", "10.0.0.7", "https://", "req_0123456789abcdef")


def refusing(stage: Stage, model: str, status: int) -> None:
    error = {"error": {"message": LEAKY, "type": "invalid_request_error", "code": "invalid_value", "param": "input"}}
    headers = {"content-type": "application/json", "x-request-id": "req_0123456789abcdef"}
    stage.upstream.script(model, [{"status": status, "headers": headers}, {"write": json.dumps(error)}])


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize("status", [400, 500])
def test_an_error_body_betrays_nothing(open_stage: OpenStage, vocabulary: str, status: int):
    stage = open_stage((speaks(vocabulary), "first"))
    refusing(stage, "first", status)
    answer = ask(stage, vocabulary)
    assert answer.status == (400 if status == 400 else 502)
    everything = answer.content.decode() + json.dumps(answer.headers)
    assert [trace for trace in (*TRACES, "sk-fake", stage.key) if trace in everything] == []


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_failing_stream_betrays_nothing(open_stage: OpenStage, vocabulary: str):
    stage = open_stage(("chat", "first"))
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "first"}
    said = {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}, "finish_reason": None}]}
    error = {"error": {"message": LEAKY, "type": "server_error", "code": None}}
    stage.upstream.script("first", [{"write": f"data: {json.dumps(said)}\n\ndata: {json.dumps(error)}\n\n"}])
    content = ask(stage, vocabulary).content.decode()
    assert [trace for trace in TRACES if trace in content] == []


class Log:
    """Everything that was logged: our own lines, and what libraries say."""

    def __init__(self, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._capsys = capsys
        self._caplog = caplog

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capsys.readouterr().err.splitlines()]

    def everything(self) -> str:
        return self._capsys.readouterr().err + self._caplog.text


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Log:
    return Log(capsys, caplog)


def test_no_log_line_holds_a_key_or_a_word_of_the_conversation(open_stage: OpenStage, log: Log):
    stage = open_stage(("chat", "a+401"), ("messages", "b"))
    refusing(stage, "a+401", 401)
    for vocabulary in VOCABULARIES:
        ask(stage, vocabulary)
        stage.raw("POST", PATHS[vocabulary], b'{"input": "my secret prompt"')
    wrong = stage.key[:-6] + "AAAAAA"
    stage.raw("POST", PATHS["chat"], body("chat"), key=wrong)
    stage.settle()
    logged = log.everything()
    assert "request_id" in logged
    for secret in (stage.key, wrong, "sk-fake", "sk-proj", SAID, "my secret prompt", "Bearer"):
        assert secret not in logged


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_bug_of_ours_is_a_500_with_an_id_and_a_log_line(
    open_stage: OpenStage, vocabulary: str, log: Log, monkeypatch: pytest.MonkeyPatch
):
    stage = open_stage((speaks(vocabulary), "first"))

    async def broken(*_: object) -> None:
        raise KeyError("a secret detail of ours")

    monkeypatch.setattr(stage.app._server._pipeline, "answer", broken)
    answer = ask(stage, vocabulary)
    request_id = answer.headers["x-request-id"]
    assert (answer.status, answer.headers["x-should-retry"]) == (500, "false")
    assert "secret detail" not in answer.content.decode()
    assert "x-request-id" in answer.content.decode()
    logged = log.everything()
    assert request_id in logged
    assert "secret detail" in logged
    assert stage.metric("segue_requests_total", outcome="failed") == 1


def test_log_lines_are_one_per_request_and_tell_its_story(open_stage: OpenStage, log: Log):
    stage = open_stage(("chat", "a+503"), ("messages", "b"))
    answer = ask(stage, "responses")
    stage.settle()
    [told] = [line for line in log.lines() if line["event"] == "request"]
    assert told["request_id"] == answer.headers["x-request-id"]
    assert (told["route"], told["tenant"], told["outcome"]) == (Stage.model, "tests", "ok")
    assert told["served_by"] == "messages/b"
    assert len(told["attempts"]) == 3, "the first one tried twice"
    assert told["output_tokens"] > 0
