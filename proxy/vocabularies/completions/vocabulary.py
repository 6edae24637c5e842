"""The text completions vocabulary: one role, towards clients."""

from typing import Any

from proxy.canonical.request import Request
from proxy.errors import ProxyError
from proxy.vocabularies.completions.encoder import CompletionsEncoder
from proxy.vocabularies.completions.request_reader import NAME, read_request
from proxy.wire.codec import Head, Peer
from proxy.wire.error_object import error_object_body, error_object_status


class CompletionsVocabulary:
    """See `wire.codec.Downstream`."""

    name = NAME
    always_streams = False
    error_content_type = "application/json"
    read_like = NAME
    tells_discards = False

    def read_request(self, body: dict[str, Any]) -> Request:
        return read_request(body)

    def encoder(self, head: Head) -> CompletionsEncoder:
        return CompletionsEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return error_object_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return error_object_status(error)

    def count_request(self, request: Request, peer: Peer) -> None:
        return None

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {}


COMPLETIONS = CompletionsVocabulary()
