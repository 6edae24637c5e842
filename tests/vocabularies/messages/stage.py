"""What the tests of this vocabulary share: peers, heads, the corpus, and the two ways through."""

from pathlib import Path
from typing import Any

from proxy.canonical.account import Account, Warning
from proxy.canonical.events import Event, Failed
from proxy.canonical.origin import Origins, Seal
from proxy.canonical.request import Request
from proxy.relay.sequencer import Sequencer
from proxy.vocabularies.messages.encoder import MessagesEncoder
from proxy.vocabularies.messages.vocabulary import MESSAGES
from proxy.wire.codec import Head, Outgoing, Peer
from proxy.wire.decoder import SseDecoder, Step
from proxy.wire.quirks import STANDARD, Quirks

FIXTURES = Path(__file__).parents[2] / "fixtures" / "messages"
CORPUS = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.sse"))}
BROKEN = ("error", "error_at_once", "truncated")
WHOLE = [name for name in CORPUS if name not in BROKEN]
ORIGINS = Origins(b"0123456789abcdef")
SEAL = Seal(ORIGINS, ORIGINS.origin("claude", "first"))
ELSEWHERE = Seal(ORIGINS, ORIGINS.origin("gpt", "second"), takes_untagged=False)


def peer(quirks: Quirks = STANDARD, seal: Seal = SEAL) -> Peer:
    return Peer("claude-upstream", quirks, seal)


def encoder(notices: str = "comments") -> MessagesEncoder:
    request = Request("messages", "route", {}, stream=True)
    account = Account(served_by="claude@first", warnings=[Warning("seed", "dropped")])
    return MESSAGES.encoder(Head(request, "seed0123456789", 1_790_000_000, "req-ours", account, notices))


def steps(wire: bytes, size: int | None = None) -> list[Step]:
    decoder = SseDecoder(MESSAGES.reader(peer()))
    size = size or len(wire)
    out = [step for at in range(0, len(wire), size) for step in decoder.feed(wire[at : at + size])]
    return out + decoder.finish()


def events(wire: bytes, size: int | None = None) -> list[Event]:
    return [event for step in steps(wire, size) for event in step.events]


def encoded(told: list[Event]) -> bytes:
    return encoder().encode(Sequencer().sequence([event for event in told if not isinstance(event, Failed)]))


def relayed(wire: bytes) -> bytes:
    return encoder().relay(steps(wire))


def body(**members: Any) -> dict[str, Any]:
    """A client's request."""
    return {"model": "route", "max_tokens": 4096, "messages": [{"role": "user", "content": "Hi"}], **members}


def passed(request: dict[str, Any], quirks: Quirks = STANDARD, seal: Seal = SEAL) -> Outgoing:
    """Messages to messages."""
    return MESSAGES.write_request(MESSAGES.read_request(request), peer(quirks, seal))
