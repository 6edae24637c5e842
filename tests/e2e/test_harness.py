"""The stage itself: it notices what it is there to notice."""

import http.client
import json

import pytest

from tests.e2e.harness import Backstage, OpenStage, Stage, faults
from tests.e2e.plays import MESSAGES, SAID
from tests.e2e.tap import Watched

QUESTION = {"model": Stage.model, "messages": MESSAGES, "stream": True}


@pytest.fixture
def unattended(backstage: Backstage) -> Stage:
    """A stage that the test closes."""
    stage = Stage(backstage)
    stage.open({stage.model: [("chat", "demo"), ("chat", "demo+stall-1")]}, {})
    return stage


def test_it_sees_what_clients_see(open_stage: OpenStage) -> None:
    stage = open_stage(("chat", "demo"))
    answer = stage.raw("POST", "/v1/chat/completions", QUESTION)
    assert "".join(each["choices"][0]["delta"].get("content") or "" for each in answer.payloads) == SAID
    (seen,) = stage.seen
    assert (seen.request, seen.status, seen.content) == ("POST /v1/chat/completions", 200, answer.content)
    assert (seen.headers, seen.whole) == (answer.headers, True)
    assert stage.metric("segue_requests_total", vocabulary="chat", outcome="ok") == 1


def test_it_notices_an_answer_that_breaks_a_rule() -> None:
    stream = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[]}\n\n'
    watched = Watched("POST /v1/chat/completions", {}, 200, {"content-type": "text/event-stream"}, stream, True)
    assert list(faults([watched])) != []


def test_it_notices_a_request_that_never_ends(unattended: Stage) -> None:
    unattended.patience = 0.1
    unattended.upstream.behave("demo", "stall-1", times=1)
    host, _, port = unattended.direct_url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port))
    try:
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(QUESTION), {"authorization": f"Bearer {unattended.key}"}
        )
        assert connection.getresponse().status == 200
        with pytest.raises(AssertionError, match="still being asked"):
            unattended.close()
    finally:
        connection.close()
