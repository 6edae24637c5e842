"""What the tests of this vocabulary stand on: a corpus of wire, a peer, a head, and the whole way through decoder and
encoder."""

import json
from pathlib import Path
from typing import Any

from proxy.canonical.account import Account
from proxy.canonical.accumulate import Answer, fold
from proxy.canonical.events import Delta, Event
from proxy.canonical.origin import Origins, Seal
from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.wire.codec import Encoder, Head, Peer
from proxy.wire.decoder import SseDecoder, Step
from proxy.wire.quirks import STANDARD, Quirks

FIXTURES = Path(__file__).parents[2] / "fixtures" / "chat"
CORPUS = {path.stem: path.read_bytes() for path in sorted(FIXTURES.glob("*.sse"))}
ORIGINS = Origins(b"0123456789abcdef")


def peer(quirks: Quirks = STANDARD, origin: str = "here", *, takes_untagged: bool = True) -> Peer:
    return Peer("up-model", quirks, Seal(ORIGINS, ORIGINS.origin(origin, "credential"), takes_untagged))


def head(*, usage: bool = True, notices: str = "comments", **members: Any) -> Head:
    asked = {"model": "mine", "messages": [{"role": "user", "content": "hi"}], "stream": True, **members}
    if usage:
        asked["stream_options"] = {"include_usage": True}
    account = Account(served_by="upstream/up-model")
    return Head(CHAT.read_request(asked), "seedseed", 1750000000, "req_1", account, notices)


def steps(wire: bytes, quirks: Quirks = STANDARD, size: int = 0) -> list[Step]:
    decoder = SseDecoder(CHAT.reader(peer(quirks)))
    size = size or len(wire) or 1
    out = [step for start in range(0, len(wire), size) for step in decoder.feed(wire[start : start + size])]
    return out + decoder.finish()


def events(wire: bytes, quirks: Quirks = STANDARD, size: int = 0) -> list[Event]:
    return [event for step in steps(wire, quirks, size) for event in step.events]


def answer(name: str, quirks: Quirks = STANDARD) -> Answer:
    return fold(events(CORPUS[name], quirks))


def encoded(said: list[Event], encoder: Encoder | None = None) -> bytes:
    return (encoder or CHAT.encoder(head())).encode(said)


def payloads(stream: bytes) -> list[Any]:
    """The data of each frame, parsed; "[DONE]" as it is."""
    lines = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: ")]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def merged(said: list[Event]) -> list[Event]:
    """Events with neighbouring deltas joined."""
    out: list[Event] = []
    for event in said:
        last = out[-1] if out else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.block == event.block:
            out[-1] = Delta(last.block, last.text + event.text)
        else:
            out.append(event)
    return out
