"""What a vocabulary offers: the protocols between the wire and everything else. M + N: a vocabulary knows the canonical
language and nothing of other vocabularies."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from proxy.canonical.account import Account, Exhausted, Hop, Warning
from proxy.canonical.events import Event, Failed
from proxy.canonical.origin import Seal
from proxy.canonical.request import Request
from proxy.errors import ProxyError
from proxy.wire.decoder import FrameReader, Step
from proxy.wire.parameters import Column
from proxy.wire.quirks import Quirks


class Head(msgspec.Struct, frozen=True):
    """What one client stream or answer is made with. `seed`: random alphanumerics all ids derive from; `created`: unix
    seconds; `notices`: events | comments | none (contract §3)."""

    request: Request
    seed: str
    created: int
    request_id: str
    account: Account
    notices: str = "comments"


class Peer(NamedTuple):
    """The upstream side of one attempt: the provider's model name, its deviations, its seal."""

    model: str
    quirks: Quirks
    seal: Seal


class Outgoing(NamedTuple):
    """A request body for a provider and what it had to leave out or change."""

    body: dict[str, Any]
    warnings: list[Warning]


class Objection(NamedTuple):
    """Why a request cannot go through a vocabulary: `param` names the field or type (`input[3]`, `n`)."""

    param: str
    message: str


class UpstreamError(NamedTuple):
    """The error in a provider's body, unscrubbed; all members empty when the body has no error in it.

    `status`: the HTTP status the body names, if it does; `wait`: how long it asks to wait, as it says it.
    `is_formal`: in the form of this wire's errors; a mere text tells what happened, but not whose fault it is.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    status: int | None = None
    wait: str = ""
    is_formal: bool = True

    def __bool__(self) -> bool:
        return bool(self.message or self.code or self.type)


class Encoder(Protocol):
    """One per client stream, whoever answers; survives fallbacks before the commit point.

    `opening` is idempotent and comes first in every stream, by itself if need be. Notices given before the opening
    are written right after it. After `fail` or a terminal event nothing more is written.

    An answer that broke may go on by another provider (contract §7): `resume` or `restart`, at any frame boundary, any
    number of times. Whoever wrote so far, `encode` writes from there on, and never `relay` again. What a client sees is
    told in docs/midstream.md and in each vocabulary's methods.
    """

    interleaves: bool  # whether blocks may overlap on this wire; otherwise events arrive sequenced

    def opening(self) -> bytes:
        """The opening events in our own words; empty where the wire has none or they are out already."""

    def notice(self, notice: Hop | Exhausted) -> bytes:
        """A fallback notice in the mode of `Head.notices`; empty before the opening (it is kept) and in mode none."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Canonical events of another vocabulary as frames. `Failed` is never among them (see `fail`)."""

    def relay(self, steps: Sequence[Step]) -> bytes:
        """Frames of this very vocabulary, unchanged but for the rewrites of contract §4. A step whose events end in
        `Failed` is not written (see `fail`)."""

    def resume(self, text: str, block: int) -> bytes:
        """The one text block that was open, of which the client was told `text`, goes on as block `block`: nothing is
        said twice, ids, indexes and numbers go on, and what the end repeats is the whole. The successor's events follow
        as they are, its `Opened` of that block included; its citations count from the beginning of its own words. Where
        the block's end is on the wire already, its words become a block of their own right after. Usage told so far
        stands until a later report; hops are told by `notice`."""

    def restart(self, hop: Hop) -> bytes:
        """Everything that was sent is void: the mark that says so, then `hop` (its `discard` is true) in the mode of
        `Head.notices`. The answer that follows is written as a first one is, under the same ids and in the next free
        places; usage and reasons of what is void are forgotten."""

    def fail(self, error: ProxyError) -> bytes:
        """The vocabulary's in-stream failure, after the opening if that is not out yet."""

    def ping(self) -> bytes:
        """What fills silence just now: the wire's ping event where it is legal, else a comment."""

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        """The non-streaming answer folded from events."""

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        """A non-streaming answer of this very vocabulary, unchanged but for the rewrites of contract §4."""


class Downstream(Protocol):
    """The role towards clients. Raises RequestFault on a bad request."""

    name: str
    always_streams: bool  # whether it has no non-streaming form
    error_content_type: str
    read_like: str  # the vocabulary whose requests it answers: its own name, unless it is an answer format only
    tells_discards: bool  # whether all its clients know what it means that what they have is void

    def read_request(self, body: dict[str, Any]) -> Request: ...
    def encoder(self, head: Head) -> Encoder: ...
    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        """The body of an HTTP error answer (contract §6)."""

    def error_status(self, error: ProxyError) -> int: ...
    def count_request(self, request: Request, peer: Peer) -> dict[str, Any] | None:
        """What asks `peer` to count the prompt of a request of this vocabulary; None where it has no endpoint for that,
        or where this peer cannot read the prompt."""

    def count_body(self, tokens: int) -> dict[str, Any]:
        """The answer of this vocabulary's token counting endpoint; {} where it has none."""


class Upstream(Protocol):
    """The role towards providers. Never raises on what a provider sends."""

    name: str
    column: Column  # this vocabulary's cells of the parameter table

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        """Why `request` (of any vocabulary) cannot be written for this peer; empty = it can."""

    def write_request(self, request: Request, peer: Peer) -> Outgoing: ...
    def reader(self, peer: Peer) -> FrameReader: ...
    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        """A non-streaming answer as the events a stream would have had, terminal event included (`Failed` with kind
        MALFORMED if it is not this vocabulary's answer, REPORTED if it is an error in disguise)."""

    def read_error(self, body: dict[str, Any]) -> UpstreamError: ...


class Vocabulary(Downstream, Upstream, Protocol):
    """A wire dialect that has both roles."""


def failure_of(events: Sequence[Event]) -> Failed | None:
    """The failure a step or document ended in, if it did."""
    last = events[-1] if events else None
    return last if type(last) is Failed else None
