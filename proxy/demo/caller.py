"""The client of the walk-through: sends a request and tells what arrives, frame by frame, with the time of each."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from proxy.demo.frames import Json, decode_json

PATHS = {"responses": "/responses", "chat": "/chat/completions", "messages": "/messages"}


@dataclass(frozen=True, slots=True)
class Question:
    vocabulary: str
    model: str
    said: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return PATHS[self.vocabulary]

    @property
    def body(self) -> Json:
        messages = [{"role": "user", "content": self.said}]
        spoken: dict[str, Json] = {
            "responses": {"input": self.said},
            "chat": {"messages": messages},
            "messages": {"messages": messages, "max_tokens": 500},
        }
        return {"model": self.model, "stream": True} | spoken[self.vocabulary]


@dataclass(frozen=True, slots=True)
class Heard:
    """One frame of a stream. `after`: seconds since the request was sent. A comment has no `content`."""

    after: float
    event: str
    content: Json = field(default_factory=dict)
    comment: str = ""

    @property
    def text(self) -> str:
        """The text delta it carries, in any vocabulary; "" if none."""
        match self.content:
            case {"type": "response.output_text.delta", "delta": str(text)}:
                return text
            case {"type": "content_block_delta", "delta": {"text": str(text)}}:
                return text
            case {"choices": [{"delta": {"content": str(text)}}]}:
                return text
        return ""

    @property
    def account(self) -> Json:
        """The `segue` member, where this frame has one."""
        found: Any = self.content.get("segue") or (self.content.get("response") or {}).get("segue")
        return found or {}


@dataclass(slots=True)
class Answer:
    """`refusal`: the body, where the answer was no stream."""

    status: int
    headers: Mapping[str, str]
    frames: list[Heard] = field(default_factory=list)
    refusal: str = ""

    @property
    def text(self) -> str:
        return "".join(frame.text for frame in self.frames)

    @property
    def first_token(self) -> float | None:
        """Seconds from the request to the first text."""
        return next((frame.after for frame in self.frames if frame.text), None)

    @property
    def account(self) -> Json:
        return next((frame.account for frame in reversed(self.frames) if frame.account), {})

    def of(self, event: str) -> Json | None:
        """The content of the first frame of this name."""
        return next((frame.content for frame in self.frames if frame.event == event), None)


class Caller:
    """`base`: the address up to and with /v1."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str) -> None:
        self._session = session
        self._base = base
        self._headers = {"authorization": f"Bearer {key}"}

    async def ask(self, question: Question, hear: Callable[[Heard], None] = lambda frame: None) -> Answer:
        """The whole answer; `hear` is called with each frame as it arrives. Raises aiohttp.ClientError."""
        began = time.perf_counter()
        async with self._session.post(
            self._base + question.path, json=question.body, headers=self._headers | dict(question.headers)
        ) as response:
            answer = Answer(response.status, response.headers)
            if response.content_type != "text/event-stream":
                answer.refusal = await response.text()
                return answer
            async for block in _blocks(response.content):
                frame = _read(block, time.perf_counter() - began)
                answer.frames.append(frame)
                hear(frame)
        return answer


async def _blocks(stream: aiohttp.StreamReader) -> AsyncIterator[list[str]]:
    """The lines of each frame."""
    lines: list[str] = []
    async for raw in stream:
        if line := raw.decode().rstrip("\r\n"):
            lines.append(line)
        elif lines:
            yield lines
            lines = []


def _read(lines: list[str], after: float) -> Heard:
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    written = fields.get("data", "")
    return Heard(
        after,
        fields.get("event", ""),
        decode_json(written.encode()) if written.startswith("{") else {},
        fields.get("", ""),
    )
