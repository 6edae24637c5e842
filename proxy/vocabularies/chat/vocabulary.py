"""The Chat Completions vocabulary, assembled. Nothing else of this folder is imported from outside."""

from typing import Any

from proxy.canonical.events import Event
from proxy.canonical.request import Request
from proxy.errors import ProxyError
from proxy.vocabularies.chat import decoder, errors, objections, own_request, request_reader, request_writer
from proxy.vocabularies.chat.encoder import ChatEncoder
from proxy.vocabularies.chat.parameters import COLUMN
from proxy.wire.codec import Head, Objection, Outgoing, Peer, UpstreamError
from proxy.wire.decoder import FrameReader
from proxy.wire.error_object import error_object_body, error_object_status
from proxy.wire.parameters import Column


class ChatVocabulary:
    """See `wire.codec.Vocabulary`."""

    name = "chat"
    always_streams = False
    error_content_type = "application/json"
    read_like = "chat"
    tells_discards = False
    column: Column = COLUMN

    def read_request(self, body: dict[str, Any]) -> Request:
        return request_reader.read_request(body)

    def encoder(self, head: Head) -> ChatEncoder:
        return ChatEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return error_object_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return error_object_status(error)

    def count_request(self, request: Request, peer: Peer) -> None:
        return None

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {}

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        return objections.objections(request, peer)

    def write_request(self, request: Request, peer: Peer) -> Outgoing:
        if request.vocabulary == self.name:
            return own_request.patch_request(request, peer)
        return request_writer.write_request(request, peer)

    def reader(self, peer: Peer) -> FrameReader:
        return decoder.ChatReader(peer)

    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        return decoder.read_document(body, peer)

    def read_error(self, body: dict[str, Any]) -> UpstreamError:
        return errors.read_error(body)


CHAT = ChatVocabulary()
