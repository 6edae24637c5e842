"""An answer told to one client by several providers in turn: each may be cut at a frame boundary, and the next goes on
with what was said, or begins anew."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from proxy.canonical.account import Account, Hop
from proxy.canonical.events import BlockKind, Closed, Delta, Event, Finished, Opened
from proxy.relay.writers import PassThrough, Transcode, Writer
from proxy.vocabularies.catalog import COMPLETIONS
from proxy.wire.codec import Encoder, Head
from proxy.wire.decoder import SseDecoder, Step
from tests.vocabularies import corpus, facts
from tests.vocabularies.responses.corpus import wire

HOP = Hop("first", "second", "network_error", 1, 40, detail="stream_stalled")
VOID = Hop("first", "second", "network_error", 1, 40, detail="stream_stalled", discard=True)
DOWNSTREAM = (*corpus.DOWNSTREAM, "completions")
_CALLS = (BlockKind.TOOL_CALL, BlockKind.CUSTOM_CALL, BlockKind.HOSTED)


def frames(stream: bytes) -> list[bytes]:
    """The stream cut at its frame boundaries."""
    return [block + b"\n\n" for block in stream.replace(b"\r\n", b"\n").split(b"\n\n") if block]


def first_content(vocabulary: str, stream: bytes) -> int:
    """How many frames it takes until there is content; all of them if there never is."""
    decoder = SseDecoder(corpus.UPSTREAM[vocabulary].reader(corpus.peer()))
    for number, frame in enumerate(frames(stream), 1):
        decoder.feed(frame)
        if decoder.has_content:
            return number
    return len(frames(stream))


def cuts(vocabulary: str, stream: bytes) -> Iterator[list[Step]]:
    """The steps of the stream, broken off after each frame from the first content on, as long as it has not ended. What
    comes after the first content is one read, so that there are runs where they can be."""
    start, whole = first_content(vocabulary, stream), frames(stream)
    for end in range(start, len(whole)):
        decoder = SseDecoder(corpus.UPSTREAM[vocabulary].reader(corpus.peer()))
        steps = decoder.feed(b"".join(whole[:start])) + decoder.feed(b"".join(whole[start:end]))
        if decoder.ended:
            return
        yield steps


def has_calls(steps: list[Step]) -> bool:
    """Whether a tool's call was opened, which a client may have executed already."""
    return any(type(event) is Opened and event.kind in _CALLS for step in steps for event in step.events)


def encoder(downstream: str, notices: str = "comments") -> Encoder:
    """What writes to a client that wants to hear of usage, with its own account."""
    if downstream == "completions":
        body = {"model": "smart", "prompt": "Hi", "stream": True, "stream_options": {"include_usage": True}}
        head = Head(COMPLETIONS.read_request(body), "seed0123456789", 1, "req_1", Account(served_by="primary"), notices)
        return COMPLETIONS.encoder(head)
    vocabulary = corpus.DOWNSTREAM[downstream]
    reading = corpus.UPSTREAM[vocabulary.read_like]
    request = reading.read_request(corpus.question(reading.name, stream=True))
    account = Account(served_by="primary")
    return vocabulary.encoder(Head(request, "seed0123456789", 1_760_673_000, "req_1", account, notices))


class Telling:
    """One client's stream. `wire`: what it was sent; `texts`: its text blocks as they ought to be by now."""

    def __init__(self, downstream: str, notices: str = "comments") -> None:
        self.downstream = downstream
        self.encoder = encoder(downstream, notices)
        self.wire = b""
        self.texts: list[str] = []
        self._resumed: int | None = None
        self._kinds: dict[int, BlockKind] = {}
        self._writer: Writer | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def hear(self, vocabulary: str, steps: list[Step]) -> None:
        """The first attempt, written the way the proxy would choose."""
        same = vocabulary == self.downstream
        self._writer = PassThrough(self.encoder) if same else Transcode(self.encoder)
        self._write(steps)

    def _write(self, steps: list[Step]) -> None:
        assert self._writer is not None
        self.wire += self._writer.write(steps)
        for step in steps:
            for event in step.events:
                self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case Opened(choice=0):
                self._kinds[event.block] = event.kind
                if event.kind is BlockKind.TEXT and event.block != self._resumed:
                    self.texts.append("")
            case Delta() if self._kinds.get(event.block) is BlockKind.TEXT:
                self.texts[-1] += event.text

    @property
    def can_go_on(self) -> bool:
        """Whether text was the last thing that began."""
        return bool(self._kinds) and list(self._kinds.values())[-1] is BlockKind.TEXT

    def go_on(self, events: list[Event]) -> None:
        """The successor goes on with the text."""
        self._resumed = next(e.block for e in events if type(e) is Opened and e.kind is BlockKind.TEXT)
        self.wire += self.encoder.notice(HOP) + self.encoder.resume(self.texts[-1], self._resumed)
        self._succeed(events)

    def begin_anew(self, events: list[Event]) -> None:
        """The successor says something else instead."""
        self.wire += self.encoder.restart(VOID)
        self._resumed = None
        self.texts.clear()
        self._succeed(events)

    def _succeed(self, events: list[Event]) -> None:
        self._kinds = {self._resumed: BlockKind.TEXT} if self._resumed is not None else {}
        self._writer = Transcode(self.encoder)
        self._write([Step(None, [event]) for event in events])


