"""Scripts: the steps in which an answer reaches the socket, made from frames and modifiers or given raw by a test."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from proxy.demo.content import Question, Usage, compose, spelled_out, total
from proxy.demo.faults import Fault
from proxy.demo.frames import Frame, Json, Role, SseForm, encode_json
from proxy.demo.identity import Identity
from proxy.demo.misbehaviour import Behaviour
from proxy.demo.rewriting import after_content, insert_novelty, reporting_frame, rewrite
from proxy.demo.speakers.speaker import Speaker

SSE_HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
JSON_HEADERS = {"content-type": "application/json"}
_HTML_HEADERS = {"content-type": "text/html"}
_HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"
_SPLIT_PAUSE = 0.001  # seconds between the halves of a character, so that they arrive in two reads


@dataclass(frozen=True, slots=True)
class Head:
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(SSE_HEADERS))
    length: int | None = None  # bytes of the body, or chunked


@dataclass(frozen=True, slots=True)
class Write:
    chunk: bytes
    usage: Usage | None = None  # what the client has been told once this is written


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    how: Literal["cut", "reset", "hang"]


Step = Head | Write | Sleep | Stop


def answer(speaker: Speaker, body: Json, behaviour: Behaviour, identity: Identity, path: str) -> list[Step]:
    """Everything that happens on the socket for one request."""
    question = speaker.read(body)
    steps = list(_pauses(behaviour, "slow-headers"))
    if behaviour.flags & {"hang", "reset"}:
        return [*steps, Stop("hang" if "hang" in behaviour.flags else "reset")]
    headers = speaker.headers(identity)
    instead = _instead(speaker, question, behaviour, path, identity.created)
    if instead is not None:
        status, extra, content = instead
        return [*steps, Head(status, headers | extra, len(content)), Write(content)]
    if behaviour.flags & {"usage-odd", "usage-odd-groq", "usage-odd-every"}:
        question = replace(question, wants_usage=True)
    long = behaviour.numbers.get("long")
    answers = [compose(question, behaviour.flags, long, choice) for choice in range(question.choices)]
    if "crawl" in behaviour.numbers:
        answers = [spelled_out(each) for each in answers]
    usage = total([each.usage for each in answers])
    if not question.is_streamed:
        whole = speaker.whole(question, answers, body, identity)
        return [*steps, *_whole(rewrite([whole], behaviour)[0], speaker, behaviour, usage, headers)]
    frames = speaker.stream(question, answers, body, identity)
    if "unknown-event" in behaviour.flags:
        frames = insert_novelty(frames, speaker.novelty())
    return [*steps, Head(headers=SSE_HEADERS | headers), *_stream(frames, speaker, behaviour, usage)]


def _instead(
    speaker: Speaker, question: Question, behaviour: Behaviour, path: str, now: int
) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of what is not an answer, if the modifiers want such a thing or the question cannot be
    answered. `now`: unix seconds."""
    if behaviour.unknown is not None:
        status, refused = speaker.refusal(Fault("400", question.model))
        refused["error"]["message"] = f"The model name has an unknown modifier: {behaviour.unknown}"
        return status, JSON_HEADERS, encode_json(refused)
    if (refusal := behaviour.refusal or _unacceptable(question, behaviour)) is not None:
        status, refused = speaker.refusal(replace(refusal, model=question.model))
        waits = {} if refusal.wait is None else refusal.wait.headers(now)
        return status, JSON_HEADERS | waits, encode_json(refused)
    others: dict[str, tuple[int, dict[str, str], bytes]] = {
        "html-502": (502, _HTML_HEADERS, _HTML.format("502 Bad Gateway").encode()),
        "html-200": (200, _HTML_HEADERS, _HTML.format("Welcome").encode()),
        "shapeless-200": (200, JSON_HEADERS, b'{"status":"ok"}'),
        "redirect": (307, {"location": path + "/elsewhere"}, b""),
    }
    return next((other for name, other in others.items() if name in behaviour.flags), None)


def _unacceptable(question: Question, behaviour: Behaviour) -> Fault | None:
    """Claude takes no prefill since 4.6 (platform.claude.com/docs/en/about-claude/models/migration-guide), and took
    none before that ended in white space (github.com/langchain-ai/langchain/pull/35072); here nobody is laxer."""
    if question.begun and not behaviour.flags & {"prefill", "prefill-echo"}:
        return Fault("no-prefill")
    return Fault("prefill-space") if question.begun != question.begun.rstrip() else None


