"""Deterministic stand-ins for what a model would invent: JSON that fits a schema, pieces of a text, token counts."""

from typing import Any

from proxy.demo.frames import Json

_BY_TYPE: dict[str, Any] = {"integer": 7, "number": 1.5, "boolean": True, "null": None}
_MAX_DEPTH = 8


def tokens_in(text: str) -> int:
    """About four characters a token, at least one for any text."""
    return (len(text) + 3) // 4


def pieces(text: str, count: int) -> tuple[str, ...]:
    """`text` in at most `count` non-empty pieces of nearly equal length."""
    count = min(count, len(text))
    return tuple(text[i * len(text) // count : (i + 1) * len(text) // count] for i in range(count)) if count else ()


def sample(schema: Json, words: str) -> Any:
    """A value that fits the JSON schema; every string in it is `words` unless the schema lists the choices."""
    return _sample(schema, words, schema, 0)


def _sample(schema: Any, words: str, root: Json, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return words
    if "$ref" in schema:
        return _sample(_resolve(root, str(schema["$ref"])), words, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _sample(schema[several][0], words, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _sample(inner, words, root, depth + 1) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [_sample(schema.get("items"), words, root, depth + 1)]
    if kind in ("integer", "number"):
        return max(_BY_TYPE[kind], schema["minimum"]) if "minimum" in schema else _BY_TYPE[kind]
    return _BY_TYPE.get(kind, words)


def _resolve(root: Json, reference: str) -> Any:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(step, {}) if step and isinstance(found, dict) else found
    return found
