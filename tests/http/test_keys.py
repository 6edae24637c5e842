"""Who asks: three headers for keys, and what is said to those without one (contract §1, §6)."""

import pytest

from proxy.runtime import keys
from tests.e2e.harness import OpenStage, Stage
from tests.pipeline.asking import PATHS, VOCABULARIES, body, error

UNKNOWN = keys.compose("unknown1", "0123456789abcdefghijABCDEFGHIJ99")
WORDS = {
    "responses": "invalid_api_key",
    "chat": "invalid_api_key",
    "messages": "authentication_error",
    "domain": "unauthenticated",
}


@pytest.fixture(scope="module")
def shared(open_shared: OpenStage) -> Stage:
    return open_shared(("chat", "first"))


@pytest.fixture
def stage(shared: Stage) -> Stage:
    shared.upstream.recorder.forget()
    return shared


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key"])
@pytest.mark.parametrize("vocabulary", ["responses", "chat", "messages"])
def test_three_headers_carry_a_key(stage: Stage, vocabulary: str, name: str):
    value = f"Bearer {stage.key}" if name == "authorization" else stage.key
    answer = stage.raw("POST", PATHS[vocabulary], body(vocabulary, False), {name: value}, key="")
    assert answer.status == 200


def test_the_same_key_twice_is_one_key(stage: Stage):
    headers = {"x-api-key": stage.key, "api-key": stage.key}
    assert stage.raw("POST", PATHS["chat"], body("chat", False), headers).status == 200


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Bearer {UNKNOWN}"},
        {"x-api-key": "sg-testkey1-nonsense"},
        {"authorization": "Bearer"},
        {"authorization": "Basic c2c6c2c="},
        {"authorization": "Bearer ' OR '1'='1"},
        {"x-api-key": "{key}", "api-key": UNKNOWN},
        {"authorization": "Bearer {key}", "x-api-key": UNKNOWN},
    ],
    ids=["none", "unknown", "malformed", "empty", "scheme", "quotes", "two", "two-others"],
)
def test_everybody_else_is_refused(stage: Stage, vocabulary: str, headers: dict[str, str]):
    sent = {name: value.replace("{key}", stage.key) for name, value in headers.items()}
    asked = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    answer = stage.raw("POST", PATHS[vocabulary], body(vocabulary), sent | asked, key="")
    word, message = error(vocabulary, answer)
    assert (answer.status, answer.headers["x-should-retry"]) == (401, "false")
    if vocabulary == "messages":
        word = answer.json["error"]["type"]
    assert word == WORDS[vocabulary]
    assert UNKNOWN not in message
    assert stage.asked == []


def test_a_key_may_do_only_what_it_may(open_stage: OpenStage):
    stage = open_stage(routes={"cheap": [("chat", "a")], "dear": [("chat", "b")]})
    [found] = stage.app._snapshot.keys.values()
    narrow = {"id": "testkey1", "hash": found.digest, "models": ["che*"], "scopes": ["generate"]}
    stage = open_stage(
        routes={"cheap": [("chat", "a")], "dear": [("chat", "b")]}, tenants={"tests": {"keys": [narrow]}}
    )
    assert stage.raw("POST", PATHS["chat"], body("chat", model="cheap")).status == 200
    refused = stage.raw("POST", PATHS["chat"], body("chat", model="dear"))
    assert (refused.status, refused.json["error"]["code"]) == (403, "insufficient_permissions")
    assert stage.raw("GET", "/v1/models").status == 403


def test_an_expired_key_is_refused(open_stage: OpenStage):
    first = open_stage(("chat", "a"))
    [found] = first.app._snapshot.keys.values()
    old = {"id": "testkey1", "hash": found.digest, "expires": "2020-01-01"}
    stage = open_stage(("chat", "a"), tenants={"tests": {"keys": [old]}})
    answer = stage.raw("POST", PATHS["chat"], body("chat"))
    assert answer.status == 401
    assert "expired" in answer.json["error"]["message"]