def _pauses(behaviour: Behaviour, *names: str) -> Iterator[Step]:
    for name in names:
        if name in behaviour.numbers:
            yield Sleep(behaviour.numbers[name] / 1000)


def _end(behaviour: Behaviour) -> tuple[int, list[Step]] | None:
    """After how many content events the answer breaks off, and how."""
    ways: dict[str, list[Step]] = {"cut": [Stop("cut")], "eof": [], "stall": [Stop("hang")]}
    return next(((behaviour.numbers[name], last) for name, last in ways.items() if name in behaviour.numbers), None)


def _stream(frames: list[Frame], speaker: Speaker, behaviour: Behaviour, usage: Usage) -> Iterator[Step]:
    if behaviour.flags & {"empty", "hang-body"}:
        yield from [Stop("hang")] if "hang-body" in behaviour.flags else []
        return
    frames = rewrite(frames, behaviour)
    reporting = reporting_frame(frames)
    last: list[Step] = []
    if behaviour.failure is not None:
        at = after_content(frames, behaviour.numbers[behaviour.failure_way])
        told = _failure(speaker, behaviour.failure, behaviour.failure_way, frames)
        frames = rewrite([*frames[:at], told], Behaviour())
    elif (end := _end(behaviour)) is not None:
        frames, last = frames[: after_content(frames, end[0])], end[1]
    newline = b"\r\n" if "crlf" in behaviour.flags else b"\n"
    space = b"" if "no-space" in behaviour.flags else b" "
    form = SseForm(newline, space, "comments" in behaviour.flags)
    waits_for_first = "slow-first" in behaviour.numbers
    for frame in frames:
        if frame.role is Role.CONTENT:
            yield from _pauses(behaviour, *(["slow-first"] if waits_for_first else []), "delay", "crawl")
            waits_for_first = False
        yield from _writes(form.spell(frame), behaviour, usage if frame is reporting else None)
    yield from last


def _failure(speaker: Speaker, fault: Fault, way: str, frames: list[Frame]) -> Frame:
    if way == "choices-error":
        return speaker.hollow(fault)
    return speaker.failure(fault, frames[0] if way == "failed" else None)


def _whole(
    frame: Frame, speaker: Speaker, behaviour: Behaviour, usage: Usage, headers: dict[str, str]
) -> Iterator[Step]:
    yield from _pauses(behaviour, "slow-first", "delay")
    content = frame.encoded()
    if behaviour.failure is not None:
        content = encode_json(speaker.refusal(behaviour.failure)[1])
    elif behaviour.numbers.keys() & {"malformed", "malformed2"}:
        content = content[: len(content) // 2]
    elif "empty" in behaviour.flags:
        content = b""
    end = (0, [Stop("hang")]) if "hang-body" in behaviour.flags else _end(behaviour)
    is_chunked = "eof" in behaviour.numbers
    yield Head(200, JSON_HEADERS | headers, None if is_chunked else len(content))
    if end is not None:
        yield from _writes(content[: len(content) // 2 if end[0] else 0], behaviour, None)
        yield from end[1]
    else:
        yield from _writes(content, behaviour, usage if reporting_frame([frame]) else None)


def _writes(content: bytes, behaviour: Behaviour, usage: Usage | None) -> Iterator[Step]:
    if "one-byte" in behaviour.flags:
        for byte in content[:-1]:
            yield Write(bytes((byte,)))
            yield Sleep(0)
        content = content[-1:]
    elif "split-utf8" in behaviour.flags:
        cut = next((i + 1 for i, byte in enumerate(content) if byte >= 0xC0), 0)
        if cut:
            yield Write(content[:cut])
            yield Sleep(_SPLIT_PAUSE)
        content = content[cut:]
    if content:
        yield Write(content, usage)


def read_steps(steps: Iterable[Json]) -> list[Step]:
    """Raw steps as the admin call gives them; ValueError names one that is not understood."""
    return [_read_step(step) for step in steps]


def _read_step(step: Json) -> Step:
    if "status" in step or "headers" in step:
        return Head(step.get("status", 200), step.get("headers", SSE_HEADERS))
    if "write" in step:
        return Write(step["write"].encode())
    if "write_base64" in step:
        return Write(base64.b64decode(step["write_base64"]))
    if "sleep" in step:
        return Sleep(float(step["sleep"]))
    if step.get("cut"):
        return Stop("cut")
    if step.get("reset"):
        return Stop("reset")
    if step.get("hang"):
        return Stop("hang")
    raise ValueError(f"no such step: {step}")
