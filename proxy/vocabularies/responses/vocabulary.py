"""The Responses vocabulary as one object: all that anything else may import of this folder."""

from typing import Any

from proxy.canonical.events import Event
from proxy.canonical.request import Request
from proxy.errors import ProxyError
from proxy.vocabularies.responses import decoder, request_reader, request_writer
from proxy.vocabularies.responses.encoder import ResponsesEncoder
from proxy.vocabularies.responses.input_reader import NAME
from proxy.vocabularies.responses.parameters import COLUMN
from proxy.wire.codec import Head, Objection, Outgoing, Peer, UpstreamError
from proxy.wire.error_object import error_object_body, error_object_status
from proxy.wire.reported import read_error_object


class _Responses:
    """See `wire.codec.Vocabulary`."""

    name = NAME
    always_streams = False
    error_content_type = "application/json"
    read_like = NAME
    tells_discards = False
    column = COLUMN

    def read_request(self, body: dict[str, Any]) -> Request:
        return request_reader.read_request(body)

    def encoder(self, head: Head) -> ResponsesEncoder:
        return ResponsesEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return error_object_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return error_object_status(error)

    def count_request(self, request: Request, peer: Peer) -> dict[str, Any] | None:
        return request_writer.count_request(request, peer)

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {"object": "response.input_tokens", "input_tokens": tokens}

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        return request_writer.objections(request, peer)

    def write_request(self, request: Request, peer: Peer) -> Outgoing:
        return request_writer.write_request(request, peer)

    def reader(self, peer: Peer) -> decoder.ResponsesReader:
        return decoder.ResponsesReader(peer.seal)

    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        return decoder.read_document(body, peer.seal)

    def read_error(self, body: dict[str, Any]) -> UpstreamError:
        return read_error_object(body)


RESPONSES = _Responses()
