"""The endpoints that generate nothing: embeddings, token counts, the list of models."""

import base64
import hashlib
import struct
from dataclasses import replace

from proxy.demo.content import Answer, Question
from proxy.demo.frames import Frame, Json, Role, encode_json
from proxy.demo.identity import Identity
from proxy.demo.sampling import tokens_in
from proxy.demo.speakers.chat import Chat
from proxy.demo.speakers.messages import Messages
from proxy.demo.speakers.responses import Responses

MODELS = ("demo-small", "demo-large", "demo-embedding")
_CREATED, _CREATED_AT = 1_764_547_200, "2025-12-01T00:00:00Z"
_DIMENSIONS = 256


class InputTokens(Responses):
    """POST /v1/responses/input_tokens (openai-python, `InputTokenCountResponse`)."""

    def read(self, body: Json) -> Question:
        return replace(super().read(body), is_streamed=False, begun="")

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        return Frame({"object": "response.input_tokens", "input_tokens": answers[0].usage.input}, Role.FINISH)


class CountTokens(Messages):
    """POST /v1/messages/count_tokens (anthropic-python, `MessageTokensCount`)."""

    def read(self, body: Json) -> Question:
        return replace(super().read(body), is_streamed=False, begun="")

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        return Frame({"input_tokens": answers[0].usage.input}, Role.FINISH)


class Embeddings(Chat):
    """POST /v1/embeddings (openai-python, `CreateEmbeddingResponse`); base64 is little-endian float32."""

    def read(self, body: Json) -> Question:
        return Question(model=str(body.get("model", "")), prompt="".join(_inputs(body)))

    def whole(self, question: Question, answers: list[Answer], body: Json, identity: Identity) -> Frame:
        inputs = _inputs(body)
        vectors = [_vector(text, body.get("dimensions") or _DIMENSIONS) for text in inputs]
        if body.get("encoding_format") == "base64":
            shown: list[str | list[float]] = [
                base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors
            ]
        else:
            shown = list(vectors)
        tokens = sum(tokens_in(text) for text in inputs)
        listed = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(shown)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answered = {"object": "list", "data": listed, "model": question.model, "usage": usage}
        return Frame(answered, Role.FINISH, usage=(answered, "usage"))


def _inputs(body: Json) -> list[str]:
    """One text for every vector wanted: a string, a list of strings, or one or several lists of token numbers."""
    given = body.get("input", "")
    if not isinstance(given, list) or (given and isinstance(given[0], int)):
        given = [given]
    return [each if isinstance(each, str) else encode_json(each).decode() for each in given]


def _vector(text: str, dimensions: int) -> list[float]:
    """A unit vector that depends on the text alone, in steps that float32 keeps."""
    bytes_ = hashlib.shake_128(text.encode()).digest(dimensions)
    norm = sum((byte - 127.5) ** 2 for byte in bytes_) ** 0.5
    return list(struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *((b - 127.5) / norm for b in bytes_))))


def model_list(is_anthropic: bool) -> Json:
    listed = [model(name, is_anthropic) for name in MODELS]
    if is_anthropic:
        return {"data": listed, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return {"object": "list", "data": listed}


def model(name: str, is_anthropic: bool) -> Json:
    """Anthropic: anthropic-python `ModelInfo`; OpenAI: openai-python `Model`."""
    if is_anthropic:
        return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT, "lifecycle": "active"}
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "demo"}
