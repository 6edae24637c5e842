"""What every speaker can do: read a question, spell an answer streamed or whole, refuse, and fail in mid-stream."""

from typing import Any, Protocol

from proxy.demo.content import Answer, Question
from proxy.demo.faults import Fault
from proxy.demo.frames import Frame, Json
from proxy.demo.identity import Identity


class Speaker(Protocol):
    def read(self, body: Json) -> Question: ...

    def stream(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> list[Frame]: ...

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame: ...

    def refusal(self, fault: Fault) -> tuple[int, Json]:
        """The status and the body of an error answer."""
        ...

    def failure(self, fault: Fault, opening: Frame | None) -> Frame:
        """What a stream says when it fails after its 200: an error, or, given the stream's opening frame, the closing
        event that says so where the vocabulary has one."""
        ...

    def hollow(self, fault: Fault) -> Frame:
        """An error in what else looks like a frame of the answer, where the vocabulary has a place for that; otherwise
        as `failure`."""
        ...

    def novelty(self) -> Frame:
        """A frame no client has heard of, which may be ignored."""
        ...

    def headers(self, identity: Identity) -> dict[str, str]: ...


def text_of(content: Any) -> str:
    """All text of a message's content, in any of the three vocabularies: a string, or parts of which some have text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return " ".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def last_said(messages: list[Any], role: str = "user") -> str:
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == role and (said := text_of(message.get("content"))):
            return said
    return ""


def begun_by_assistant(messages: list[Any]) -> str:
    """The text of an assistant's message at the end of the conversation, for the model to go on with; "" if it ends
    otherwise."""
    last = messages[-1] if messages else None
    if not isinstance(last, dict) or last.get("role") != "assistant" or last.get("tool_calls"):
        return ""
    content = last.get("content")
    if not isinstance(content, list):
        return content if isinstance(content, str) else ""
    if any(part.get("type") == "tool_use" for part in content if isinstance(part, dict)):
        return ""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def trailing(messages: list[Any], field: str, value: str) -> list[Json]:
    """The run of messages at the end of the conversation whose `field` is `value`."""
    found: list[Json] = []
    for message in reversed(messages):
        if not isinstance(message, dict) or message.get(field) != value:
            break
        found.insert(0, message)
    return found
