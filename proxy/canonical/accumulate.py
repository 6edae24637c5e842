"""Events folded into an answer: what non-streaming bodies are written from, and a stream's closing frame repeats."""

import msgspec

from proxy.canonical.events import (
    BlockKind,
    Citation,
    Cited,
    Closed,
    Delta,
    Event,
    Failed,
    Finished,
    Opened,
    Signed,
    Started,
    UsageReported,
)
from proxy.canonical.usage import Usage


class Block(msgspec.Struct):
    """One finished or unfinished block. `material` is the reasoning's round-trip material with its origin tag."""

    kind: BlockKind
    call_id: str = ""
    name: str = ""
    choice: int = 0
    pieces: list[str] = []
    citations: list[Citation] = []
    material: str | None = None
    closed: bool = False

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Answer(msgspec.Struct):
    """Everything one attempt said. `end` is None while it has not ended. Blocks keep the order of their opening."""

    blocks: dict[int, Block] = {}
    usage: Usage = Usage()
    end: Finished | Failed | None = None

    def add(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Delta:
                self.blocks[event.block].pieces.append(event.text)
            else:
                self._add_rare(event)

    def _add_rare(self, event: Event) -> None:
        match event:
            case Opened():
                self.blocks[event.block] = Block(event.kind, event.call_id, event.name, event.choice)
            case Cited():
                self.blocks[event.block].citations.append(event.citation)
            case Signed():
                self.blocks[event.block].material = event.material
            case Closed():
                self.blocks[event.block].closed = True
            case UsageReported():
                self.usage = self.usage.merged(event.usage)
            case Started(usage=Usage() as usage):
                self.usage = self.usage.merged(usage)
            case Finished() | Failed():
                self.end = event

    def text(self, kind: BlockKind = BlockKind.TEXT, choice: int = 0) -> str:
        return "".join(b.text for b in self.blocks.values() if b.kind is kind and b.choice == choice)


def fold(events: list[Event]) -> Answer:
    answer = Answer()
    answer.add(events)
    return answer
