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


def trailing(messages: list[Any], field: str, value: str) -> list[Json]:
    """The run of messages at the end of the conversation whose `field` is `value`."""
    found: list[Json] = []
    for message in reversed(messages):
        if not isinstance(message, dict) or message.get(field) != value:
            break
        found.insert(0, message)
    return found
