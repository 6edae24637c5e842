"""What a Responses stream has built so far: items, their parts and calls, and the delta families that feed them."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.conformance.response_object import PARTS


class Channel(NamedTuple):
    """Where a family of deltas lands: which list of parts, which index, which kind; `text` repeats it at the end."""

    item: str
    text: str
    parts: str = ""
    index_name: str = ""
    part: str = ""


CHANNELS = {
    "response.output_text": Channel("message", "text", "content", "content_index", "output_text"),
    "response.refusal": Channel("message", "refusal", "content", "content_index", "refusal"),
    "response.reasoning_text": Channel("reasoning", "text", "content", "content_index", "reasoning_text"),
    "response.reasoning_summary_text": Channel("reasoning", "text", "summary", "summary_index", "summary_text"),
    "response.function_call_arguments": Channel("function_call", "arguments"),
    "response.custom_tool_call_input": Channel("custom_tool_call", "input"),
}
PART_LISTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}


@dataclass(slots=True)
class Text:
    """Deltas under one part, or under a whole tool call. `closing` is the part as its done event gave it."""

    kind: str
    text: str = ""
    is_done: bool = False
    is_announced: bool = True
    closing: dict[str, Any] | None = None
    annotations: list[Any] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return not self.is_done or (self.is_announced and self.closing is None)


@dataclass(slots=True)
class Item:
    added: dict[str, Any]
    index: int
    parts: dict[str, list[Text]] = field(default_factory=lambda: {"content": [], "summary": []})
    call: Text = field(default_factory=lambda: Text("call"))
    done: dict[str, Any] | None = None
    is_taken_back: bool = False  # closed as usual, and voided with a later item

    @property
    def kind(self) -> str:
        return str(self.added.get("type"))

    @property
    def is_void(self) -> bool:
        """Contract §7: a restart closes the item with status incomplete and no content."""
        done = self.done or {}
        says_nothing = not done.get("summary") and not done.get("encrypted_content")
        return done.get("status") == "incomplete" and done.get("content") == [] and says_nothing

    @property
    def final(self) -> dict[str, Any] | None:
        """How the finished object must show it: as it was closed, but no words of a message that was taken back."""
        emptied = self.done is not None and self.is_taken_back and self.kind == "message"
        return {**self.done, "status": "incomplete", "content": []} if emptied and self.done else self.done

    def all_parts(self) -> list[Text]:
        return [*self.parts["content"], *self.parts["summary"]]


def text_member(kind: str) -> str:
    """Which member of a part of this kind holds its text."""
    return "refusal" if kind == "refusal" else "text"


def agree(streamed: Text, final: Any) -> bool:
    """The part of a done event or item against its deltas, and against its own content_part.done."""
    if not isinstance(final, dict) or final.get("type") != streamed.kind:
        return False
    if streamed.closing is not None and final != streamed.closing:
        return False
    if streamed.annotations and final.get("annotations") != streamed.annotations:
        return False
    return streamed.kind not in PARTS or final.get(text_member(streamed.kind)) == streamed.text
