"""What the tests of this folder share: the recorded streams, a head, a peer, and the way through the decoder."""

import json
import pathlib
from typing import Any

from proxy.canonical.account import Account
from proxy.canonical.events import Event
from proxy.canonical.origin import Origins, Seal
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.codec import Head, Peer
from proxy.wire.decoder import SseDecoder, Step
from proxy.wire.quirks import STANDARD, Quirks

FOLDER = pathlib.Path(__file__).parents[2] / "fixtures" / "responses"
STREAMS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.sse"))}
FAILING = {"failed", "error_event"}
WHOLE = sorted(set(STREAMS) - FAILING)
ORIGINS = Origins(b"sixteen bytes or more")
SEAL = Seal(ORIGINS, ORIGINS.origin("family", "credential"))
OTHER = Seal(ORIGINS, ORIGINS.origin("family", "another"))


def peer(seal: Seal = SEAL, quirks: Quirks = STANDARD) -> Peer:
    return Peer("gpt-upstream", quirks, seal)


def head(notices: str = "comments", **body: Any) -> Head:
    request = RESPONSES.read_request({"model": "smart", "input": "hi", "stream": True, **body})
    account = Account(served_by="gpt@primary")
    return Head(request, "seed0123", 1760673000, "req_1", account, notices)


def decoded(stream: bytes, size: int = 0) -> list[Step]:
    """The stream's steps; `size`: cut into chunks of so many bytes."""
    decoder = SseDecoder(RESPONSES.reader(peer()))
    size = size or max(len(stream), 1)
    steps = [step for start in range(0, len(stream), size) for step in decoder.feed(stream[start : start + size])]
    return [*steps, *decoder.finish()]


def events_of(stream: bytes) -> list[Event]:
    return [event for step in decoded(stream) for event in step.events]


def frames(stream: bytes) -> list[dict[str, Any]]:
    """The JSON payloads of a stream."""
    lines = stream.decode().split("\n")
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]


def wire(*payloads: dict[str, Any]) -> bytes:
    """Payloads as a provider's stream, numbered."""
    numbered = [{**payload, "sequence_number": number} for number, payload in enumerate(payloads)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (p["type"].encode(), json.dumps(p).encode()) for p in numbered)
