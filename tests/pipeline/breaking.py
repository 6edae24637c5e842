"""Routes whose first candidate breaks in mid-answer, what a client has of it in the end, and how it was told."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.harness import Answer, OpenStage, Stage
from tests.vocabularies import facts

# Who goes on with an answer: the tests' own servers do where the model's name says `prefill`.
ABLE: dict[str, Any] = {name: {"quirks": {"prefill": "plain"}} for name in ("chat", "messages")}
IDLE = {"idle_seconds": 0.3}


def breaking(
    open_stage: OpenStage, *candidates: Any, midstream: str = "continue", providers: Any = None, **more: Any
) -> Stage:
    """A stage with one route and that policy; a candidate is (provider, model) or settings."""
    route = {"candidates": list(candidates), "midstream": midstream, "retries": {"same_target": 0}}
    return open_stage(routes={Stage.model: route}, providers=providers or ABLE, **more)


def first(provider: str, how: str, **settings: Any) -> dict[str, Any]:
    """A candidate that breaks; its breaker opens at once, so that one request shows what it was told."""
    timeouts = {"timeouts": IDLE} if "stall" in how else {}
    return {
        "provider": provider,
        "model": f"first+{how}",
        "breaker": {"consecutive_failures": 1},
        **timeouts,
        **settings,
    }


def account(vocabulary: str, answer: Answer) -> dict[str, Any]:
    """The `segue` member of the finished object."""
    for payload in reversed(facts.payloads(answer.content)):
        found = payload.get("response", payload).get("segue")
        if found is not None and "attempts" in found:
            return dict(found)
    raise AssertionError(f"no account in {vocabulary}")


def attempts(vocabulary: str, answer: Answer) -> list[tuple[str, ...]]:
    """(model, outcome, reason, detail) of each attempt; empty words left out."""
    members = ("model", "outcome", "reason", "detail")
    return [tuple(each[name] for name in members if each.get(name)) for each in account(vocabulary, answer)["attempts"]]


def kept(vocabulary: str, answer: Answer) -> str:
    """The text of whoever knows what a restart is: everything before the last mark is thrown away."""
    found = ""
    for payload in facts.payloads(answer.content):
        if _is_mark(vocabulary, payload):
            found = ""
        else:
            found += _words(vocabulary, payload)
    return found


def _is_mark(vocabulary: str, payload: Mapping[str, Any]) -> bool:
    match vocabulary:
        case "domain":
            return payload["_event"] == "fallback_start" and payload["discard"]
        case "chat":
            return "fallback_start" in (payload.get("segue") or {})
        case "messages":
            return bool((payload.get("segue") or {}).get("void"))
    item = payload.get("item") or {}
    return payload["_event"] == "response.output_item.done" and item.get("status") == "incomplete"


def _words(vocabulary: str, payload: Mapping[str, Any]) -> str:
    match vocabulary:
        case "domain":
            return payload["content"] if payload["_event"] == "delta" and payload["type"] == "text" else ""
        case "chat":
            return (payload["choices"][0]["delta"].get("content") or "") if payload.get("choices") else ""
        case "messages":
            return (payload.get("delta") or {}).get("text", "") if payload["_event"] == "content_block_delta" else ""
    return payload["delta"] if payload["_event"] == "response.output_text.delta" else ""


def ends_well(vocabulary: str, answer: Answer) -> bool:
    last = facts.payloads(answer.content)[-1]
    if vocabulary == "chat":
        return answer.content.endswith(b"data: [DONE]\n\n")
    return last["_event"] in ("response.completed", "message_stop", "done")