def answer(vocabulary: str, feature: str = "text") -> list[Event]:
    """A recorded answer's events."""
    return corpus.events(vocabulary, corpus.recording(vocabulary, feature).stream)


def cut_short(events: list[Event], share: float) -> list[Event]:
    """The events up to some place after their first content, the end never among them."""
    start = 1 + next(at for at, event in enumerate(events) if type(event) is Delta)
    whole = events[: next(at for at, event in enumerate(events) if type(event) in (Finished, Closed))]
    return whole[: max(start, int(len(whole) * share))]


def valid(downstream: str, wire: bytes) -> list[dict[str, Any]]:
    """The payloads that count for a client that obeys the void marks; a message's blocks are numbered from 0 again."""
    payloads = copy.deepcopy(facts.payloads(wire))
    if downstream == "responses":
        output = payloads[-1]["response"]["output"]
        del output[: 1 + max((at for at, item in enumerate(output) if _is_void(item)), default=-1)]
        return payloads
    marks = [at for at, payload in enumerate(payloads) if _is_mark(downstream, payload)]
    if not marks:
        return payloads
    last = marks[-1]
    if downstream == "domain":
        return [payload for payload in payloads[:last] if payload["_event"] == "stream_started"] + payloads[last + 1 :]
    if downstream != "messages":
        return payloads[last:]
    again = [payload for payload in payloads if payload["type"] == "message_start"] + payloads[last + 1 :]
    for payload in again:
        if "index" in payload:
            payload["index"] -= payloads[last]["index"] + 1
    return again


def _is_mark(downstream: str, payload: dict[str, Any]) -> bool:
    if downstream == "domain":
        return payload["_event"] == "fallback_start" and payload["discard"]
    if downstream == "messages":
        return payload["type"] == "content_block_stop" and bool(payload.get("segue"))
    return "fallback_start" in payload.get("segue", {})


def _is_void(item: dict[str, Any]) -> bool:
    return item.get("status") == "incomplete" and item.get("content") == []


def several_parts() -> bytes:
    """Reasoning, then a message of two parts with a source, then another one: all closed in turn."""
    rs = {"type": "reasoning", "id": "rs_up", "summary": []}
    summary = {"type": "summary_text", "text": "Hm."}
    at = {"item_id": "rs_up", "output_index": 0, "summary_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": rs},
        {"type": "response.reasoning_summary_part.added", **at, "part": {**summary, "text": ""}},
        {"type": "response.reasoning_summary_text.delta", **at, "delta": "Hm."},
        {"type": "response.reasoning_summary_text.done", **at, "text": "Hm."},
        {"type": "response.reasoning_summary_part.done", **at, "part": summary},
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {**rs, "summary": [summary], "encrypted_content": "opaque"},
        },
    ]
    output = [events[-1]["item"]]
    for index, texts in ((1, ("One. ", "Two, three. ")), (2, ("Four.",))):
        message = {"type": "message", "id": f"msg_up{index}", "role": "assistant", "phase": "final_answer"}
        added = {**message, "status": "in_progress", "content": []}
        events.append({"type": "response.output_item.added", "output_index": index, "item": added})
        parts = [part_of(events, message["id"], index, number, text) for number, text in enumerate(texts)]
        output.append({**message, "status": "completed", "content": parts})
        events.append({"type": "response.output_item.done", "output_index": index, "item": output[-1]})
    opening = {"id": "resp_up", "object": "response", "status": "in_progress", "output": []}
    return wire(
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
        *events,
        {"type": "response.completed", "response": {**opening, "status": "completed", "output": output}},
    )


def part_of(events: list[dict[str, Any]], item: str, output: int, index: int, text: str) -> dict[str, Any]:
    """Append a part's events, one delta a word, a source in the middle; the finished part."""
    at = {"item_id": item, "output_index": output, "content_index": index}
    source = {"type": "url_citation", "url": "https://example.com", "title": "E", "start_index": 0, "end_index": 3}
    part = {"type": "output_text", "text": text, "annotations": [source], "logprobs": []}
    empty = {**part, "text": "", "annotations": []}
    events.append({"type": "response.content_part.added", **at, "part": empty})
    for word in re.findall(r"\S+\s*", text):
        events.append({"type": "response.output_text.delta", **at, "delta": word, "logprobs": []})
    cited = {"type": "response.output_text.annotation.added", **at, "annotation_index": 0, "annotation": source}
    done = {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
    events += [cited, done, {"type": "response.content_part.done", **at, "part": part}]
    return part


def several_blocks() -> bytes:
    """Signed thinking, then two text blocks."""
    texts = [("text", "text_delta", "text", words) for words in (("One. ", "Two. "), ("Three ", "four."))]
    thought = ("thinking", "thinking_delta", "thinking", ("Hm.",))
    start = {"id": "msg_up", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
             "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}  # fmt: skip
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    for index, (kind, delta, member, words) in enumerate([thought, *texts]):
        block = {"type": kind, member: "", **({"signature": ""} if kind == "thinking" else {})}
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": delta, member: word}} for word in words
        ]
        if kind == "thinking":
            signed = {"type": "signature_delta", "signature": "c2ln"}
            events.append({"type": "content_block_delta", "index": index, "delta": signed})
        events.append({"type": "content_block_stop", "index": index})
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [{"type": "message_delta", "delta": ending, "usage": {"output_tokens": 8}}, {"type": "message_stop"}]
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)
