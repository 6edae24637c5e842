"""Round-trip material of reasoning: OpenRouter's `reasoning_details`, the one documented form on this wire.

Source: OpenRouterTeam/docs, `guides/best-practices/reasoning-tokens.mdx`: entries of type reasoning.text (`text`,
`signature`), reasoning.summary (`summary`) and reasoning.encrypted (`data`), each with `id`, `format`, `index`. What is
opaque in an entry travels as one sealed payload: the entry itself without its readable text (form "detail").
"""

from typing import Any

import msgspec

from proxy.canonical.origin import Seal
from proxy.vocabularies.chat.schema import ENCODER, OBJECT

FORM = "detail"
_OPAQUE = {"reasoning.encrypted": "data", "reasoning.text": "signature"}
_READABLE = ("text", "summary")


def entries(details: Any) -> list[dict[str, Any]]:
    """The entries of a reasoning_details member, whatever it is."""
    return [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []


def opaque_member(entry: dict[str, Any]) -> str | None:
    """The name of the member that holds the opaque string, if the entry has one."""
    name = _OPAQUE.get(entry["type"]) if isinstance(entry.get("type"), str) else None
    return name if name and isinstance(entry.get(name), str) and entry[name] else None


def readable(entry: dict[str, Any]) -> str:
    """The entry's text, if it has any."""
    return next((entry[name] for name in _READABLE if isinstance(entry.get(name), str)), "")


def sealed(entry: dict[str, Any], seal: Seal) -> str:
    """An entry's opaque part with its origin tag."""
    kept = {name: value for name, value in entry.items() if name not in _READABLE}
    return seal.close(FORM, ENCODER.encode(kept).decode())


def minted(material: str, position: int, start: int, end: int) -> dict[str, Any]:
    """The entry a client sees for material of any origin. It belongs to the characters start…end of the message's
    reasoning_content; members of our own say so, because signatures hold for exactly one text."""
    return {"type": "reasoning.encrypted", "data": material, "index": position, "start": start, "end": end}


def opened(material: str, text: str, seal: Seal) -> dict[str, Any] | None:
    """The provider's own entry out of tagged material, with its text; None if this target may not have it."""
    opened = seal.open(material)
    if opened is None or opened.form != FORM:
        return None
    try:
        entry = OBJECT.decode(opened.payload)
    except msgspec.DecodeError:
        return None
    return entry | {"text": text} if entry.get("type") == "reasoning.text" else entry
