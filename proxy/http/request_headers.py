"""What a request says about itself in headers: credentials, vocabulary, controls (contract §5); and how its own words
go back in one."""

import re
from collections.abc import Iterable, Mapping

from multidict import CIMultiDictProxy

from proxy.errors import InvalidRequest, Unauthenticated
from proxy.providers.beta import allowed
from proxy.runtime.snapshot import Key
from proxy.wire.fields import shown

_FORWARDED = ("anthropic-version", "openai-beta")
_LONGEST_LIST = 1000
_VOCABULARY = re.compile(r"text/event-stream\s*;\s*vocabulary=\"?([a-z]+)", re.IGNORECASE)
_PLAIN = re.compile(r"[ -~]{1,256}")
_MILLISECONDS = re.compile(r"[0-9]{1,12}")
_MODES = ("events", "comments", "none")
# Clients whose iterator and accumulator both survive unknown event types, by the start of their user-agent; a test
# keeps the list honest (contract §3).
SURVIVES_EXTENSION_EVENTS = ("OpenAI/Python", "AsyncOpenAI/Python", "codex_cli_rs", "codex_exec")


def presented_keys(headers: Mapping[str, str]) -> list[str]:
    """Every API key the request carries. Raises Unauthenticated if `authorization` is of another scheme."""
    found = [headers[name].strip() for name in ("x-api-key", "api-key") if headers.get(name)]
    authorization = headers.get("authorization", "").strip()
    if authorization:
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Unknown Authorization scheme. Send 'Authorization: Bearer sg-…'.")
        found.append(value.strip())
    return [key for key in found if key]


def asked_vocabulary(headers: Mapping[str, str]) -> str | None:
    """The vocabulary asked for by header: `segue-vocabulary: NAME`, or `accept: text/event-stream;vocabulary=NAME`."""
    named = headers.get("segue-vocabulary")
    if named:
        return named.strip().lower()
    accept = headers.get("accept", "")
    if "vocabulary=" not in accept:
        return None
    found = _VOCABULARY.search(accept)
    return found[1].lower() if found else None


def notice_mode(headers: Mapping[str, str], key: Key, *, has_typed_events: bool) -> str:
    """events | comments | none: the request's word, else the key's or tenant's, else what the client survives.
    `has_typed_events`: the answer's vocabulary tells its events apart by type, so that a listed client skips ours."""
    asked = headers.get("segue-fallback-events")
    if asked is not None:
        mode = asked.strip().lower()
        if mode not in _MODES:
            raise InvalidRequest(
                f"Invalid header segue-fallback-events: '{shown(asked)}'. Use one of {', '.join(_MODES)}.",
                param="segue-fallback-events",
            )
        return mode
    if key.fallback_events is not None:
        return key.fallback_events
    survives = has_typed_events and headers.get("user-agent", "").startswith(SURVIVES_EXTENSION_EVENTS)
    return "events" if survives else "comments"


def allows_fallbacks(headers: Mapping[str, str]) -> bool:
    return headers.get("segue-fallbacks", "").strip().lower() != "off"


def asked_timeout(headers: Mapping[str, str]) -> float | None:
    """`segue-timeout-ms` in seconds. Raises InvalidRequest unless it is a positive number of milliseconds."""
    value = headers.get("segue-timeout-ms")
    if value is None:
        return None
    if not _MILLISECONDS.fullmatch(value.strip()) or int(value) == 0:
        raise InvalidRequest(
            f"Invalid header segue-timeout-ms: '{shown(value)}'. Use a positive number of milliseconds.",
            param="segue-timeout-ms",
        )
    return int(value) / 1000


def forwarded(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    """Client headers a provider of the same vocabulary may see: an allow-list, and of betas the known values only.
    Raises InvalidRequest for what is no header value."""
    out = {name: headers[name] for name in _FORWARDED if headers.get(name)}
    for name, value in out.items():
        if not _PLAIN.fullmatch(value):
            raise InvalidRequest(f"Invalid header {name}: '{shown(value)}'. Use plain ASCII.", param=name)
    betas = allowed(headers.getall("anthropic-beta", []))
    if betas:
        out["anthropic-beta"] = ",".join(betas)
    return out


def listed(names: Iterable[str]) -> str:
    """Names, each once, as a header's value; they may be the client's own, of any length and characters."""
    told = ",".join(dict.fromkeys(shown(name, 80) for name in names))
    return shown(told, _LONGEST_LIST).encode("ascii", "replace").decode()
