"""Refusals by every name, in every vocabulary's own words, and every way to say when to come back."""

import time
from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from proxy.demo.faults import NAMES
from proxy.demo.waits import WAYS, Wait
from tests.demo.seeing import VOCABULARIES, Client

every_vocabulary = pytest.mark.parametrize("vocabulary", VOCABULARIES)
STATUS = {name: int(name[:3]) for name in NAMES if name[:3].isdigit()}
STATUS |= {"context-overflow": 400, "content-filter": 400, "no-prefill": 400, "prefill-space": 400}


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


def is_in(seconds: float, moment: float) -> bool:
    """Whether a moment, in unix seconds, was as far away as told in whole seconds."""
    return seconds - 3 < moment - time.time() <= seconds


def unix(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


# way: an amount, and what its headers say
WAITS: dict[str, tuple[int, Callable[[dict[str, str]], bool]]] = {
    "retry-after": (9, lambda headers: headers["retry-after"] == "9"),
    "retry-after-date": (90, lambda headers: is_in(90, parsedate_to_datetime(headers["retry-after"]).timestamp())),
    "retry-after-ms": (1200, lambda headers: (headers["retry-after-ms"], headers["retry-after"]) == ("1200", "2")),
    "reset": (9, lambda headers: headers["x-ratelimit-reset"] == "9"),
    "reset-epoch": (90, lambda headers: is_in(90, int(headers["x-ratelimit-reset"]))),
    "reset-duration": (361_500, lambda headers: headers["x-ratelimit-reset-requests"] == "6m1.5s"),
    "reset-date": (90, lambda headers: is_in(90, unix(headers["anthropic-ratelimit-requests-reset"]))),
}


@every_vocabulary
@pytest.mark.parametrize("way", WAYS)
async def test_when_to_come_back(client: Client, vocabulary: str, way: str) -> None:
    amount, says_so = WAITS[way]
    seen = await client.ask(vocabulary, f"demo+429-{way}-{amount}")
    assert seen.status == 429
    assert says_so(seen.headers), seen.headers
    assert "retry-after" in seen.headers or way.startswith("reset")


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(250, "250ms"), (1000, "1s"), (1500, "1.5s"), (60_000, "1m0s"), (3_605_000, "1h0m5s")],
)
def test_durations_are_written_as_go_does(milliseconds: int, shown: str) -> None:
    assert Wait("reset-duration", milliseconds).headers(0)["x-ratelimit-reset-requests"] == shown
