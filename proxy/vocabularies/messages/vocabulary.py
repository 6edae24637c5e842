"""Messages, both roles, assembled from this folder."""

from typing import Any

from proxy.canonical.events import Event
from proxy.canonical.request import Request
from proxy.errors import ProxyError
from proxy.vocabularies.messages import errors
from proxy.vocabularies.messages.decoder import Reader, read_document
from proxy.vocabularies.messages.encoder import MessagesEncoder
from proxy.vocabularies.messages.native_writer import count_request, native_objections, patch
from proxy.vocabularies.messages.parameters import COLUMN
from proxy.vocabularies.messages.prefill import ask_to_go_on
from proxy.vocabularies.messages.request_reader import NAME, read_request
from proxy.vocabularies.messages.request_writer import translate, translation_objections
from proxy.wire.codec import Head, Objection, Outgoing, Peer, UpstreamError
from proxy.wire.parameters import Column
from proxy.wire.reported import read_error_object


class Messages:
    """See `wire.codec.Vocabulary`."""

    name = NAME
    always_streams = False
    error_content_type = "application/json"
    read_like = NAME
    tells_discards = False
    column: Column = COLUMN

    def read_request(self, body: dict[str, Any]) -> Request:
        return read_request(body)

    def encoder(self, head: Head) -> MessagesEncoder:
        return MessagesEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return errors.error_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return errors.error_status(error)

    def count_request(self, request: Request, peer: Peer) -> dict[str, Any] | None:
        return count_request(request, peer)

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {"input_tokens": tokens}

    def objections(self, request: Request, peer: Peer) -> list[Objection]:
        native = request.vocabulary == NAME
        found = native_objections(request, peer) if native else translation_objections(request, peer)
        choice = request.tool_choice
        if peer.quirks.required_tool_choice is None and choice is not None:
            forces = choice.mode in ("required", "tool") or (choice.mode == "allowed" and choice.required)
            if forces:
                found.append(Objection("tool_choice", "it cannot be made to call a tool"))
        if request.continuation is not None and peer.quirks.prefill is None:
            found.append(Objection("messages", "the model is not known to go on with an answer"))
        return found

    def write_request(self, request: Request, peer: Peer) -> Outgoing:
        written = patch(request, peer) if request.vocabulary == NAME else translate(request, peer)
        if request.continuation is not None:
            ask_to_go_on(request.continuation, written.body)
        return written

    def reader(self, peer: Peer) -> Reader:
        return Reader(peer)

    def read_document(self, body: dict[str, Any], peer: Peer) -> list[Event]:
        return read_document(body, peer)

    def read_error(self, body: dict[str, Any]) -> UpstreamError:
        return read_error_object(body)


MESSAGES = Messages()
