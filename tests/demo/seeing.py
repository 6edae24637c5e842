"""What a client sees of an answer: status, headers, every chunk, and how it ended."""

import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

VOCABULARIES = ("responses", "chat", "messages")
PATHS = {
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "completions": "/v1/completions",
    "embeddings": "/v1/embeddings",
}
SILENCE = 0.15  # seconds after which a silent upstream counts as hanging
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_NAMES = ("weather", "time")
TOOLS: dict[str, list[dict[str, Any]]] = {
    "responses": [{"type": "function", "name": name, "parameters": _SCHEMA} for name in _NAMES],
    "chat": [{"type": "function", "function": {"name": name, "parameters": _SCHEMA}} for name in _NAMES],
    "messages": [{"name": name, "input_schema": _SCHEMA} for name in _NAMES],
}


@dataclass
class Seen:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    end: str = "clean"  # clean, broken, silent; with status 0: nothing came at all

    @property
    def raw(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def payloads(self) -> list[Any]:
        """The JSON of every frame that has some; a broken one is None."""
        return [
            _parsed(line[5:]) for line in self.raw.splitlines() if line.startswith(b"data:") and b"[DONE]" not in line
        ]

    @property
    def kinds(self) -> list[str]:
        return [payload.get("type", "") if payload else "broken" for payload in self.payloads]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def question(vocabulary: str, said: str = "Hi there") -> dict[str, Any]:
    messages = [{"role": "user", "content": said}]
    return {
        "responses": {"input": said},
        "chat": {"messages": messages, "stream_options": {"include_usage": True}},
        "messages": {"messages": messages, "max_tokens": 500},
        "completions": {"prompt": said},
        "embeddings": {"input": said},
    }[vocabulary]


def spoken(seen: Seen) -> list[str]:
    """The non-empty text deltas, in any vocabulary."""
    said = []
    for payload in filter(None, seen.payloads):
        if payload.get("type") == "response.output_text.delta":
            said.append(payload["delta"])
        elif payload.get("type") == "content_block_delta":
            said.append(payload["delta"].get("text"))
        elif payload.get("choices"):
            said.append(payload["choices"][0]["delta"].get("content"))
    return [text for text in said if text]


class Client:
    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10, sock_read=SILENCE))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, vocabulary: str, model: str, stream: bool = True, **more: Any) -> Seen:
        body = question(vocabulary) | {"model": model, "stream": stream} | more
        return await self.send("POST", PATHS[vocabulary], body)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Seen:
        seen = Seen()
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, allow_redirects=False
            ) as response:
                seen.status, seen.headers = response.status, {k.lower(): v for k, v in response.headers.items()}
                async for chunk, _ in response.content.iter_chunks():
                    seen.chunks.append(chunk)
        except TimeoutError:
            seen.end = "silent"
        except aiohttp.ClientError:
            seen.end = "broken"
        return seen
