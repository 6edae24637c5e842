"""Takes provider ids, addresses and secrets out of a provider's words before a client reads them (contract §2).

Ids and keys are told from ordinary words (`msg_format`, `pk_column`) by a digit, a mask or their length.
"""

import re

_LONGEST = 500
_SEARCHED = 8 * _LONGEST  # no provider's first sentences are longer; bounds the work
_KEYS = r"sk|pk|rk|gsk|csk|fw|pplx|sg|hf|tgp|nvapi"
_IDS = r"resp|chatcmpl|cmpl|msg|req|run|asst|org|proj|rs|fc|ctc|ws|call|toolu|gen|thread|batch"
_HEXTET = r"[0-9a-f]{1,4}"
_IPV6 = rf"(?:{_HEXTET}:){{4,7}}{_HEXTET}\b|(?=[0-9a-f:]*\d)(?:(?:{_HEXTET}:){{1,6}}:|::)(?:{_HEXTET}:?){{1,6}}"
_PATTERNS = (
    (re.compile(r"(?i)\b(?:https?|wss?)://\S+"), "[url]"),
    (re.compile(r"(?i)\bbearer\s+(?=\S*[\d*])\S{6,}"), "[key]"),
    (re.compile(rf"\b(?:{_KEYS})[-_](?:(?=[\w*.-]*[\d*])[\w*.-]{{6,}}|[\w-]{{24,}})"), "[key]"),
    (re.compile(r"\b(?:AIza[\w-]{16,}|AKIA[0-9A-Z]{12,}|eyJ[\w-]{8,}\.[\w.-]+)"), "[key]"),
    (re.compile(r"\b[\w-]+\*{3,}[\w-]+"), "[key]"),
    (re.compile(rf"\b(?:{_IDS})[-_](?:(?=[\w-]*\d)[\w-]{{6,}}|[A-Za-z]{{20,}})"), "[id]"),
    (re.compile(r"\b[A-Za-z]{2,8}[-_](?=[A-Za-z]*\d)[A-Za-z0-9]{20,}"), "[key]"),
    (re.compile(r"(?i)\b(?:request[ _-]?id|cf-ray)\s{0,2}[:=]?\s{0,2}['\"]?(?=[\w-]*\d)[\w-]{8,}['\"]?"), "[id]"),
    (re.compile(r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "[id]"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"), "[address]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "[address]"),
    (re.compile(rf"(?i)(?<![\w:])\[?(?:{_IPV6})\]?(?::\d+)?"), "[address]"),
    (re.compile(r"\b(?:localhost|[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}):\d{2,5}\b"), "[address]"),
)


def scrub(message: str) -> str:
    """`message` without ids, URLs, addresses and keys, at most 500 characters."""
    message = message[:_SEARCHED]
    for pattern, replacement in _PATTERNS:
        message = pattern.sub(replacement, message)
    message = " ".join(message.split())
    return message if len(message) <= _LONGEST else message[:_LONGEST] + "…"
