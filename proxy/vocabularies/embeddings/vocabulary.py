"""The embeddings wire as a vocabulary of its own, so that the one attempt loop serves it too.

Sources: openai-python 3.52 `types/embedding_create_params.py`, `types/create_embedding_response.py`,
`lib/_parsing/_embeddings.py` (the client asks for encoding_format=base64 by itself).
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from proxy.canonical.account import Exhausted, Hop
from proxy.canonical.events import Event, Failed, FaultKind, Finished, Started, StopReason, UsageReported
from proxy.canonical.request import Request
from proxy.canonical.usage import Usage
from proxy.errors import InvalidRequest, ProxyError
from proxy.wire.codec import Head, Objection, Outgoing, Peer, UpstreamError
from proxy.wire.decoder import FrameReader, Malformed, Step
from proxy.wire.error_object import error_object_body, error_object_status
from proxy.wire.fields import Fields
from proxy.wire.parameters import Column
from proxy.wire.reported import failed, read_error_object
from proxy.wire.sse import Frame

NAME = "embeddings"


class EmbeddingsEncoder:
    """There is no stream on this wire: only `relay_document` ever has something to say."""

    interleaves = True

    def __init__(self, head: Head) -> None:
        self._head = head

    def opening(self) -> bytes:
        return b""

    def notice(self, notice: Hop | Exhausted) -> bytes:
        return b""

    def encode(self, events: Sequence[Event]) -> bytes:
        return b""

    def relay(self, steps: Sequence[Step]) -> bytes:
        return b""

    def resume(self, text: str, block: int) -> bytes:
        return b""

    def restart(self, hop: Hop) -> bytes:
        return b""

    def fail(self, error: ProxyError) -> bytes:
        return b""

    def ping(self) -> bytes:
        return b""

    def document(self, events: Sequence[Event]) -> dict[str, Any]:
        return {}

    def relay_document(self, body: dict[str, Any], events: Sequence[Event]) -> dict[str, Any]:
        return {**body, "model": self._head.request.model, "segue": self._head.account.member()}


class _NoFrames:
    def read(self, frame: Frame, out: list[Event]) -> None:
        raise Malformed("embeddings do not stream")

    def read_run(self, run: bytes) -> None:
        """There are no runs either."""

    def end(self, out: list[Event]) -> None:
        """Nothing is ever implied."""


class Embeddings:
    name = NAME
    always_streams = False
    error_content_type = "application/json"
    read_like = NAME
    tells_discards = False
    column: Column = MappingProxyType({})

    def read_request(self, body: dict[str, Any]) -> Request:
        """Raises InvalidRequest naming the field; what `input` may hold is for the provider to judge."""
        fields = Fields(body)
        model = fields.text("model", required=True)
        if not fields.has("input"):
            raise fields.missing("input")
        if not isinstance(fields.raw("input"), (str, list)):
            raise fields.wrong_type("input", "a string or an array")
        fields.integer("dimensions", minimum=1)
        if fields.raw("stream"):
            raise InvalidRequest("Embeddings cannot be streamed. Leave out 'stream'.", param="stream")
        return Request(vocabulary=NAME, model=model, body=body)

    def encoder(self, head: Head) -> EmbeddingsEncoder:
        return EmbeddingsEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return error_object_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return error_object_status(error)

    def count_request(self, request: Request, peer: Peer) -> None:
        return None

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {}

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        return [] if request.vocabulary == NAME else [Objection("model", "it is asked for embeddings only")]

    def write_request(self, request: Request, peer: Peer) -> Outgoing:
        return Outgoing({**request.body, "model": peer.model}, [])

    def reader(self, peer: Peer) -> FrameReader:
        return _NoFrames()

    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        if body.get("error") or not isinstance(body.get("data"), list):
            said = read_error_object(body)
            return [failed(said) if said else Failed(FaultKind.MALFORMED, "the answer has no array 'data'")]
        usage = body.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        events: list[Event] = [Started()]
        if isinstance(tokens, int):
            events.append(UsageReported(Usage(input_tokens=tokens), final=True))
        return [*events, Finished(StopReason.END)]

    def read_error(self, body: dict[str, Any]) -> UpstreamError:
        return read_error_object(body)


EMBEDDINGS = Embeddings()
