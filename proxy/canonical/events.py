"""The stream between a decoder and an encoder. Order is `grammar.py`'s affair; what a client was told is `relay`'s."""

from enum import IntEnum, StrEnum

import msgspec

from proxy.canonical.usage import Usage


class BlockKind(IntEnum):
    TEXT = 0
    REFUSAL = 1
    REASONING = 2  # thoughts as the provider shows them: summaries, thinking, reasoning_content
    RAW_REASONING = 3  # unsummarised chain of thought, where a wire keeps the two apart
    TOOL_CALL = 4  # deltas are pieces of a JSON object
    CUSTOM_CALL = 5  # deltas are free text
    HOSTED = 6  # a tool the provider runs itself; only its own vocabulary can write it


class StopReason(StrEnum):
    END = "end"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    PAUSE = "pause"


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider accepted. Ids and names of its own do not travel: ours are minted by the encoder."""

    usage: Usage | None = None  # input tokens, where the wire knows them this early


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A block begins. `call_id` and `name` for tool calls; `choice` for vocabularies that ask for several answers."""

    block: int
    kind: BlockKind
    call_id: str = ""
    name: str = ""
    choice: int = 0


class Delta(msgspec.Struct, frozen=True, gc=False):
    block: int
    text: str


class Citation(msgspec.Struct, frozen=True):
    """A source. `start` and `end` count characters of the block's text."""

    url: str | None = None
    title: str = ""
    snippet: str = ""
    source: str = "web"  # web | file
    file_id: str | None = None
    start: int | None = None
    end: int | None = None

    def moved(self, by: int) -> "Citation":
        """The same `by` characters further on."""
        if not by:
            return self
        start, end = (None if place is None else place + by for place in (self.start, self.end))
        return msgspec.structs.replace(self, start=start, end=end)


class Cited(msgspec.Struct, frozen=True, gc=False):
    block: int
    citation: Citation


class Signed(msgspec.Struct, frozen=True, gc=False):
    """Round-trip material of a reasoning block, already carrying its origin tag (`origin.py`)."""

    block: int
    material: str


class Closed(msgspec.Struct, frozen=True, gc=False):
    block: int


class UsageReported(msgspec.Struct, frozen=True, gc=False):
    usage: Usage
    final: bool = False  # the wire's closing account rather than a running figure


class Progress(msgspec.Struct, frozen=True, gc=False):
    """A hosted tool's life: phase start | progress | done."""

    phase: str
    name: str
    details: dict[str, object] = {}


class Foreign(msgspec.Struct, frozen=True, gc=False):
    """A frame only its own vocabulary understands; relayed there, dropped and counted elsewhere."""

    name: str
    content: bool = False  # whether it commits the answer (hosted tools do)


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """A frame that was left out and counted: malformed before any content, or against the grammar."""

    why: str


class Finished(msgspec.Struct, frozen=True, gc=False):
    reason: StopReason
    stop_sequence: str | None = None


class FaultKind(StrEnum):
    REPORTED = "reported"  # the provider said so in a frame
    MALFORMED = "malformed"
    TRUNCATED = "truncated"  # the wire closed without an end
    EMPTY = "empty"  # the wire closed without a frame that said anything
    OVERSIZED = "oversized"


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The wire broke or reported an error: raw facts, unscrubbed; `routing` decides what they mean. `wait`: how long it
    asks to wait, as it says it."""

    kind: FaultKind
    message: str = ""
    code: str = ""
    type: str = ""
    status: int | None = None
    param: str | None = None
    wait: str = ""


Event = (
    Started
    | Opened
    | Delta
    | Cited
    | Signed
    | Closed
    | UsageReported
    | Progress
    | Foreign
    | Skipped
    | Finished
    | Failed
)
TERMINAL = (Finished, Failed)
_CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL)
_HOSTED = BlockKind.HOSTED


def is_content(event: Event) -> bool:
    """Whether `event` moves the commit point (contract §7): something a client would show, speak or execute."""
    if type(event) is Delta:
        return bool(event.text)
    if type(event) is Opened:
        return event.kind is _HOSTED or (event.kind in _CALLS and bool(event.call_id and event.name))
    if type(event) is Foreign:
        return event.content
    return type(event) is Progress
