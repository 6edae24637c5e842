"""What the tests over all vocabularies share: provider streams with the truth behind them, and the way to a client."""

import pathlib
from functools import cache
from typing import Any, NamedTuple

import msgspec

from proxy.canonical.account import Account
from proxy.canonical.events import Event
from proxy.canonical.origin import Origins, Seal
from proxy.demo.content import Answer, compose
from proxy.demo.identity import Identity
from proxy.demo.misbehaviour import read_modifiers
from proxy.demo.script import Write, answer
from proxy.demo.speakers.chat import Chat
from proxy.demo.speakers.messages import Messages
from proxy.demo.speakers.responses import Responses
from proxy.demo.speakers.speaker import Speaker
from proxy.relay.writers import PassThrough, Transcode, Writer
from proxy.vocabularies.catalog import CHAT, DOMAIN, MESSAGES, RESPONSES
from proxy.wire.codec import Downstream, Encoder, Head, Peer, Vocabulary
from proxy.wire.decoder import SseDecoder, Step
from proxy.wire.quirks import STANDARD, Quirks

UPSTREAM: dict[str, Vocabulary] = {"responses": RESPONSES, "chat": CHAT, "messages": MESSAGES}
DOWNSTREAM: dict[str, Downstream] = {"responses": RESPONSES, "chat": CHAT, "messages": MESSAGES, "domain": DOMAIN}
SPEAKERS: dict[str, Speaker] = {"responses": Responses(), "chat": Chat(), "messages": Messages()}
SAID = "Hi there, how do you do?"
ORIGINS = Origins(b"sixteen bytes or more")
SEAL = Seal(ORIGINS, ORIGINS.origin("family", "credential"))
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_NAMES = ("weather", "time")
TOOLS: dict[str, list[dict[str, Any]]] = {
    "responses": [{"type": "function", "name": name, "parameters": _SCHEMA} for name in _NAMES],
    "chat": [{"type": "function", "function": {"name": name, "parameters": _SCHEMA}} for name in _NAMES],
    "messages": [{"name": name, "input_schema": _SCHEMA} for name in _NAMES],
}
# Features every provider's wire can carry, as modifiers of the scripted upstream.
FEATURES: dict[str, tuple[str, ...]] = {
    "text": (),
    "many deltas": ("long-16",),
    "reasoning": ("reasoning",),
    "raw reasoning": ("reasoning-raw",),
    "parallel tools": ("tools",),
    "reasoning then tools": ("reasoning", "tools"),
    "one index for all tools": ("tools", "dup-tool-index"),
    "overlapping tools": ("tools", "overlap-tools"),
    "refusal": ("refusal",),
    "citations": ("citations",),
    "length": ("length",),
    "content filter": ("filtered",),
    "usage with the finish": ("usage-odd",),
    "usage nested": ("usage-odd-groq",),
    "usage in every frame": ("usage-odd-every",),
    "no usage": ("no-usage",),
    "unknown event": ("unknown-event",),
    "multi-byte text": ("split-utf8",),
    "crlf": ("crlf",),
    "no space": ("no-space",),
    "comments": ("comments",),
    "malformed before content": ("malformed-0",),
}
# Where providers differ within one wire: chat tells calls apart by nothing but an index and knows several places for
# usage; Anthropic's blocks never overlap, and its usage is always told.
_ONLY = {
    "one index for all tools": ("chat",),
    "usage nested": ("chat",),
    "usage in every frame": ("chat",),
    "overlapping tools": ("chat", "responses"),
    "no usage": ("chat", "responses"),
}
CASES = [(name, feature) for name in SPEAKERS for feature in FEATURES if name in _ONLY.get(feature, SPEAKERS)]
_NESTED = Quirks(usage_path=("x_groq", "usage"))


class Recording(NamedTuple):
    """A provider's answer in both forms, and what it was made from."""

    stream: bytes
    document: dict[str, Any]
    truth: Answer


def question(vocabulary: str, **more: Any) -> dict[str, Any]:
    """A request body with tools, asking for usage where that must be asked for."""
    turns = [{"role": "user", "content": SAID}]
    asked: dict[str, Any] = {
        "responses": {"input": SAID, "include": ["reasoning.encrypted_content"]},
        "chat": {"messages": turns, "stream_options": {"include_usage": True}},
        "messages": {"messages": turns, "max_tokens": 500},
    }[vocabulary]
    return {"model": "smart", "tools": TOOLS[vocabulary], **asked, **more}


@cache
def recording(vocabulary: str, feature: str) -> Recording:
    speaker = SPEAKERS[vocabulary]
    behaviour = read_modifiers(FEATURES[feature])
    streamed = question(vocabulary, stream=True)
    plain = {name: value for name, value in question(vocabulary).items() if name != "stream_options"}
    document = _written(speaker, plain, FEATURES[feature])
    truth = compose(speaker.read(streamed), behaviour.flags, behaviour.numbers.get("long"))
    whole = {} if "malformed" in feature else msgspec.json.decode(document)
    return Recording(_written(speaker, streamed, FEATURES[feature]), whole, truth)


def _written(speaker: Speaker, body: dict[str, Any], modifiers: tuple[str, ...]) -> bytes:
    steps = answer(speaker, body, read_modifiers(modifiers), Identity("seed", 1_760_673_000), "/v1")
    return b"".join(step.chunk for step in steps if isinstance(step, Write))


def fixtures(vocabulary: str) -> dict[str, bytes]:
    """The hand-written streams of one vocabulary."""
    folder = pathlib.Path(__file__).parents[1] / "fixtures" / vocabulary
    return {path.stem: path.read_bytes() for path in sorted(folder.glob("*.sse"))}


def streams(vocabulary: str) -> dict[str, bytes]:
    """Every provider stream there is: hand-written and recorded."""
    recorded = {feature: recording(name, feature).stream for name, feature in CASES if name == vocabulary}
    return fixtures(vocabulary) | recorded


def peer(feature: str = "text") -> Peer:
    """The provider that shows `feature`."""
    return Peer("upstream-model", _NESTED if feature == "usage nested" else STANDARD, SEAL)


def reads(vocabulary: str, *chunks: bytes, feature: str = "text") -> list[list[Step]]:
    """The steps of each read, the close included."""
    decoding = SseDecoder(UPSTREAM[vocabulary].reader(peer(feature)))
    return [*(decoding.feed(chunk) for chunk in chunks), decoding.finish()]


def events(vocabulary: str, *chunks: bytes) -> list[Event]:
    return [event for steps in reads(vocabulary, *chunks) for step in steps for event in step.events]


def pieces(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def encoder(vocabulary: str, **more: Any) -> Encoder:
    """What writes to a client of `vocabulary` that asked our question."""
    downstream = DOWNSTREAM[vocabulary]
    reading = UPSTREAM[downstream.read_like]
    request = reading.read_request(question(reading.name, stream=True) | more)
    account = Account(served_by="primary")
    return downstream.encoder(Head(request, "seed0123456789", 1_760_673_000, "req_1", account, "comments"))


def writer(downstream: str, upstream: str) -> Writer:
    """The way the proxy itself would choose."""
    encoding = encoder(downstream)
    return PassThrough(encoding) if downstream == upstream else Transcode(encoding)


def told(downstream: str, upstream: str, chunks: list[bytes], feature: str = "text") -> bytes:
    """What a client of `downstream` is sent when a provider of `upstream` sends `chunks`."""
    writing = writer(downstream, upstream)
    return b"".join(writing.write(steps) for steps in reads(upstream, *chunks, feature=feature) if steps)
