"""How providers are asked to go on with an answer that broke, and that clients' own requests never are written so."""

from typing import Any

import msgspec
import pytest

from proxy.canonical.origin import Origins, Seal
from proxy.canonical.request import Continuation, Request
from proxy.vocabularies.catalog import DOWNSTREAM, UPSTREAM
from proxy.wire.codec import Peer
from proxy.wire.quirks import Quirks

ORIGINS = Origins(b"a secret for the tests")
TURNS = [{"role": "user", "content": "Hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "responses": {"model": "m", "input": "Hi", "stream": True, "max_output_tokens": 100},
    "chat": {"model": "m", "messages": TURNS, "stream": True, "max_tokens": 100},
    "messages": {"model": "m", "messages": TURNS, "stream": True, "max_tokens": 100},
}
GO_ON = Continuation("Once upon", 80)
MARKS = ("prefix", "continue_final_message", "add_generation_prompt")


def peer(**quirks: Any) -> Peer:
    return Peer("upstream-model", Quirks(**quirks), Seal(ORIGINS, ORIGINS.origin("here", "first")))


def asked(client: str, go_on: Continuation | None = GO_ON, **members: Any) -> Request:
    request = DOWNSTREAM[client].read_request(BODIES[client] | members)
    return msgspec.structs.replace(request, continuation=go_on)


clients = pytest.mark.parametrize("client", BODIES)


@clients
@pytest.mark.parametrize(
    ("form", "last", "beside"),
    [
        ("plain", {}, {}),
        ("prefix", {"prefix": True}, {}),
        ("continue_final_message", {}, {"continue_final_message": True, "add_generation_prompt": False}),
    ],
)
@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_chat(client: str, form: Any, last: dict[str, Any], beside: dict[str, Any], limit: Any):
    body, _ = UPSTREAM["chat"].write_request(asked(client), peer(prefill=form, max_tokens_parameter=limit))
    assert body["messages"][-1] == {"role": "assistant", "content": "Once upon", **last}
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert {name: body[name] for name in MARKS if name in body} == beside
    assert body[limit] == 80


@clients
def test_messages(client: str):
    body, _ = UPSTREAM["messages"].write_request(asked(client), peer(prefill="plain"))
    assert body["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    assert body["max_tokens"] == 80


@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_what_the_client_sent_is_left_as_it_is(upstream: str):
    request = asked(upstream)
    before = msgspec.json.encode(request.body)
    UPSTREAM[upstream].write_request(request, peer(prefill="plain"))
    assert msgspec.json.encode(request.body) == before


def test_no_limit_is_made_up():
    body = {name: value for name, value in BODIES["chat"].items() if name != "max_tokens"}
    request = DOWNSTREAM["chat"].read_request(body)
    request = msgspec.structs.replace(request, continuation=Continuation("Once upon"))
    written, _ = UPSTREAM["chat"].write_request(request, peer(prefill="plain"))
    assert not {"max_tokens", "max_completion_tokens", "max_output_tokens"} & written.keys()


def test_a_limit_the_provider_does_not_take_is_not_written():
    quirks = {"prefill": "plain", "drop_parameters": frozenset({"max_output_tokens"})}
    written, _ = UPSTREAM["chat"].write_request(asked("chat"), peer(**quirks))
    assert not {"max_tokens", "max_completion_tokens"} & written.keys()


def test_the_models_own_limit_stays():
    body, _ = UPSTREAM["messages"].write_request(asked("messages"), peer(prefill="plain", output_maximum=50))
    assert body["max_tokens"] == 50


@clients
@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_who_is_not_known_to_go_on_objects(client: str, upstream: str):
    wire = UPSTREAM[upstream]
    assert wire.objections(asked(client), peer())
    assert not wire.objections(asked(client), peer(prefill="plain"))
    assert not wire.objections(asked(client, None), peer())


@clients
def test_responses_has_no_way_to_go_on(client: str):
    assert UPSTREAM["responses"].objections(asked(client), peer(prefill="plain"))
    assert not UPSTREAM["responses"].objections(asked(client, None), peer())


@pytest.mark.parametrize("form", [None, "plain", "prefix", "continue_final_message"])
@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_a_clients_own_prefill_passes_as_ever(client: str, upstream: str, form: Any):
    own = asked(client, None, messages=[*TURNS, {"role": "assistant", "content": "Well,"}])
    assert not UPSTREAM[upstream].objections(own, peer(prefill=form))
    body, _ = UPSTREAM[upstream].write_request(own, peer(prefill=form))
    assert body == UPSTREAM[upstream].write_request(own, peer()).body
    assert not set(MARKS) & (body.keys() | body["messages"][-1].keys())
    assert body["messages"][-1]["role"] == "assistant"
