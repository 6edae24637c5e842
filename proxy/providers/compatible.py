"""Any other server that speaks one of the vocabularies: the address, and if need be the rest, come from the
configuration. The quirks are the most cautious reading of "compatible"."""

from proxy.providers.provider import Endpoint, Provider
from proxy.wire.quirks import Quirks

_CHAT = Quirks(max_tokens_parameter="max_tokens", system_role="system")

COMPATIBLE = Provider(
    name="compatible",
    base_url=None,
    endpoints=(
        Endpoint("chat", "/chat/completions", _CHAT),
        Endpoint("responses", "/responses", Quirks(system_role="system")),
        Endpoint("messages", "/messages", Quirks(stop_maximum=None)),
    ),
    embeddings_path="/embeddings",
    completions_path="/completions",
)
