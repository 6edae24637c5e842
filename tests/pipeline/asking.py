"""How the stories ask, and how they read what came: four vocabularies by the paths and headers their clients use."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.harness import Answer, Stage
from tests.vocabularies import facts

VOCABULARIES = ("responses", "chat", "messages", "domain")
SAID = "Hi there"
TEXT = "You said: Hi there"
PATHS = {
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "domain": "/v1/responses",
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: dict[str, Any] = {
    "responses": {"type": "function", "name": "weather", "parameters": SCHEMA},
    "chat": {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
    "messages": {"name": "weather", "input_schema": SCHEMA},
}


def speaks(vocabulary: str) -> str:
    """The provider of the stage whose wire is the client's own."""
    return "responses" if vocabulary == "domain" else vocabulary


def body(vocabulary: str, stream: bool = True, **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": SAID}]
    asked: dict[str, Any] = {
        "responses": {"input": SAID},
        "chat": {"messages": turns},
        "messages": {"messages": turns, "max_tokens": 500},
    }[speaks(vocabulary)]
    return {"model": Stage.model, "stream": stream, **asked, **more}


def ask(
    stage: Stage, vocabulary: str, stream: bool = True, headers: Mapping[str, str] | None = None, **more: Any
) -> Answer:
    """One request as a client of `vocabulary` sends it."""
    asked = {"segue-vocabulary": "domain"} if vocabulary == "domain" else {}
    return stage.raw("POST", PATHS[vocabulary], body(vocabulary, stream, **more), asked | dict(headers or {}))


def text(vocabulary: str, answer: Answer) -> str:
    """What a stream's client had read when it ended, however it ended."""
    found = []
    for payload in facts.payloads(answer.content):
        if payload.get("type") == "response.output_text.delta":
            found.append(payload["delta"])
        elif payload.get("type") == "content_block_delta":
            found.append(payload["delta"].get("text", ""))
        elif payload["_event"] == "delta":
            found.append(payload["content"] if payload["type"] == "text" else "")
        elif payload.get("choices"):
            found.append(payload["choices"][0]["delta"].get("content") or "")
    return "".join(found)


def notices(answer: Answer) -> list[dict[str, Any]]:
    """The fallback notices of a stream in the order they came, as comments or events; each with its name as `event`."""
    found = facts.comments(answer.content)
    for payload in facts.payloads(answer.content):
        name = payload["_event"] or payload.get("type", "") or payload.get("segue_event", {}).get("event", "")
        if "fallback_" in name:
            found.append({"event": name.removeprefix("segue:"), **payload})
    return found


def names(vocabulary: str, answer: Answer) -> list[str]:
    """What a stream's frames are called: their type or event; in chat what they carry."""
    if vocabulary != "chat":
        return [payload["_event"] for payload in facts.payloads(answer.content)]
    return ["error" if "error" in payload else "chunk" for payload in facts.payloads(answer.content)]


def candidate(provider: str, model: str, **settings: Any) -> dict[str, Any]:
    """A candidate whose breaker opens at its first failure, so that one request shows what it was told."""
    return {"provider": provider, "model": model, "breaker": {"consecutive_failures": 1}, **settings}


def breaker(stage: Stage, target: str) -> str:
    """closed | half-open | open."""
    level = stage.metric("segue_breaker_state", target=target)
    return {0: "closed", 1: "half-open", 2: "open"}[int(level)]


def error(vocabulary: str, answer: Answer) -> tuple[str | None, str]:
    """(type or code, message) of an error answer: what a program branches on, and what a person reads."""
    if vocabulary == "domain":
        return answer.json["code"], answer.json["detail"]
    inner = answer.json["error"]
    return (inner["type"] if vocabulary == "messages" else inner["code"]), inner["message"]
