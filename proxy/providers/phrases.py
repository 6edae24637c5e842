"""From a provider's words to the cause of contract §7: by code, then by phrase, then by the general codes."""

import re

from proxy.errors import Cause
from proxy.providers.refusals import CODES, GENERAL_CODES, PHRASES, RATE_WORDS, STATUSLESS_CODES

# Quoted text may be the caller's own (a tool's name, a parameter); it must not talk a credential out of service.
_QUOTED = re.compile(r"(?<![a-z0-9])'[^']*'|\"[^\"]*\"|`[^`]*`")
_MARKS_CREDENTIAL = frozenset({Cause.BILLING, Cause.CREDENTIAL_REJECTED})
# A 429 speaks of allowances, whatever numbers of tokens it mentions.
_WITH_429 = frozenset({Cause.BILLING, Cause.TOO_LARGE, Cause.RATE_LIMITED})
_IN_A_STREAM = 200
# Beside one of these, "server error" is what a server calls any error of its own.
_SAYS_MORE = frozenset({401, 402, 403, 404, 413, 429})
_SEARCHED = 8000  # characters; nobody says why further down, and a body may have a megabyte
_SIZES = (
    re.compile(r"(?P<tokens>\d+) tokens > (?P<maximum>\d+) maximum"),
    re.compile(r"maximum (?:context|prompt) length is (?P<maximum>\d+)\D+?(?P<tokens>\d+)"),
    re.compile(r"maximum context length is (?P<maximum>\d+).*prompt contains (?:at least )?(?P<tokens>\d+)"),
    re.compile(r"current length is (?P<tokens>\d+) while limit is (?P<maximum>\d+)"),
    re.compile(r"you passed (?P<tokens>\d+) input tokens.*context length is only (?P<maximum>\d+)"),
    re.compile(r"\((?P<tokens>\d+)(?: tokens)?\)\D+\((?P<maximum>\d+)(?: tokens)?\)"),
    re.compile(r"must have less than (?P<maximum>\d+) tokens\. given: (?P<tokens>\d+)"),
)


def cause_of(status: int, code: str = "", type: str = "", message: str = "") -> Cause | None:
    """What the provider's words say; None where they say nothing special (then the status decides).

    `status` is the HTTP status, 200 for an error found inside a stream whose status is not known.
    """
    code, type, message = code.lower(), type.lower(), message[:_SEARCHED].lower()
    return (
        CODES.get(code)
        or CODES.get(type)
        or _phrased(status, message)
        or _general(status, code)
        or _general(status, type)
        or (STATUSLESS_CODES.get(code) or STATUSLESS_CODES.get(type) if status == _IN_A_STREAM else None)
    )


def prompt_size(message: str) -> tuple[int | None, int | None]:
    """(tokens of the prompt, maximum) as a context overflow's message names them; None where it does not, or where the
    prompt alone would fit: then the first number was not the prompt's."""
    lowered = message.lower().replace(",", "")
    for pattern in _SIZES:
        if (found := pattern.search(lowered)) and int(found["tokens"]) > int(found["maximum"]):
            return int(found["tokens"]), int(found["maximum"])
    return None, None


def _general(status: int, word: str) -> Cause | None:
    cause = GENERAL_CODES.get(word)
    return None if cause is Cause.SERVER_ERROR and status in _SAYS_MORE else cause


def _phrased(status: int, message: str) -> Cause | None:
    if not message:
        return None
    unquoted = _QUOTED.sub("", message)
    speaks_of_rates = any(word in message for word in RATE_WORDS)
    for cause, parts, _ in PHRASES:
        if status == 429 and cause not in _WITH_429:
            continue
        if speaks_of_rates and cause is Cause.CONTEXT_OVERFLOW:
            continue
        searched = unquoted if cause in _MARKS_CREDENTIAL else message
        if all(part in searched for part in parts):
            return cause
    return None
