"""What a request says about itself in headers: credentials, vocabulary, controls (contract §5); and how its own words
go back in one."""

import re
from collections.abc import Iterable, Mapping, Sequence

from multidict import CIMultiDictProxy

from proxy.errors import InvalidRequest, Unauthenticated
from proxy.providers.beta import allowed
from proxy.routing.settings import MIDSTREAM
from proxy.runtime.snapshot import Key
from proxy.wire.fields import shown

_FORWARDED = ("anthropic-version", "openai-beta")
_LONGEST_LIST = 1000
_VOCABULARY = re.compile(r"text/event-stream\s*;\s*vocabulary=\"?([a-z]+)", re.IGNORECASE)
_PLAIN = re.compile(r"[ -~]{1,256}")
_MILLISECONDS = re.compile(r"[0-9]{1,12}")
_MODES = ("events", "comments", "none")
_SWITCH = ("on", "off")
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
    asked = _word(headers, "segue-fallback-events", _MODES)
    if asked is not None:
        return asked
    if key.fallback_events is not None:
        return key.fallback_events
    survives = has_typed_events and headers.get("user-agent", "").startswith(SURVIVES_EXTENSION_EVENTS)
    return "events" if survives else "comments"


def allows_fallbacks(headers: Mapping[str, str]) -> bool:
    """Whether more than the first candidate may be asked. Raises InvalidRequest for another word than on and off."""
    return _word(headers, "segue-fallbacks", _SWITCH) != "off"


def asked_midstream(headers: Mapping[str, str]) -> str | None:
    """What is to be done about an answer that breaks: fail | continue | restart; None = as the route has it. Raises
    InvalidRequest for another word."""
    return _word(headers, "segue-midstream", MIDSTREAM)


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


def _word(headers: Mapping[str, str], name: str, words: Sequence[str]) -> str | None:
    """What the header says, in lower case; None without it. Raises InvalidRequest unless it is one of `words`."""
    value = headers.get(name)
    if value is None:
        return None
    word = value.strip().lower()
    if word not in words:
        raise InvalidRequest(f"Invalid header {name}: '{shown(value)}'. Use one of {', '.join(words)}.", param=name)
    return word
