"""Refusals by every name, in every vocabulary's own words."""

from typing import Any

import pytest

from proxy.demo.faults import NAMES
from tests.demo.seeing import VOCABULARIES, Client

every_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES)
STATUS = {name: int(name[:3]) for name in NAMES if name[:3].isdigit()}
STATUS |= {"context-overflow": 400, "content-filter": 400}


@every_vocabulary
@pytest.mark.parametrize("name", [*NAMES, "418", "520"])
async def test_refusals(client: Client, vocabulary: str, name: str) -> None:
    seen = await client.ask(vocabulary, f"demo+{name}")
    billing = 400 if vocabulary == "messages" else 429
    expected = billing if name == "billing" else STATUS.get(name)
    assert seen.status == (expected or int(name))
    assert seen.headers["content-type"] == "application/json"
    assert "retry-after" not in seen.headers
    error = seen.json["error"]
    assert error["message"]
    if vocabulary == "messages":
        assert seen.json["type"] == "error"
        assert seen.json["request_id"].startswith("req_")
        assert error.keys() == {"type", "message"}
    else:
        assert error.keys() == {"message", "type", "param", "code"}


async def test_the_codes_clients_look_for(client: Client) -> None:
    async def error(vocabulary: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = (await client.ask(vocabulary, f"demo+{name}")).json["error"]
        return found

    assert (await error("chat", "billing"))["code"] == "insufficient_quota"
    assert "credit balance is too low" in (await error("messages", "billing"))["message"]
    assert (await error("chat", "context-overflow"))["code"] == "context_length_exceeded"
    assert (await error("messages", "context-overflow"))["message"].startswith("prompt is too long: ")
    assert (await error("responses", "404-model"))["code"] == "model_not_found"
    assert (await error("messages", "529"))["type"] == "overloaded_error"
    assert (await error("chat", "content-filter"))["code"] == "content_filter"


@every_vocabulary
async def test_retry_after(client: Client, vocabulary: str) -> None:
    for status in (429, 503, 529):
        seen = await client.ask(vocabulary, f"demo+{status}-retry-after-7")
        assert (seen.status, seen.headers["retry-after"]) == (status, "7")
