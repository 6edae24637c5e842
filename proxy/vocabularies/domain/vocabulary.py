"""The domain vocabulary assembled: it has the role towards clients only."""

from typing import Any

from proxy.canonical.request import Request
from proxy.errors import ProxyError, UnsupportedParameter
from proxy.vocabularies.domain import errors
from proxy.vocabularies.domain.encoder import DomainEncoder
from proxy.wire.codec import Head, Peer


class Domain:
    """See `wire.codec.Downstream`. Requests are written in the vocabulary of the path they were sent to."""

    name = "domain"
    read_like = "responses"  # contract §1: asked for by header on that path
    tells_discards = True
    always_streams = True
    error_content_type = "application/problem+json"

    def read_request(self, body: dict[str, Any]) -> Request:
        """Raises UnsupportedParameter: there is no request of its own."""
        raise UnsupportedParameter("This vocabulary describes answers; no request is written in it.")

    def encoder(self, head: Head) -> DomainEncoder:
        return DomainEncoder(head)

    def error_body(self, error: ProxyError, request_id: str) -> dict[str, Any]:
        return errors.error_body(error, request_id)

    def error_status(self, error: ProxyError) -> int:
        return errors.error_status(error)

    def count_request(self, request: Request, peer: Peer) -> None:
        return None

    def count_body(self, tokens: int) -> dict[str, Any]:
        return {}


DOMAIN = Domain()
