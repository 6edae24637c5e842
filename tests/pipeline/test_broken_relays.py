"""What a provider sends beside the answer never breaks it, and a bug of ours in mid-stream still ends it properly."""

import base64
import json
from urllib.request import Request, urlopen

import pytest

import proxy.relay.pump
from tests.e2e.harness import OpenStage
from tests.pipeline.asking import PATHS, VOCABULARIES, ask, body

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "first"}
FAILURES = {"responses": "response.failed", "chat": '"error"', "messages": "event: error", "domain": "event: error"}
SUCCESSES = {
    "responses": "event: response.completed",
    "chat": "data: [DONE]",
    "messages": "event: message_stop",
    "domain": "event: done",
}


def chunk(delta: dict[str, str], finish: str | None = None) -> str:
    return f"data: {json.dumps({**HEAD, 'choices': [{'index': 0, 'delta': delta, 'finish_reason': finish}]})}\n\n"


FIRST, LAST, DONE = chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop"), "data: [DONE]\n\n"
NOVEL = 'data: {"type":"keepalive","note":1}\n\n'


@pytest.mark.parametrize(
    "wire",
    [
        FIRST + LAST + NOVEL + DONE,
        FIRST + NOVEL + LAST + NOVEL + DONE,
        FIRST + LAST + NOVEL,
        FIRST + LAST + LAST + DONE,
    ],
    ids=["before DONE", "around the finish", "instead of DONE", "finish twice"],
)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_frame_nobody_knows_after_the_finish(open_stage: OpenStage, vocabulary: str, wire: str):
    """The finish was held back for the account and let go by the novelty: there was no last frame left to end with.
    Asked past the stage's judge: a novelty passes to clients of the same wire, and is not conformant there either."""
    stage = open_stage(("chat", "first"))
    stage.upstream.script("first", [{"write": wire}])
    headers = {"authorization": f"Bearer {stage.key}"}
    headers |= {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    url = stage.direct_url + PATHS[vocabulary]
    with urlopen(Request(url, json.dumps(body(vocabulary, True)).encode(), headers), timeout=10) as answer:
        content = answer.read().decode()
    assert content.count(SUCCESSES[vocabulary]) == 1


@pytest.mark.parametrize("speaks", ["chat", "messages"])
def test_a_name_that_is_no_utf8_breaks_the_answer_and_nothing_else(open_stage: OpenStage, speaks: str):
    """Struct decoders skip a member they do not know without looking; relaying reads all names."""
    wires = {
        "chat": FIRST.encode()
        + b'data: {"id":"c","object":"chat.completion.chunk","created":1,"sys\xebtem":1,"model":"other","choices":'
        b'[{"index":0,"delta":{"content":" there"},"finish_reason":null}]}\n\n' + (LAST + DONE).encode(),
        "messages": b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        b'"role":"assistant","model":"first","content":[],"stop_reason":null,"stop_sequence":null,'
        b'"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        b'"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"Hi"}}\n\n'
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn",'
        b'"stop_sequence":null},"us\xebge":{},"usage":{"output_tokens":2}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    }
    stage = open_stage((speaks, "first"))
    stage.upstream.script("first", [{"write_base64": _base64(wires[speaks])}])
    content = ask(stage, speaks).content.decode("utf-8", "replace")
    assert content.count(SUCCESSES[speaks]) + content.count(FAILURES[speaks]) == 1


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_a_bug_of_ours_in_mid_stream_is_a_failure_of_the_stream(
    open_stage: OpenStage, vocabulary: str, monkeypatch: pytest.MonkeyPatch
):
    """Not the head of a second HTTP answer between two chunks of the first."""
    stage = open_stage(("chat", "first"))
    stage.upstream.script(
        "first",
        [
            {"write": FIRST},
            {"sleep": 0.05},
            {"write": chunk({"content": " you"})},
            {"sleep": 0.05},
            {"write": LAST + DONE},
        ],
    )
    looked = []

    def looks_once(events: object) -> None:
        looked.append(events)
        if len(looked) > 1:
            raise ZeroDivisionError

    monkeypatch.setattr(proxy.relay.pump, "failure_of", looks_once)
    answer = ask(stage, vocabulary)
    content = answer.content.decode()
    assert answer.status == 200
    assert "HTTP/1.1" not in content
    assert FAILURES[vocabulary] in content
    assert SUCCESSES[vocabulary] not in content


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
