"""Counting a prompt's tokens: asked of the first candidate whose provider counts in that vocabulary, else estimated."""

import asyncio
from typing import Any

import msgspec

from proxy.canonical.request import Document, Image, Request, Text, Thinking, ToolCall
from proxy.errors import InvalidJson, UpstreamFault
from proxy.pipeline import Incoming, resolve
from proxy.routing.candidates import Target
from proxy.settlement.ledger import Entry
from proxy.transport.exchange import Call, Transport
from proxy.wire.fields import parse_object

_OVERHEAD_TOKENS = 8
_TOKENS_PER_IMAGE = 1000
_LIMIT = 1024 * 1024
# What a vocabulary requires of a request that generates, and counting knows nothing of; above every thinking budget.
_NOT_COUNTED = {"max_tokens": 1 << 20}
_encode = msgspec.json.Encoder().encode


class Counter:
    """Never fails for a provider's sake: an estimate says of itself that it is one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def count(self, incoming: Incoming, entry: Entry) -> dict[str, Any]:
        """The answer body in the vocabulary asked. Raises RequestFault."""
        request = incoming.reading.read_request(_NOT_COUNTED | incoming.body)
        route = resolve(incoming, entry, request.model)
        entry.outcome = "ok"
        for index, target in enumerate(route.candidates):
            path = target.counts.get(incoming.reading.name)
            body = incoming.reading.count_request(request, target.peer(first=index == 0)) if path is not None else None
            if path is not None and body is not None:
                counted = await self._ask(target, path, body, incoming)
                if counted is not None:
                    return counted
        return incoming.reading.count_body(estimate(request)) | {"segue": {"method": "estimated"}}

    async def _ask(self, target: Target, path: str, body: dict[str, Any], incoming: Incoming) -> dict[str, Any] | None:
        headers = {"content-type": "application/json", **incoming.forwarded, **dict(target.headers)}
        call = Call(target.base_url + path, headers, _encode(body), target.timeouts.connect)
        try:
            async with asyncio.timeout(target.timeouts.headers):
                exchange = await self._transport.open(call)
                try:
                    answer = await exchange.read_all(_LIMIT)
                finally:
                    exchange.close()
            return parse_object(answer) if exchange.status == 200 else None
        except (UpstreamFault, TimeoutError, InvalidJson):
            return None


def estimate(request: Request) -> int:
    """Tokens of the prompt: ASCII bytes / 4, other bytes / 2, a surcharge per image (contract §9's arithmetic)."""
    texts = [part.text for part in request.parts() if isinstance(part, (Text, Thinking))]
    texts += [part.arguments for part in request.parts() if isinstance(part, ToolCall)]
    texts += [msgspec.json.encode(tool).decode() for tool in request.tools]
    joined = "".join(texts)
    size = len(joined.encode("utf-8", "replace"))
    ascii_bytes = sum(character.isascii() for character in joined) if not joined.isascii() else size
    images = sum(isinstance(part, (Image, Document)) for part in request.parts())
    return (
        ascii_bytes // 4
        + (size - ascii_bytes) // 2
        + images * _TOKENS_PER_IMAGE
        + _OVERHEAD_TOKENS * len(request.turns)
    )
