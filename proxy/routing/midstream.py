"""An answer that broke after its first content: what its client has been told, and what may become of it (contract §7,
mid-stream policy). Values in, a decision out."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from proxy.canonical.accumulate import Answer
from proxy.canonical.events import BlockKind, Delta, Event, Foreign, Opened, Progress
from proxy.canonical.request import Continuation, Reasoning, Request, ToolChoice
from proxy.errors import Next, UpstreamFault
from proxy.routing.candidates import Candidate

FEWEST_TOKENS = 16  # what a successor is given to end with where the client's limit is all but used up
_CHARACTERS_PER_TOKEN = 4
_TEXT = BlockKind.TEXT
THOUGHTS = (BlockKind.REASONING, BlockKind.RAW_REASONING)
_ACTS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL, BlockKind.HOSTED)


class Decision(StrEnum):
    FAIL = "fail"
    CONTINUE = "continue"
    RESTART = "restart"


class Policy(NamedTuple):
    """What is to be done about a break. `word`: fail | continue | restart. `tells_discards`: the answer's vocabulary
    can say "throw away what you have", and all its clients understand that; `asked`: this request chose the word
    itself, so its client knows what a restart looks like."""

    word: str
    tells_discards: bool
    asked: bool

    @property
    def watches(self) -> bool:
        """Whether what is sent must be remembered."""
        return self.word != Decision.FAIL


class Sent:
    """What a client has been told of an answer: the only source of truth for going on with it. Fed with what was
    written, when it was written, whoever said it; a block that goes on may be opened again."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.is_certain = True  # False: nobody knows how much of the last write went out
        self._is_beyond_words = False  # something was shown that only its own vocabulary understands
        self._first_block = 0

    def add(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Delta:
                self.answer.blocks[event.block].pieces.append(event.text)
            elif type(event) is Progress or (type(event) is Foreign and event.content):
                self._is_beyond_words = True
            elif type(event) is not Opened or event.block not in self.answer.blocks:
                self.answer.add([event])

    def void(self) -> None:
        """The client was told to throw all of it away."""
        self._first_block = self.next_block
        self._is_beyond_words = False
        self.answer = Answer()

    @property
    def next_block(self) -> int:
        """A number no block of this stream had, and none above it."""
        return max(self.answer.blocks, default=self._first_block - 1) + 1

    @property
    def open_text(self) -> int | None:
        """The block of text that is open, if it is all there is beside thoughts that came to their end."""
        found = None
        for number, block in self.answer.blocks.items():
            if block.kind in THOUGHTS and block.closed:
                continue
            if block.kind is not _TEXT or block.closed or block.choice or found is not None:
                return None
            found = number
        return None if self._is_beyond_words else found

    @property
    def has_acts(self) -> bool:
        """Whether a tool call was shown: clients execute those."""
        return self._is_beyond_words or any(block.kind in _ACTS for block in self.answer.blocks.values())

    @property
    def tokens(self) -> int:
        """An estimate of what was generated; never less than what the provider has reported so far."""
        characters = sum(len(piece) for block in self.answer.blocks.values() for piece in block.pieces)
        return max(tokens_of(characters), self.answer.usage.output_tokens or 0)


def tokens_of(characters: int) -> int:
    """An estimate, rounded up."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def decide(policy: Policy, request: Request, sent: Sent, fault: UpstreamFault) -> Decision:
    """What may be done about `fault`; whether somebody is left to do it is the chain's affair."""
    if policy.word == Decision.FAIL or fault.policy.next is Next.NO or not sent.is_certain:
        return Decision.FAIL
    if policy.word == Decision.RESTART and (policy.tells_discards or (policy.asked and not sent.has_acts)):
        return Decision.RESTART
    if sent.open_text is not None and _is_plain(request):
        return Decision.CONTINUE
    return Decision.FAIL


def _is_plain(request: Request) -> bool:
    """Whether the answer is to be one text in the model's own words, so that another model can go on with it."""
    asked = request.parameters
    return (
        request.output is None
        and not _is_forced(request.tool_choice)
        and not _thinks(request.reasoning)
        and asked.get("n", 1) == 1
        and asked.get("modalities", ["text"]) == ["text"]
        and not asked.get("logprobs")
        and not asked.get("top_logprobs")
        and not (request.turns and request.turns[-1].role == "assistant")  # a prefill of the client's own
    )


def _is_forced(choice: ToolChoice | None) -> bool:
    return choice is not None and (choice.mode in ("required", "tool", "opaque") or choice.required)


def _thinks(reasoning: Reasoning | None) -> bool:
    if reasoning is None or reasoning.disabled:
        return False
    return reasoning.adaptive or reasoning.budget is not None or reasoning.effort not in (None, "none")


def continuation(request: Request, sent: Sent) -> Request | None:
    """What a successor is asked; None where the output limit has no room for it. The request itself where only
    whitespace was sent: then there is nothing to go on with."""
    block = sent.open_text
    assert block is not None
    text = sent.answer.blocks[block].text.rstrip()
    limit: int | None = request.parameters.get("max_output_tokens")
    if limit is not None:
        limit -= sent.tokens
        if limit <= 0:
            return None
        limit = max(limit, FEWEST_TOKENS)
    if not text:
        return request
    return msgspec.structs.replace(request, continuation=Continuation(text, limit))


def successors(candidates: Iterable[Candidate], request: Request) -> list[Candidate]:
    """Those who can be asked to go on, at the address where they are asked that."""
    if request.continuation is None:
        return list(candidates)
    return [_addressed(each) for each in candidates if not each.vocabulary.objections(request, each.peer)]


def _addressed(candidate: Candidate) -> Candidate:
    path = candidate.peer.quirks.prefill_path
    return candidate if path is None else candidate._replace(url=candidate.target.base_url + path)
