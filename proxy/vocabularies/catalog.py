"""The vocabularies there are, by name and role."""

from collections.abc import Mapping

from proxy.vocabularies.chat.vocabulary import CHAT
from proxy.vocabularies.completions.vocabulary import COMPLETIONS
from proxy.vocabularies.domain.vocabulary import DOMAIN
from proxy.vocabularies.embeddings.vocabulary import EMBEDDINGS
from proxy.vocabularies.messages.vocabulary import MESSAGES
from proxy.vocabularies.responses.vocabulary import RESPONSES
from proxy.wire.codec import Downstream, Upstream

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "DOMAIN",
    "DOWNSTREAM",
    "EMBEDDINGS",
    "MESSAGES",
    "RESPONSES",
    "UPSTREAM",
]

DOWNSTREAM: Mapping[str, Downstream] = {
    "responses": RESPONSES,
    "chat": CHAT,
    "completions": COMPLETIONS,
    "messages": MESSAGES,
    "domain": DOMAIN,
    "embeddings": EMBEDDINGS,
}
UPSTREAM: Mapping[str, Upstream] = {
    "responses": RESPONSES,
    "chat": CHAT,
    "messages": MESSAGES,
    "embeddings": EMBEDDINGS,
}
