"""Which endpoint a method and path name. Forgiving where clients differ: no /v1, /v1 doubled, `//`, encoded names."""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from proxy.errors import MethodNotAllowed, UnknownPath
from proxy.routing.candidates import Operation
from proxy.vocabularies.catalog import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES
from proxy.wire.codec import Downstream
from proxy.wire.fields import shown


class Kind(Enum):
    GENERATE = "generate"
    EMBEDDINGS = "embeddings"
    COUNT = "count"
    MODELS = "models"
    MODEL = "model"


class Endpoint(NamedTuple):
    """`vocabulary` is the one whose path this is; None where several shapes are served. `model`: a name in the path;
    `operation`: what a key needs for it, and a candidate has to offer."""

    kind: Kind
    vocabulary: Downstream | None
    model: str | None = None
    operation: Operation = Operation.GENERATE


_POSTS = {
    "/responses": Endpoint(Kind.GENERATE, RESPONSES),
    "/responses/input_tokens": Endpoint(Kind.COUNT, RESPONSES),
    "/chat/completions": Endpoint(Kind.GENERATE, CHAT),
    "/completions": Endpoint(Kind.GENERATE, COMPLETIONS),
    "/messages": Endpoint(Kind.GENERATE, MESSAGES),
    "/messages/count_tokens": Endpoint(Kind.COUNT, MESSAGES),
    "/embeddings": Endpoint(Kind.EMBEDDINGS, EMBEDDINGS, operation=Operation.EMBEDDINGS),
}
_EXISTS = ", ".join([*(f"POST /v1{path}" for path in _POSTS), "GET /v1/models", "GET /v1/models/{id}"])
_REMEMBERED = 256  # clients use few paths, again and again
_ORIGIN = re.compile(r"^https?://[^/?]*", re.IGNORECASE)  # RFC 9112, 3.2.2: proxies are asked for whole URLs
_LEADING = re.compile(r"^(?:/+v1(?=/|$))+")


def normalized(raw_path: str) -> str:
    """The path below /v1, without query, with single slashes and no trailing one; never empty."""
    path = _LEADING.sub("", "/" + _ORIGIN.sub("", raw_path).partition("?")[0].lstrip("/"))
    path = re.sub(r"/{2,}", "/", path)
    return path.rstrip("/") or "/"


@lru_cache(maxsize=_REMEMBERED)
def vocabulary_of(raw_path: str) -> Downstream | None:
    """The vocabulary whose words an error on this path should use, even where nothing is served there."""
    path = normalized(raw_path)
    return next(
        (endpoint.vocabulary for prefix, endpoint in _POSTS.items() if path == prefix or path.startswith(prefix + "/")),
        None,
    )


@lru_cache(maxsize=_REMEMBERED)
def resolve(method: str, raw_path: str) -> Endpoint:
    """Raises UnknownPath, MethodNotAllowed; both say what exists. HEAD works where GET does."""
    path = normalized(raw_path)
    if path in _POSTS:
        if method == "POST":
            return _POSTS[path]
        raise MethodNotAllowed(f"{method} is not allowed on {_shown(raw_path)}. Use POST.", allowed="POST, OPTIONS")
    if path == "/models" or path.startswith("/models/"):
        if method not in ("GET", "HEAD"):
            raise MethodNotAllowed(
                f"{method} is not allowed on {_shown(raw_path)}. Use GET.", allowed="GET, HEAD, OPTIONS"
            )
        name = path.removeprefix("/models").lstrip("/")
        return Endpoint(Kind.MODEL, None, unquote(name)) if name else Endpoint(Kind.MODELS, None)
    raise UnknownPath(f"Unknown path {method} {_shown(raw_path)}. What exists: {_EXISTS}.")


def _shown(raw_path: str) -> str:
    return shown(raw_path.partition("?")[0], 200)
