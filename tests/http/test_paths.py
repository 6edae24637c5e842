"""Which paths work and what the others answer (contract §1)."""

import json

import pytest

from tests.e2e.harness import OpenStage, Stage
from tests.http.sockets import Wire
from tests.pipeline.asking import body

NAME = "org/name:tag"


@pytest.fixture(scope="module")
def shared(open_shared: OpenStage) -> Stage:
    return open_shared(routes={NAME: [("chat", "first")], Stage.model: [("chat", "first")]})


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.upstream.recorder.forget()
    return shared


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "//v1//chat//completions",
        "/v1/chat/completions/",
        "http://segue.test/v1/chat/completions",
        "HTTPS://segue.test:8080/chat/completions?x=/v1",
        "/v1/chat/completions?api-version=2024-10-21",
    ],
)
def test_forgiving_paths(stage: Stage, path: str):
    with Wire(stage) as wire:
        wire.send(wire.request(path=path, content=question_of("chat")))
        assert wire.reply().status == 200


def question_of(vocabulary: str) -> bytes:
    return json.dumps(body(vocabulary, False)).encode()


@pytest.mark.parametrize("path", [f"/v1/models/{NAME}", "/v1/models/org%2Fname%3Atag", "/models/org%2fname:tag"])
def test_names_with_slashes_and_colons(stage: Stage, path: str):
    answer = stage.raw("GET", path)
    assert (answer.status, answer.json["id"], answer.json["object"]) == (200, NAME, "model")
    assert stage.raw("POST", "/v1/chat/completions", body("chat", False, model=NAME)).json["model"] == NAME


def test_models_in_both_shapes(stage: Stage):
    listed = stage.raw("GET", "/v1/models").json
    assert (listed["object"], [each["id"] for each in listed["data"]]) == ("list", sorted([NAME, Stage.model]))
    listed = stage.raw("GET", "/v1/models", headers={"anthropic-version": "2023-06-01"}).json
    assert [each["type"] for each in listed["data"]] == ["model", "model"]
    assert listed["has_more"] is False
    assert stage.raw("GET", "/v1/models/unknown").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/responses", 405, "POST, OPTIONS"),
        ("PUT", "/v1/messages", 405, "POST, OPTIONS"),
        ("DELETE", "/v1/chat/completions", 405, "POST, OPTIONS"),
        ("POST", "/v1/models", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/v1/responses/resp_123", 404, None),
        ("POST", "/v1/messages/batches", 404, None),
        ("POST", "/v1/nothing", 404, None),
        ("GET", "/", 404, None),
    ],
)
def test_what_is_not_served_says_what_is(stage: Stage, method: str, path: str, status: int, allow: str | None):
    answer = stage.raw(method, path, b"{}" if method != "GET" else None)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.headers["content-type"].startswith("application/json")
    found = answer.json["error"]
    assert path in found["message"]
    assert ("POST" in found["message"]) or ("GET" in found["message"])
    assert (answer.json.get("type") == "error") is ("/messages" in path)


def test_the_client_tells_the_shape_where_the_path_does_not(stage: Stage):
    answer = stage.raw("POST", "/v1/nothing", b"{}", {"anthropic-version": "2023-06-01"})
    assert (answer.status, answer.json["type"], answer.json["error"]["type"]) == (404, "error", "not_found_error")
    answer = stage.raw("POST", "/v1/responses", b"{}", {"segue-vocabulary": "domain"})
    assert answer.headers["content-type"].startswith("application/problem+json")
    accept = {"accept": "text/event-stream;vocabulary=domain"}
    answer = stage.raw("POST", "/v1/responses", body("responses"), accept)
    assert answer.content.startswith(b"event: stream_started")


def test_head_works_where_get_does(stage: Stage):
    with Wire(stage) as wire:
        wire.send(wire.request("HEAD", "/v1/models"))
        reply = wire.reply("HEAD")
        assert reply.status == 200
        assert int(reply.headers["content-length"]) > 0
        wire.send(wire.request("HEAD", "/v1/models/unknown"))
        assert wire.reply("HEAD").status == 404
        wire.send(wire.request("GET", "/v1/models"))
        assert wire.reply().status == 200


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/models", "/v1/nothing"])
def test_options_promise_no_other_origin_anything(stage: Stage, path: str):
    with Wire(stage) as wire:
        wire.send(wire.request("OPTIONS", path, origin="https://elsewhere.example", authorization=""))
        answer = wire.reply()
    assert answer.status == 204
    assert answer.headers["allow"].endswith("OPTIONS")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("wanted", ["websocket", "h2c, websocket"])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime"])
def test_a_websocket_is_declined_at_once(stage: Stage, path: str, wanted: str):
    with Wire(stage) as wire:
        upgrade = {"connection": "Upgrade", "upgrade": wanted, "sec_websocket_version": "13"}
        wire.send(wire.request("GET", path, **upgrade, sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="))
        reply = wire.reply()
    assert reply.status == 426
    assert reply.json["error"]["message"]
    assert reply.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages", "domain"])
def test_every_answer_has_a_request_id(stage: Stage, vocabulary: str):
    path = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}.get(vocabulary, "/v1/responses")
    headers = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    seen = set()
    for content in (b"{}", b"{", question_of(vocabulary)):
        answer = stage.raw("POST", path, content, {**headers, "content-type": "application/json"})
        request_id = answer.headers["x-request-id"]
        seen.add(request_id)
        if vocabulary == "messages":
            assert answer.headers["request-id"] == request_id
            assert answer.status == 200 or answer.json["request_id"] == request_id
    assert len(seen) == 3
